"""What the supervisor and its warm child say to each other: one line of JSON per note, over a socket pair.

A pipe of lines rather than pickles, so that neither side needs the other's libraries to read a note, and
end-of-file tells each side at once that the other is dead.
"""

import json
import select
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

_CHUNK_BYTES = 65_536


class NoteKind(StrEnum):
    """What a note means. The first four go down to the child, the others come up."""

    STEP = "step"
    SERVE = "serve"
    WATCH = "watch"
    STOP = "stop"
    READY = "ready"
    STEP_ENDED = "step_ended"
    BACKGROUND_STARTED = "background_started"
    BACKGROUND_ENDED = "background_ended"
    WATCHING = "watching"
    WANTED = "wanted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One note.

    Attributes:
        body: STEP: the step message as JSON.
        outcome: STEP_ENDED: a `StepOutcome`.
        flag: BACKGROUND_ENDED: it did work; WANTED: there would be work.
    """

    kind: NoteKind
    lease_id: str = ""
    body: str = ""
    outcome: str = ""
    detail: str = ""
    flag: bool = False


class NoteChannel:
    """One end of the socket pair."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._unread = b""
        self.closed = False

    def send(self, note: Note) -> None:
        """Send one note. A dead reader is not an error here: its death is seen by reading."""
        try:
            self._socket.sendall(json.dumps(asdict(note)).encode() + b"\n")
        except OSError:
            self.closed = True

    def wait(self, timeout_s: float | None) -> list[Note]:
        """Return the notes that have arrived, waiting up to `timeout_s` for a first one.

        An empty list with `closed` set means that the other side is gone.
        """
        if self.closed:
            return []
        ready, _, _ = select.select([self._socket], [], [], timeout_s)
        return list(self._read()) if ready else []

    def fileno(self) -> int:
        """Return the descriptor to wait on; only while the channel is open."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end."""
        self.closed = True
        self._socket.close()

    def _read(self) -> Iterator[Note]:
        try:
            chunk = self._socket.recv(_CHUNK_BYTES)
        except OSError:
            chunk = b""
        if not chunk:
            self.closed = True
            return
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        for line in lines:
            facts = json.loads(line)
            yield Note(**{**facts, "kind": NoteKind(facts["kind"])})
