"""Records: the small documents of Truth that reconciliation and people leave behind, by kind.

One port for all of them: what a kind's document holds is decided where it is written and read (`control`),
so that a new kind needs no new table, edge or fake.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

Document = Mapping[str, Any]
"""Plain values only: text, numbers, booleans, None, and mappings and sequences of them."""


class RecordKind(StrEnum):
    """What a record is about."""

    ARRIVALS = "arrivals"
    ADOPTION = "adoption"
    AUDIT = "audit"
    BACKLOG = "backlog"
    BOOT = "boot"
    CAPACITY = "capacity"
    CONSERVATION = "conservation"
    DEAD_LETTER = "dead_letter"
    ERASURE = "erasure"
    LEARNED = "learned"
    PULSE = "pulse"
    SOURCE = "source"
    TRAIL = "trail"


class Records(Protocol):
    """Documents by kind and id (table `control`). Every method may raise `EdgeError`."""

    def put(
        self, kind: RecordKind, record_id: str, document: Document, *, expires_at: datetime | None = None
    ) -> None:
        """Write a document, replacing an earlier one.

        Args:
            expires_at: when nobody needs it any more; it may live some days longer.
        """
        ...

    def create(
        self, kind: RecordKind, record_id: str, document: Document, *, expires_at: datetime | None = None
    ) -> bool:
        """Write a document once; False when there is one, which stays."""
        ...

    def replace(self, kind: RecordKind, record_id: str, before: Document, after: Document) -> bool:
        """Write `after` where the stored document still is `before`; False when it has moved on."""
        ...

    def get(self, kind: RecordKind, record_id: str) -> dict[str, Any] | None:
        """Return a document as it is now (consistent read), or None."""
        ...

    def newest(
        self, kind: RecordKind, *, limit: int, before_id: str | None = None
    ) -> list[tuple[str, dict[str, Any]]]:
        """Return documents with their ids, greatest id first, of those below `before_id`.

        Ids that begin with a time make this newest first.
        """
        ...

    def remove(self, kind: RecordKind, record_id: str) -> None:
        """Delete a document; one that is not there is no error."""
        ...

    def add(self, kind: RecordKind, record_id: str, changes: Mapping[str, int]) -> None:
        """Add to the numbers of a document, atomically; what is missing counts as 0."""
        ...
