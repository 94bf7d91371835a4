"""One worker process per instance: its own process group, log file and pid file.

The pid file outlives the realiser, so that a realiser that was killed leaves nothing behind: the next
one ends what it finds there.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]  # it publishes no types

# Linux tells a child when its parent dies: 1 is PR_SET_PDEATHSIG, 15 is SIGTERM. Elsewhere pid files must do.
_ENDS_WITH_PARENT: Final = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execvp(sys.argv[1], sys.argv[1:])"
)


class WorkerProcess:
    """A running worker; started by `start`."""

    def __init__(self, child: subprocess.Popen[bytes], pid_file: Path) -> None:
        """Wrap a process that was just started; use `start`."""
        self._child = child
        self._pid_file = pid_file
        self._is_cleared = False

    @classmethod
    def start(
        cls, instance_id: str, *, command: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> "WorkerProcess":
        """Start `command` for an instance.

        Args:
            instance_id: names the log and pid files in `directory`.
            command: the executable, then its arguments.
            environment: complete environment of the process.
            directory: existing directory for logs and pid files.

        Raises:
            OSError: the command cannot be started.
        """
        with (directory / f"{instance_id}.log").open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - the operator's own command, no shell
                ending_with_parent(command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        pid_file = directory / f"{instance_id}.pid"
        with contextlib.suppress(psutil.Error):  # it may be gone already; then there is nothing to remember
            born = psutil.Process(child.pid).create_time()
            pid_file.write_text(json.dumps({"pid": child.pid, "created": born}))
        return cls(child, pid_file)

    @property
    def exit_status(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        status = self._child.poll()
        if status is not None and not self._is_cleared:
            self._is_cleared = True
            self._pid_file.unlink(missing_ok=True)
            _signal_group(self._child.pid, signal.SIGKILL)  # children it left behind
        return status

    def ask_to_end(self) -> None:
        """Send SIGTERM to the worker; its children are its own to end."""
        if self._child.poll() is None:
            self._child.terminate()

    def kill(self) -> None:
        """Send SIGKILL to the worker and everything it started."""
        _signal_group(self._child.pid, signal.SIGKILL)


def ending_with_parent(command: Sequence[str]) -> list[str]:
    """Return the command so that, on Linux, it is asked to end when the thread that starts it dies."""
    is_linux = sys.platform == "linux"
    return [sys.executable, "-c", _ENDS_WITH_PARENT, *command] if is_linux else list(command)


def end_orphans(directory: Path, *, grace_s: float) -> list[str]:
    """End the workers that a realiser before this one left running, and return their instance ids.

    Args:
        directory: where their pid files are.
        grace_s: seconds between SIGTERM and SIGKILL.
    """
    orphans: dict[str, psutil.Process] = {}
    for pid_file in sorted(directory.glob("*.pid")):
        with contextlib.suppress(psutil.Error, ValueError, KeyError):
            noted = json.loads(pid_file.read_text())
            process = psutil.Process(noted["pid"])
            # a pid is reused; a pid with its time of birth is not
            if abs(process.create_time() - noted["created"]) < 1:
                process.terminate()
                orphans[pid_file.stem] = process
        pid_file.unlink(missing_ok=True)
    psutil.wait_procs(orphans.values(), timeout=grace_s)
    for process in orphans.values():
        _signal_group(process.pid, signal.SIGKILL)
    return sorted(orphans)


def _signal_group(leader: int, number: signal.Signals) -> None:
    # the leader's pid is the group's id (start_new_session) and stays taken while any member lives
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
