"""The intent gap: rows that wait to be scored and have no job. Always the first thing to look at."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from parjanya_dagster.core.truth.row import ImageRow, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentGap:
    """Rows without intent.

    Args:
        by_tenant: rows, by tenant.
        oldest_s: age of the oldest gap, seconds; 0 without one.
        samples: `tenant#image` of the oldest, at most 5.
        is_overdue: the oldest is older than the grace given to stream and sweep.
    """

    by_tenant: Counter[str]
    oldest_s: float
    samples: tuple[str, ...]
    is_overdue: bool

    @property
    def total(self) -> int:
        """Rows without intent."""
        return self.by_tenant.total()


def intent_gap(rows: Iterable[ImageRow], *, grace: timedelta, now: datetime) -> IntentGap:
    """Return the gap among `rows`; quarantined rows are in no gap, they wait for a person."""
    waiting = [row for row in rows if row.is_gap and row.status is Status.PENDING_VLM_ENRICHMENT]
    waiting.sort(key=lambda row: row.due_at or now)
    oldest = now - (waiting[0].due_at or now) if waiting else timedelta(0)
    return IntentGap(
        by_tenant=Counter(row.key.tenant_id for row in waiting),
        oldest_s=max(oldest.total_seconds(), 0.0),
        samples=tuple(str(row.key) for row in waiting[:5]),
        is_overdue=oldest > grace,
    )
