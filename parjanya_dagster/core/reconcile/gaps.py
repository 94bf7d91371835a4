"""Gaps between Truth and Intent, and what repairs each: the causes, by name."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from parjanya_dagster.core.belief.signals import Blind, QueueSignal
from parjanya_dagster.core.ports import EmptyReadings
from parjanya_dagster.core.reconcile.actions import (
    AbandonUpload,
    EmitIntent,
    EmitReason,
    Quarantine,
    Revalidate,
)
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.snapshot import Snapshot
from parjanya_dagster.core.truth.row import ImageRow, Status

NO_SWEEP_AGE: Final = timedelta(0)
GapAction = EmitIntent | Revalidate | AbandonUpload | Quarantine


def gap_actions(
    rows: Iterable[ImageRow], *, limits: Limits, age: timedelta, now: datetime
) -> list[GapAction]:
    """Return the repair of each row that waits for one and has been due for at least `age`."""
    actions: list[GapAction] = []
    for row in rows:
        if not row.is_gap or row.due_at is None or row.due_at > now - age:
            continue
        match row.status:
            case Status.PENDING_VLM_ENRICHMENT:
                actions.append(_emission(row, EmitReason.NEVER_SENT, limits))
            case Status.PENDING_VALIDATION:
                actions.append(Revalidate(row=row))
            case Status.PENDING_UPLOAD:
                actions.append(AbandonUpload(row=row))
            case _:
                # `is_gap` admits unsettled statuses only, and those are the three above.
                continue
    return actions


def lost_intent_actions(snapshot: Snapshot, *, limits: Limits, now: datetime) -> list[GapAction]:
    """Return a re-emission for every row whose job cannot be on the queue any more (incident 2).

    A job is lost if it was sent before the queue's retention, or if both queues have read empty for long
    enough, and so long after it was sent.
    A deep backlog is never re-emitted: its queue does not read empty.
    """
    expired_before = now - (limits.retention - limits.retention_margin)
    is_quiet = _is_quiet(snapshot, limits=limits, now=now)
    # Each job needs its own quiet time, counted from its sending: the counts lag behind what was just sent.
    lost_before = now - limits.queue_quiet if is_quiet else None
    actions: list[GapAction] = []
    for row in snapshot.outstanding:
        if not row.has_outstanding_intent or row.intent_at is None:
            continue
        if row.intent_at < expired_before:
            actions.append(_emission(row, EmitReason.BEYOND_RETENTION, limits))
        elif lost_before and row.intent_at < lost_before:
            actions.append(_emission(row, EmitReason.QUEUE_LOST, limits))
    return actions


def continued(run: EmptyReadings | None, *, limits: Limits, now: datetime) -> EmptyReadings | None:
    """Return the remembered run if this reading continues it, or None when too long went unobserved."""
    if run is None or now - run.last_read_at > limits.reading_gap:
        return None
    return run


def is_empty(*signals: QueueSignal) -> bool:
    """All of these queues were read, and hold nothing."""
    return all(not isinstance(signal, Blind) and signal.value.total == 0 for signal in signals)


def _is_quiet(snapshot: Snapshot, *, limits: Limits, now: datetime) -> bool:
    """Both queues have read empty for long enough, and do so now."""
    run = continued(snapshot.empty_queues, limits=limits, now=now)
    is_long = run is not None and now - run.since >= limits.queue_quiet
    return is_long and is_empty(snapshot.queue, snapshot.dead_letters)


def _emission(row: ImageRow, reason: EmitReason, limits: Limits) -> EmitIntent | Quarantine:
    if row.emissions >= limits.max_emissions:
        return Quarantine(row=row, reason=f"{row.emissions} jobs of one generation brought no outcome")
    return EmitIntent(row=row, reason=reason)
