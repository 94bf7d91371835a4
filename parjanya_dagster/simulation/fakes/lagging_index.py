"""The indexes of the images table, as they lag on AWS.

A write becomes visible in an index some time after it is visible in the table. Code that trusts an
index instead of re-reading the row passes every test against an index that does not lag.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Lane

_EVER = datetime.max.replace(tzinfo=UTC)
_FEW = 64


class LaggingIndex:
    """`gap`, `outstanding` and `listing`, `lag` behind the table."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.lag = timedelta(0)
        self._clock = clock
        self._waiting: deque[tuple[datetime, ImageRow]] = deque()
        self._gaps = {lane: _ByTime() for lane in Lane}
        self._outstanding = _ByTime()
        self._listed: dict[str, dict[str, ImageRow]] = {}
        self._listed_ids: dict[str, list[str]] = {}

    def put(self, row: ImageRow) -> None:
        """Let `row` become visible after the lag."""
        self._waiting.append((self._clock() + self.lag, row))

    def forget(self, key: ImageKey) -> None:
        """Lose a row at once."""
        self._waiting = deque(each for each in self._waiting if each[1].key != key)
        for entries in (*self._gaps.values(), self._outstanding):
            entries.drop(key)
        if self._listed.get(key.tenant_id, {}).pop(key.image_id, None):
            self._listed_ids[key.tenant_id].remove(key.image_id)

    def gaps(self, lane: Lane, due_before: datetime, limit: int, *, stale: bool = False) -> list[ImageKey]:
        """Return keys due before a time, earliest first; `stale` sees what the last reader saw."""
        if not stale:
            self._catch_up()
        return self._gaps[lane].earliest(due_before, limit)

    def outstanding(self, sent_before: datetime, limit: int, *, stale: bool = False) -> list[ImageKey]:
        """Return keys of jobs sent before a time, earliest first."""
        if not stale:
            self._catch_up()
        return self._outstanding.earliest(sent_before, limit)

    def listed(self, tenant_id: str, limit: int, before_image_id: str | None) -> list[ImageRow]:
        """Return a tenant's rows as the index has them, newest first."""
        self._catch_up()
        rows, ids = self._listed.get(tenant_id, {}), self._listed_ids.get(tenant_id, [])
        end = len(ids) if before_image_id is None else bisect_left(ids, before_image_id)
        return [rows[image_id] for image_id in reversed(ids[max(0, end - limit) : end])]

    def _catch_up(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._clock():
            _, row = self._waiting.popleft()
            for entries in (*self._gaps.values(), self._outstanding):
                entries.drop(row.key)
            if row.is_gap and row.due_at is not None:
                self._gaps[row.lane].put(row.key, row.due_at)
            if row.has_outstanding_intent:
                self._outstanding.put(row.key, row.intent_at or _EVER)
            listed = self._listed.setdefault(row.key.tenant_id, {})
            if row.key.image_id not in listed:
                insort(self._listed_ids.setdefault(row.key.tenant_id, []), row.key.image_id)
            listed[row.key.image_id] = row


class _ByTime:
    """Keys by a time each: asking for the earliest costs what is found, however many there are.

    What was dropped stays in the order until a reader passes it, or until it outweighs the rest.
    """

    def __init__(self) -> None:
        self._at: dict[ImageKey, datetime] = {}
        self._order: list[tuple[datetime, ImageKey]] = []

    def put(self, key: ImageKey, at: datetime) -> None:
        """Add a key that is not here."""
        entry, place = (at, key), bisect_left(self._order, (at, key))
        if self._order[place : place + 1] != [entry]:
            self._order.insert(place, entry)
        self._at[key] = at

    def drop(self, key: ImageKey) -> None:
        """Take a key out, if it is here."""
        if self._at.pop(key, None) and len(self._order) > 2 * len(self._at) + _FEW:
            self._order = [entry for entry in self._order if self._is_here(entry)]

    def earliest(self, before: datetime, limit: int) -> list[ImageKey]:
        """Return up to `limit` keys before a time, earliest first."""
        found: list[tuple[datetime, ImageKey]] = []
        passed = 0
        for entry in self._order:
            if entry[0] >= before or len(found) == limit:
                break
            passed += 1
            if self._is_here(entry):
                found.append(entry)
        self._order[:passed] = found
        return [key for _, key in found]

    def _is_here(self, entry: tuple[datetime, ImageKey]) -> bool:
        return self._at.get(entry[1]) == entry[0]
