"""What must be true once everything has a verdict, read from Truth and from the queues themselves."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.belief.signals import Blind, QueueSignal
from parjanya_dagster.core.truth.row import ImageRow, Status

_SETTLES_WITHIN_S: Final = 30.0
_POLL_S: Final = 0.5
_NAMED: Final = 5


def await_proof(platform: Platform, rows: Sequence[ImageRow], *, with_dagster: bool) -> list[str]:
    """Return the faults that remain; messages are deleted, and indexes follow, a moment after the verdict."""
    deadline = time.monotonic() + _SETTLES_WITHIN_S
    of_rows = row_faults(platform, rows, with_dagster=with_dagster)
    while (faults := intent_faults(platform)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return of_rows + faults


def row_faults(platform: Platform, rows: Sequence[ImageRow], *, with_dagster: bool) -> list[str]:
    """Return what is wrong with the rows themselves.

    Args:
        with_dagster: some rows must have been scored by a Dagster run; without, all by headless workers.
    """
    faults = [
        f"{row.file_name}: {row.status}{f' ({row.last_error})' if row.last_error else ''}"
        for row in rows
        if not has_outcome(row)
    ]
    enriched = [row for row in rows if row.status is Status.ENRICHED]
    for row in enriched:
        result = next((it for it in platform.images.results(row.key) if it.result_id == row.result_id), None)
        if result is None or not result.fingerprint:
            faults.append(f"{row.file_name}: its verdict names no result with a fingerprint")
    by_dagster = [row for row in enriched if (row.scored_by or "").startswith("dagster:")]
    if with_dagster and enriched and not by_dagster:
        faults.append(
            "Dagster runs scored nothing: all of it was headless; see the sensors in the Dagster UI"
        )
    if not with_dagster:
        faults += [f"{row.file_name}: scored by '{row.scored_by}', expected headless" for row in by_dagster]
    return faults


def intent_faults(platform: Platform) -> list[str]:
    """Return what is left of Intent: messages, dead letters, stamps."""
    tomorrow = platform.clock() + timedelta(days=1)
    stamped = platform.images.outstanding(sent_before=tomorrow, limit=_NAMED)
    rows = platform.images.get_many(stamped)  # the index lags: only the rows themselves count
    left = [str(row.key) for row in rows if row.has_outstanding_intent]
    faults = [f"outstanding stamps: {', '.join(left)}"] if left else []
    for fleet, depth in platform.queue_depths().items():
        faults += _queue_faults(f"queue of fleet {fleet}" if fleet else "queue", depth)
    return faults + _queue_faults("dead letters", platform.queue.dead_letter_depth())


def has_outcome(row: ImageRow) -> bool:
    """Whether an image got a verdict, or a technical rejection that is named."""
    if row.status is Status.REJECTED_TECHNICAL:
        return bool(row.last_error)
    return row.status is Status.ENRICHED and row.decision is not None


def _queue_faults(name: str, signal: QueueSignal) -> list[str]:
    if isinstance(signal, Blind):
        return [f"{name}: blind ({signal.reason})"]
    return [f"{name}: {signal.value.total} messages left"] if signal.value.total else []
