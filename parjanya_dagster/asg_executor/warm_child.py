"""The supervisor's handle on a warm child: start, talk, interrupt, kill.

The child gets a session of its own, so that Ctrl-C in a terminal and a signal to the group reach the
supervisor alone: only it may decide that a step is to be interrupted.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

from parjanya_dagster.asg_executor.devices import VISIBLE
from parjanya_dagster.asg_executor.notes import Note, NoteChannel, NoteKind

CHILD_NUMBER = "ASG_EXECUTOR_CHILD"


class WarmChild:
    """One child process at a time; `start` after a death makes the next one.

    Args:
        options: the child's command line.
        number: which of the instance's children this is, from 0; in its environment as `ASG_EXECUTOR_CHILD`.
        device: the GPU it sees, as `CUDA_VISIBLE_DEVICES` names it.
    """

    def __init__(self, options: Sequence[str], *, number: int, device: str) -> None:
        self._options = tuple(options)
        self._environment = {CHILD_NUMBER: str(number), VISIBLE: device}
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: NoteChannel | None = None
        self.number = number
        self.device = device
        self.is_ready = False

    def start(self) -> None:
        """Start a child. It is ready once it has said so: until then it may be loading a model."""
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(  # noqa: S603 -- our own module
            [
                sys.executable,
                "-m",
                "parjanya_dagster.asg_executor.child",
                f"--socket-fd={theirs.fileno()}",
                *self._options,
            ],
            env={**os.environ, **self._environment},
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self._channel = NoteChannel(ours)
        self.is_ready = False

    @property
    def pid(self) -> int | None:
        """The process id, None before the first start."""
        return self._process.pid if self._process else None

    @property
    def has_died(self) -> bool:
        """Whether the child is gone without having been told to stop."""
        return self._channel is None or self._channel.closed

    def fileno(self) -> int:
        """Return the descriptor that is readable when the child has said something; only while it lives."""
        return self._channel.fileno() if self._channel is not None else -1

    def send(self, kind: NoteKind, *, body: str = "", lease_id: str = "") -> None:
        """Send a note; one to a dead child is lost, which `has_died` shows."""
        if self._channel is not None:
            self._channel.send(Note(kind=kind, body=body, lease_id=lease_id))

    def heard(self) -> list[Note]:
        """Return what the child has said since the last call, without waiting."""
        if self._channel is None:
            return []
        notes = self._channel.wait(0.0)
        self.is_ready = self.is_ready or any(note.kind is NoteKind.READY for note in notes)
        return notes

    def interrupt(self) -> None:
        """Interrupt the step that is being executed; between steps this does nothing."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGINT)

    def reap(self, timeout_s: float) -> int | None:
        """Return the exit status, waiting up to `timeout_s`; None if it still runs. Negative: a signal."""
        if self._process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout_s)
        return None

    def kill(self) -> int | None:
        """End the child at once, with everything its steps started, and return its exit status."""
        if self._process is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        status = self._process.wait()
        if self._channel is not None:
            self._channel.close()
        self.is_ready = False
        return status


def wait_for_notes(children: Sequence[WarmChild], timeout_s: float) -> None:
    """Return when any of the children has said something or died, after `timeout_s` at the latest."""
    select.select([child for child in children if not child.has_died], [], [], timeout_s)
