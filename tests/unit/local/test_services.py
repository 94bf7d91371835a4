"""Starting, knowing and ending processes."""

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it publishes no types
import pytest

from parjanya_dagster.core.errors import ConfigError, UnavailableError
from parjanya_dagster.local import services
from parjanya_dagster.local.loopback import check_port_is_free
from parjanya_dagster.local.services import Service

NAP = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); " + NAP
)
PARENT = (
    f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {NAP!r}]).pid, flush=True); "
    + NAP
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Return a home whose processes end with the test."""
    yield tmp_path
    services.sweep(tmp_path)


def a_service(
    code: str = NAP, *, name: str = "napper", home: Path, says: str = "", port: int | None = None
) -> Service:
    """Return a service that runs Python code and is ready once its log matches `says`."""
    return Service(
        name=name,
        command=(sys.executable, "-c", code),
        environment=dict(os.environ),
        port=port,
        is_ready=lambda: re.search(says, services.log_tail(name, home)) is not None,
    )


def test_service_when_started_is_found_again_and_not_started_twice(home: Path) -> None:
    """`up` repeated starts only what does not run."""
    service = a_service(home=home)

    first = services.start(service, home)

    assert services.start(service, home) == first
    assert services.find("napper", home) == first


def test_service_with_another_command_replaces_the_old_one(home: Path) -> None:
    """A fleet that runs in the other mode is not mistaken for the one that was asked for."""
    old = services.start(a_service(home=home), home)

    new = services.start(a_service(NAP + " #", home=home), home)

    assert new.pid != old.pid
    assert services.find("napper", home) == new


def is_over(pid: int) -> bool:
    """Whether a process runs no more; one that waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_service_when_stopped_takes_its_children_along(home: Path) -> None:
    """Nothing is left running."""
    service = a_service(PARENT, home=home, says=r"^\d+$")
    services.start(service, home)
    services.await_ready(service, home, timeout_s=20)
    child = int(services.log_tail("napper", home).splitlines()[-1])

    assert services.stop("napper", "unknown", home=home) == ["napper"]

    assert services.find("napper", home) is None
    assert is_over(child)


def test_service_that_ignores_the_request_to_end_is_killed(home: Path) -> None:
    """Patience ends."""
    service = a_service(STUBBORN, home=home, says="ready")
    running = services.start(service, home)
    services.await_ready(service, home, timeout_s=20)

    services.stop("napper", home=home, patience_s=0.1)

    assert is_over(running.pid)


def test_record_of_a_pid_that_belongs_to_somebody_else_counts_as_none(home: Path) -> None:
    """A recycled pid is never stopped."""
    services.start(a_service(home=home), home)
    record = home / "run" / "napper.json"
    running = services.find("napper", home)
    assert running is not None
    record.write_text(record.read_text().replace(f'"created_at": {running.created_at}', '"created_at": 1.0'))

    assert services.find("napper", home) is None
    assert services.stop("napper", home=home) == []
    assert psutil.pid_exists(running.pid)


def test_orphans_of_a_killed_service_are_swept(home: Path) -> None:
    """A service that was killed leaves nothing behind for long."""
    service = a_service(PARENT, home=home, says=r"^\d+$")
    running = services.start(service, home)
    services.await_ready(service, home, timeout_s=20)
    os.kill(running.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while services.find("napper", home) and time.monotonic() < deadline:
        time.sleep(0.01)

    assert services.sweep(home) == 1
    assert services.sweep(home) == 0


def test_service_that_ends_while_it_starts_is_named_with_the_end_of_its_log(home: Path) -> None:
    """The reason is shown where it is needed."""
    service = a_service("raise SystemExit('the shelf is empty')", home=home, says="never")
    services.start(service, home)

    with pytest.raises(ConfigError, match="the shelf is empty"):
        services.await_ready(service, home, timeout_s=20)


def test_service_that_is_never_ready_is_given_up(home: Path) -> None:
    """Waiting ends, and the log is named."""
    service = a_service(home=home, says="never")
    services.start(service, home)

    with pytest.raises(UnavailableError, match=r"napper\.log"):
        services.await_ready(service, home, timeout_s=0.1)


def test_service_on_a_taken_port_is_not_started(home: Path) -> None:
    """The message says who holds the port and how to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        with pytest.raises(
            ConfigError, match=rf"port {port} .* process {os.getpid()} .*PARJANYA_NAPPER_PORT"
        ):
            services.start(a_service(home=home, port=port), home)

    check_port_is_free(port, for_what="napper")
