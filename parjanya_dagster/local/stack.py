"""Start, find and stop the laptop's AWS: a local process that answers boto3 over HTTP.

Everything above it is the same code that runs against AWS; only the endpoint differs. The process is
found again through its instance file, so that `up`, `status` and `down` may be different commands.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final, Self

import psutil  # type: ignore[import-untyped]  # it publishes no types

from parjanya_dagster.core.errors import ConfigError, UnavailableError
from parjanya_dagster.local.server import ACCOUNT, HOST, INSTANCE_FILE, REGION, serve

DEFAULT_PORT: Final = 4566
ROOT_KEY: Final = "test"  # the local process' root; used by the deploy only
LOG_FILE: Final = "local-aws.log"
LOG_TAIL_BYTES: Final = 2_000

_MODULE: Final = "parjanya_dagster.local.stack"
_POLL_S: Final = 0.02


class LocalAws:
    """One running local AWS process and the directory that holds its state."""

    def __init__(self, *, state_dir: Path, pid: int, port: int) -> None:
        """Wrap a process that is known to run; use `start` or `attach`."""
        self.state_dir = state_dir
        self.pid = pid
        self.port = port
        self.account = ACCOUNT
        self.region = REGION
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """URL for `AWS_ENDPOINT_URL`; an IP address, so that S3 addressing is path-style."""
        return f"http://{HOST}:{self.port}"

    @classmethod
    def start(
        cls,
        state_dir: Path,
        port: int = DEFAULT_PORT,
        *,
        autosave_s: float = 5.0,
        ends_with_parent: bool = False,
        timeout_s: float = 60.0,
    ) -> Self:
        """Start the process on `state_dir`, or return the one that already runs there.

        Args:
            state_dir: directory for state and log; created if absent.
            port: TCP port on 127.0.0.1; 0 takes a free one.
            autosave_s: seconds between saves while something changes; a `kill -9` loses at most about that.
            ends_with_parent: the process ends when this one does (tests).
            timeout_s: seconds until it must answer; loading a large state takes longest.

        Raises:
            ConfigError: the port is taken, or the process ended at once; the message quotes its log.
            UnavailableError: it did not answer within `timeout_s`.
        """
        state_dir = state_dir.absolute()
        if running := cls.attach(state_dir):
            return running
        state_dir.mkdir(parents=True, exist_ok=True)
        (state_dir / INSTANCE_FILE).unlink(missing_ok=True)  # stale: its process is gone
        arguments = [
            f"--port={port}",
            f"--autosave-s={autosave_s}",
            *(["--ends-with-parent"] * ends_with_parent),
        ]
        with (state_dir / LOG_FILE).open("ab") as log:
            log_starts_at = log.tell()
            # a session of its own: Ctrl-C in the terminal must not end it before those who use it
            child = subprocess.Popen(  # noqa: S603 - our own module, no shell
                [sys.executable, "-m", _MODULE, "serve", f"--state-dir={state_dir}", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=_server_environment(),
            )
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise ConfigError(
                    f"the local AWS process ended at once: {_log_tail(state_dir, log_starts_at)}"
                )
            port_now = _port_in_instance_file(state_dir, pid=child.pid)
            if port_now is not None and _is_ready(port_now):
                started = cls(state_dir=state_dir, pid=child.pid, port=port_now)
                started._child = child
                return started
            time.sleep(_POLL_S)
        child.kill()
        child.wait()
        raise UnavailableError(
            f"the local AWS process was not ready within {timeout_s:.0f} s: see {state_dir / LOG_FILE}"
        )

    @classmethod
    def attach(cls, state_dir: Path) -> Self | None:
        """Return the process running on `state_dir`, or None; a stale instance file counts as none."""
        state_dir = state_dir.absolute()
        try:
            instance = json.loads((state_dir / INSTANCE_FILE).read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        found = cls(state_dir=state_dir, pid=instance["pid"], port=instance["port"])
        return found if found.is_running() else None

    def is_running(self) -> bool:
        """Whether the process lives; a pid that now belongs to something else does not count."""
        if self._child is not None:
            return self._child.poll() is None
        try:
            process = psutil.Process(self.pid)
            command = process.cmdline()
        except psutil.Error:
            return False
        return process.status() != psutil.STATUS_ZOMBIE and {_MODULE, f"--state-dir={self.state_dir}"} <= set(
            command
        )

    def is_ready(self) -> bool:
        """Whether it answers requests now."""
        return _is_ready(self.port)

    def memory_bytes(self) -> int:
        """Return the resident memory of the process and of its Lambda workers."""
        process = psutil.Process(self.pid)
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))

    def stop(self, timeout_s: float = 120.0) -> None:
        """End the process gracefully: it saves its state first. Returns at once if it is not running.

        Raises:
            UnavailableError: it still runs after `timeout_s`; nothing was killed.
        """
        if not self.is_running():
            return
        try:
            if self._child is not None:
                self._child.terminate()
                self._child.wait(timeout_s)
            else:
                process = psutil.Process(self.pid)
                process.terminate()
                process.wait(timeout_s)
        except psutil.NoSuchProcess:
            return
        except (subprocess.TimeoutExpired, psutil.TimeoutExpired) as error:
            raise UnavailableError(
                f"the local AWS process {self.pid} did not stop within {timeout_s:.0f} s: "
                f"see {self.state_dir / LOG_FILE}; `kill -9 {self.pid}` loses what is not yet saved",
            ) from error


def main() -> None:
    """Run `start`, `stop`, `status` or (in the foreground) `serve` on a state directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("start", "stop", "status", "serve"))
    parser.add_argument("--state-dir", type=Path, default=Path(".parjanya/aws"))
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
    parser.add_argument("--autosave-s", type=float, default=5.0)
    parser.add_argument("--ends-with-parent", action="store_true")
    arguments = parser.parse_args()
    try:
        print(_run(arguments))  # noqa: T201 - the command's answer
    except (ConfigError, UnavailableError) as error:
        sys.exit(str(error))


def _run(arguments: argparse.Namespace) -> str:
    state_dir: Path = arguments.state_dir.absolute()
    if arguments.command == "serve":
        state_dir.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(level=logging.WARNING)
        parent = os.getppid() if arguments.ends_with_parent else None
        serve(state_dir=state_dir, port=arguments.port, autosave_s=arguments.autosave_s, parent=parent)
        return "stopped"
    if arguments.command == "start":
        return LocalAws.start(state_dir, arguments.port, autosave_s=arguments.autosave_s).endpoint
    running = LocalAws.attach(state_dir)
    if running is None:
        return "not running"
    if arguments.command == "stop":
        running.stop()
        return "stopped"
    return f"{running.endpoint} pid {running.pid}, {running.memory_bytes() // 2**20} MiB"


def _server_environment() -> dict[str, str]:
    # the caller's profile and endpoint are for its own calls: the server must see neither
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MINISTACK_"))}


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/_ministack/ready", timeout=5) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP OK
    except (urllib.error.URLError, OSError):
        return False


def _port_in_instance_file(state_dir: Path, *, pid: int) -> int | None:
    try:
        instance = json.loads((state_dir / INSTANCE_FILE).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return int(instance["port"]) if instance["pid"] == pid else None


def _log_tail(state_dir: Path, starts_at: int) -> str:
    written = (state_dir / LOG_FILE).read_bytes()[starts_at:]
    return written[-LOG_TAIL_BYTES:].decode("utf-8", errors="replace").strip() or "it wrote nothing"


if __name__ == "__main__":
    main()
