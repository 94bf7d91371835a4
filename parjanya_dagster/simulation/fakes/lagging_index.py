"""The indexes of the images table, as they lag on AWS.

A write becomes visible in an index some time after it is visible in the table. Code that trusts an
index instead of re-reading the row passes every test against an index that does not lag.
"""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from heapq import nsmallest

from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Lane

_EVER = datetime.max.replace(tzinfo=UTC)


class LaggingIndex:
    """`gap`, `outstanding` and `listing`, `lag` behind the table."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.lag = timedelta(0)
        self._clock = clock
        self._waiting: deque[tuple[datetime, ImageRow]] = deque()
        self._gaps: dict[Lane, dict[ImageKey, datetime]] = {lane: {} for lane in Lane}
        self._outstanding: dict[ImageKey, datetime] = {}
        self._listed: dict[str, dict[str, ImageRow]] = {}

    def put(self, row: ImageRow) -> None:
        """Let `row` become visible after the lag."""
        self._waiting.append((self._clock() + self.lag, row))

    def forget(self, key: ImageKey) -> None:
        """Lose a row at once."""
        self._waiting = deque(each for each in self._waiting if each[1].key != key)
        for by_key in (*self._gaps.values(), self._outstanding):
            by_key.pop(key, None)
        self._listed.get(key.tenant_id, {}).pop(key.image_id, None)

    def gaps(self, lane: Lane, due_before: datetime, limit: int, *, stale: bool = False) -> list[ImageKey]:
        """Return keys due before a time, earliest first; `stale` sees what the last reader saw."""
        if not stale:
            self._catch_up()
        return _earliest(self._gaps[lane], due_before, limit)

    def outstanding(self, sent_before: datetime, limit: int, *, stale: bool = False) -> list[ImageKey]:
        """Return keys of jobs sent before a time, earliest first."""
        if not stale:
            self._catch_up()
        return _earliest(self._outstanding, sent_before, limit)

    def listed(self, tenant_id: str, limit: int, before_image_id: str | None) -> list[ImageRow]:
        """Return a tenant's rows as the index has them, newest first."""
        self._catch_up()
        rows = self._listed.get(tenant_id, {})
        older = [each for each in rows if before_image_id is None or each < before_image_id]
        return [rows[image_id] for image_id in sorted(older, reverse=True)[:limit]]

    def _catch_up(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._clock():
            _, row = self._waiting.popleft()
            for by_key in (*self._gaps.values(), self._outstanding):
                by_key.pop(row.key, None)
            if row.is_gap and row.due_at is not None:
                self._gaps[row.lane][row.key] = row.due_at
            if row.has_outstanding_intent:
                self._outstanding[row.key] = row.intent_at or _EVER
            self._listed.setdefault(row.key.tenant_id, {})[row.key.image_id] = row


def _earliest(by_key: dict[ImageKey, datetime], before: datetime, limit: int) -> list[ImageKey]:
    early = ((at, key) for key, at in by_key.items() if at < before)
    return [key for _, key in nsmallest(limit, early)]
