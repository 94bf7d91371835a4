"""In-memory twin of the image store, with indexes that lag."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from threading import RLock
from typing import Any

from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.result import IngestFacts, Result
from parjanya_dagster.core.truth.row import ImageRow, Lane
from parjanya_dagster.simulation.fakes.calls import Calls, Twist
from parjanya_dagster.simulation.fakes.lagging_index import LaggingIndex


class FakeImageStore:
    """Rows, facts and results in dictionaries; safe to share between threads.

    `on_stored` is told the head before and after every write: what the table's stream would say.
    """

    def __init__(self, clock: Callable[[], datetime], calls: Calls | None = None) -> None:
        self.rows: dict[ImageKey, ImageRow] = {}
        self._facts: dict[ImageKey, IngestFacts] = {}
        self._results: dict[ImageKey, dict[str, Result]] = {}
        self._index = LaggingIndex(clock)
        self.on_stored: Callable[[ImageRow | None, ImageRow], None] = lambda _before, _after: None
        self._calls = calls or Calls()
        self._lock = RLock()

    def set_index_lag(self, **lag: float) -> None:
        """Let writes from now on reach the indexes later; `lag` is what `timedelta` takes."""
        self._index.lag = timedelta(**lag)

    def add(self, *rows: ImageRow) -> None:
        """Put rows as a test's starting point, over whatever is there."""
        with self._lock:
            for row in rows:
                self._store(row)

    def evidence_of(self, key: ImageKey) -> list[str]:
        """Return the names of what an image has beside its head, sorted."""
        with self._lock:
            facts = ["facts"] if key in self._facts else []
            return sorted([*facts, *(f"result#{each}" for each in self._results.get(key, {}))])

    def lose_evidence(self, key: ImageKey, names: Sequence[str]) -> None:
        """Lose facts and results by name."""
        with self._lock:
            if "facts" in names:
                self._facts.pop(key, None)
            for name in names:
                self._results.get(key, {}).pop(name.removeprefix("result#"), None)

    def replace_head(self, before: ImageRow, after: ImageRow) -> bool:
        """Put a whole head where the one that was read still stands."""
        with self._lock:
            stored = self.rows.get(before.key)
            if stored is None or (stored.status, stored.generation) != (before.status, before.generation):
                return False
            self._store(after)
            return True

    def forget(self, key: ImageKey) -> None:
        """Lose a row with everything beside it."""
        with self._lock:
            self.rows.pop(key, None)
            self._facts.pop(key, None)
            self._results.pop(key, None)
            self._index.forget(key)

    def get(self, key: ImageKey) -> ImageRow | None:
        """See `ImageStore`."""
        with self._lock, self._calls("images.get"):
            return self.rows.get(key)

    def get_many(self, keys: Sequence[ImageKey]) -> list[ImageRow]:
        """See `ImageStore`."""
        with self._lock, self._calls("images.get_many"):
            return [self.rows[key] for key in dict.fromkeys(keys) if key in self.rows]

    def create(self, row: ImageRow) -> bool:
        """See `ImageStore`."""
        with self._lock, self._calls("images.create"):
            if row.key in self.rows:
                return False
            self._store(row)
            return True

    def write(self, before: ImageRow, after: ImageRow) -> bool:
        """See `ImageStore`: only what differs is written, so a field that somebody else changed survives."""
        if before.key != after.key:
            raise ValueError(f"{before.key} cannot become {after.key}")
        changes = _changes(before, after)
        if not changes:
            return True
        with self._lock, self._calls("images.write"):
            stored = self.rows.get(before.key)
            if stored is None or (stored.status, stored.generation) != (before.status, before.generation):
                return False
            self._store(replace(stored, **changes))
            return True

    def put_facts(self, key: ImageKey, facts: IngestFacts) -> None:
        """See `ImageStore`."""
        with self._lock, self._calls("images.put_facts"):
            self._facts[key] = facts

    def facts(self, key: ImageKey) -> IngestFacts | None:
        """See `ImageStore`."""
        with self._lock, self._calls("images.facts"):
            return self._facts.get(key)

    def put_result(self, key: ImageKey, result: Result) -> None:
        """See `ImageStore`."""
        with self._lock, self._calls("images.put_result"):
            self._results.setdefault(key, {}).setdefault(result.result_id, result)

    def results(self, key: ImageKey) -> list[Result]:
        """See `ImageStore`."""
        with self._lock, self._calls("images.results"):
            return sorted(self._results.get(key, {}).values(), key=lambda each: (each.at, each.result_id))

    def due_gaps(self, lane: Lane, *, due_before: datetime, limit: int) -> list[ImageKey]:
        """See `ImageStore`."""
        with self._lock, self._calls("images.due_gaps"):
            return self._index.gaps(lane, due_before, limit, stale=self._calls.twist is Twist.STALE)

    def outstanding(self, *, sent_before: datetime, limit: int) -> list[ImageKey]:
        """See `ImageStore`."""
        with self._lock, self._calls("images.outstanding"):
            return self._index.outstanding(sent_before, limit, stale=self._calls.twist is Twist.STALE)

    def listing(self, tenant_id: str, *, limit: int, before_image_id: str | None = None) -> list[ImageRow]:
        """See `ImageStore`."""
        with self._lock, self._calls("images.listing"):
            return self._index.listed(tenant_id, limit, before_image_id)

    def _store(self, row: ImageRow) -> None:
        due_at, intent_at = _to_ms(row.due_at), _to_ms(row.intent_at)
        is_exact = due_at == row.due_at and intent_at == row.intent_at
        stored = row if is_exact else replace(row, due_at=due_at, intent_at=intent_at)
        before = self.rows.get(row.key)
        self.rows[row.key] = stored
        self._index.put(stored)
        self.on_stored(before, stored)


_NAMES = tuple(field.name for field in fields(ImageRow))
_WAITING = frozenset({"due_at", "intent_at", "intent_id", "quarantined"})


def _changes(before: ImageRow, after: ImageRow) -> dict[str, Any]:
    moves = (before.status, before.generation) != (after.status, after.generation)
    always = _WAITING if moves else frozenset()
    return {
        name: getattr(after, name)
        for name in _NAMES
        if name in always or getattr(before, name) != getattr(after, name)
    }


def _to_ms(at: datetime | None) -> datetime | None:
    return at and at.replace(microsecond=at.microsecond // 1000 * 1000)
