"""What was uploaded from here, by content: a repeated upload sends only what is new."""

import json
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One finished upload."""

    sha256: str
    image_id: str
    file_name: str


class Journal:
    """Finished uploads of one tenant, one JSON line each, appended as they finish; safe between threads."""

    def __init__(self, path: Path, known: dict[str, Sent]) -> None:
        """Wrap what is known; use `open`."""
        self._path = path
        self._known = known
        self._lock = Lock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the journal at `path`; a line torn by an interruption counts as not written."""
        known: dict[str, Sent] = {}
        lines = path.read_text().splitlines() if path.exists() else []
        for line in lines:
            try:
                sent = Sent(**json.loads(line))
            except (json.JSONDecodeError, TypeError):
                continue
            known[sent.sha256] = sent
        return cls(path, known)

    def find(self, sha256: str) -> Sent | None:
        """Return the upload of this content, or None."""
        with self._lock:
            return self._known.get(sha256)

    def add(self, sent: Sent) -> None:
        """Remember a finished upload."""
        line = json.dumps({"sha256": sent.sha256, "image_id": sent.image_id, "file_name": sent.file_name})
        with self._lock:
            self._known[sent.sha256] = sent
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                # a newline first: what a torn line left behind must not swallow this one
                file.write(f"\n{line}" if self._ends_torn() else line)
                file.write("\n")

    def _ends_torn(self) -> bool:
        if not self._path.exists() or self._path.stat().st_size == 0:
            return False
        with self._path.open("rb") as file:
            file.seek(-1, 2)
            return file.read(1) != b"\n"
