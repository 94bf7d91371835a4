"""The laptop's processes: start each detached, know it again, wait until it is ready, and end it.

Each runs in a session of its own with a record (pid, start time, port) and a log in the home directory,
so that `up`, `status` and `down` may be different commands. A pid alone is never trusted: it may belong
to somebody else by now.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]  # it publishes no types

from parjanya_dagster.core.errors import ConfigError, UnavailableError
from parjanya_dagster.local.loopback import check_port_is_free

MARK: Final = "SERVICE_OF_PARJANYA_HOME"
"""Variable that every process started here carries, and its descendants inherit: the home directory."""

_POLL_S: Final = 0.05
_LOG_TAIL_BYTES: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is needed to run one process.

    Args:
        name: names the record and the log file.
        command: the executable's absolute path, then its arguments.
        environment: the process' whole environment.
        port: TCP port on 127.0.0.1 it will listen on; None if it does not listen.
        is_ready: whether it does its work now; asked repeatedly, never raises.
        stop_patience_s: seconds between the request to end and the kill.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    is_ready: Callable[[], bool]
    port: int | None = None
    stop_patience_s: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process that was started here and lives.

    Args:
        created_at: seconds since the epoch, as the system gives it: identifies the process with its pid.
        port: the port it was started on.
        command: what was started.
    """

    name: str
    pid: int
    created_at: float
    port: int | None
    command: tuple[str, ...]


def start(service: Service, home: Path) -> Running:
    """Start a service detached, or return the one that already runs; one of another command is replaced.

    Raises:
        ConfigError: its port is taken; the message says by whom, when the system tells.
    """
    if running := find(service.name, home):
        if running.command == service.command:
            return running
        stop(service.name, home=home, patience_s=service.stop_patience_s)
    if service.port is not None:
        check_port_is_free(service.port, for_what=service.name)
    pid = _spawn(service, home)
    running = Running(
        name=service.name,
        pid=pid,
        created_at=psutil.Process(pid).create_time(),
        port=service.port,
        command=service.command,
    )
    record = _record_of(service.name, home)
    record.parent.mkdir(parents=True, exist_ok=True)
    scratch = record.with_suffix(f".{os.getpid()}")
    scratch.write_text(json.dumps(asdict(running)))
    scratch.replace(record)
    return running


def await_ready(service: Service, home: Path, *, timeout_s: float) -> None:
    """Return when the service is ready.

    Raises:
        ConfigError: it ended instead; the message quotes its log.
        UnavailableError: it was not ready within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while not service.is_ready():
        if find(service.name, home) is None:
            raise ConfigError(
                f"{service.name} ended while it started; the end of {log_of(service.name, home)}:\n"
                + "\n".join(log_tail(service.name, home).splitlines()[-3:]),
            )
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"{service.name} was not ready within {timeout_s:.0f} s: read {log_of(service.name, home)}, "
                "then `parjanya down` and try again",
            )
        time.sleep(_POLL_S)


def find(name: str, home: Path) -> Running | None:
    """Return the running process of that name, or None; a stale record counts as none."""
    try:
        record = json.loads(_record_of(name, home).read_text())
        running = Running(**{**record, "command": tuple(record["command"])})
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None
    return running if _process_of(running) else None


def stop(*names: str, home: Path, patience_s: float = 20.0) -> list[str]:
    """End services side by side, with everything they started; return those that were running.

    Args:
        names: the services.
        home: where they were started.
        patience_s: seconds between the request to end and the kill.
    """
    running = {name: process for name in names if (process := _process_named(name, home))}
    families = [[process, *_descendants(process)] for process in running.values()]
    for process in running.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _await_end(running.values(), timeout_s=patience_s)
    _end_all([each for family in families for each in family], patience_s=2.0)
    for name in names:
        _record_of(name, home).unlink(missing_ok=True)
    return list(running)


def sweep(home: Path) -> int:
    """End whatever still carries the mark of this home (orphans of a killed service); return how many."""
    left = [each for each in psutil.process_iter() if _mark_of(each) == str(home) and each.pid != os.getpid()]
    _end_all(left, patience_s=5.0)
    return len(left)


def memory_bytes(running: Running) -> int:
    """Return the resident memory of a service and everything it started."""
    process = _process_of(running)
    total = 0
    for each in [process, *_descendants(process)] if process else []:
        with contextlib.suppress(psutil.Error):
            total += each.memory_info().rss
    return total


def log_of(name: str, home: Path) -> Path:
    """Return the path of a service's log."""
    return home / "logs" / f"{name}.log"


def log_tail(name: str, home: Path) -> str:
    """Return the end of what a service wrote since it last started."""
    try:
        written = log_of(name, home).read_text(errors="replace")
    except FileNotFoundError:
        return "it wrote nothing"
    since_start = written.rpartition(f"--- {name} starts: ")[2].partition("\n")[2]
    return since_start[-_LOG_TAIL_BYTES:].strip()


def _spawn(service: Service, home: Path) -> int:
    log = log_of(service.name, home)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        sink.write(f"--- {service.name} starts: {' '.join(service.command)}\n".encode())
        sink.flush()
        return os.posix_spawn(
            service.command[0],
            service.command,
            {**service.environment, MARK: str(home)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, sink.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, sink.fileno(), 2),
            ],
            # a session of its own: Ctrl-C in the terminal must not end it before those who use it
            setsid=True,
            # a shell's `&` makes SIGINT ignored, and Dagster then lets SIGTERM be ignored with it
            setsigdef=[signal.SIGINT, signal.SIGTERM],
        )


def _record_of(name: str, home: Path) -> Path:
    return home / "run" / f"{name}.json"


def _process_named(name: str, home: Path) -> psutil.Process | None:
    running = find(name, home)
    return _process_of(running) if running else None


def _process_of(running: Running) -> psutil.Process | None:
    try:
        process = psutil.Process(running.pid)
        same = abs(process.create_time() - running.created_at) < 1
    except psutil.NoSuchProcess:
        return None
    return process if same and _is_alive(process) else None


def _is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    with contextlib.suppress(ChildProcessError):  # reap it if it is ours
        os.waitpid(process.pid, os.WNOHANG)
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _mark_of(process: psutil.Process) -> str | None:
    try:
        mark: str | None = process.environ().get(MARK)
    except (psutil.Error, OSError):  # somebody else's, or gone
        return None
    return mark


def _await_end(processes: Iterable[psutil.Process], *, timeout_s: float) -> list[psutil.Process]:
    """Return the processes that still run when all have ended or `timeout_s` has passed."""
    deadline = time.monotonic() + timeout_s
    while (alive := [each for each in processes if _is_alive(each)]) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return alive


def _end_all(processes: Iterable[psutil.Process], *, patience_s: float) -> None:
    alive = _await_end(list(processes), timeout_s=0)
    for number, timeout_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 5.0)):
        for each in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(number)
        alive = _await_end(alive, timeout_s=timeout_s)
