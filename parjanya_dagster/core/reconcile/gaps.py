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
    Finish,
    Quarantine,
    Replay,
    Revalidate,
    RowAction,
    Tidy,
)
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.snapshot import Snapshot
from parjanya_dagster.core.truth.row import ImageRow, Status

NO_SWEEP_AGE: Final = timedelta(0)


def gap_actions(snapshot: Snapshot, *, limits: Limits, now: datetime) -> list[RowAction]:
    """Return the repair of each row that waits for one; a sweep leaves young ones to the event path."""
    due_before = now - (limits.sweep_age if snapshot.whole else NO_SWEEP_AGE)
    actions: list[RowAction] = []
    for row in snapshot.gaps:
        if not row.is_gap or row.due_at is None or row.due_at > due_before:
            continue
        match row.status:
            case Status.PENDING_VLM_ENRICHMENT:
                actions.append(_answered(snapshot, row) or _emission(row, EmitReason.NEVER_SENT, limits))
            case Status.PENDING_VALIDATION:
                actions.append(Revalidate(row=row))
            case _:
                # `is_gap` admits unsettled statuses only, and what is left of them is `pending_upload`.
                actions.append(AbandonUpload(row=row))
    return actions


def lost_intent_actions(snapshot: Snapshot, *, limits: Limits, now: datetime) -> list[RowAction]:
    """Return a re-emission for every row whose job cannot be on the queue any more (incident 2).

    A job is lost if it was sent before the queue's retention, or if all queues have read empty for long
    enough, and so long after it was sent.
    A deep backlog is never re-emitted: its queue does not read empty.
    """
    expired_before = now - (limits.retention - limits.retention_margin)
    quiet = is_quiet(snapshot.empty_queues, *snapshot.queues, limits=limits, now=now)
    # Each job needs its own quiet time, counted from its sending: the counts lag behind what was just sent.
    lost_before = now - limits.queue_quiet if quiet else None
    actions: list[RowAction] = []
    for row in snapshot.outstanding:
        if not row.has_outstanding_intent or row.quarantined or row.intent_at is None:
            continue
        if row.intent_at < expired_before:
            actions.append(_answered(snapshot, row) or _emission(row, EmitReason.BEYOND_RETENTION, limits))
        elif lost_before and row.intent_at < lost_before:
            actions.append(_answered(snapshot, row) or _emission(row, EmitReason.QUEUE_LOST, limits))
    return actions


def contradiction_actions(rows: Iterable[ImageRow]) -> list[RowAction]:
    """Return the repair of each row that contradicts itself, whoever wrote it so."""
    actions: list[RowAction] = []
    for row in {row.key: row for row in rows}.values():
        if row.status is Status.ENRICHED and row.decision is None:
            actions.append(Replay(row=row, reason="it is enriched and names no decision"))
        elif _still_waits(row):
            actions.append(Tidy(row=row))
    return actions


def continued(run: EmptyReadings | None, *, limits: Limits, now: datetime) -> EmptyReadings | None:
    """Return the remembered run if this reading continues it, or None when too long went unobserved."""
    if run is None or now - run.last_read_at > limits.reading_gap:
        return None
    return run


def is_empty(*signals: QueueSignal) -> bool:
    """All of these queues were read, and hold nothing."""
    return all(not isinstance(signal, Blind) and signal.value.total == 0 for signal in signals)


def is_quiet(run: EmptyReadings | None, *queues: QueueSignal, limits: Limits, now: datetime) -> bool:
    """All queues have read empty for long enough, and do so now."""
    known = continued(run, limits=limits, now=now)
    is_long = known is not None and now - known.since >= limits.queue_quiet
    return is_long and is_empty(*queues)


def _answered(snapshot: Snapshot, row: ImageRow) -> Finish | None:
    """A worker died between its result and the head: the answers are there, and nobody need ask again."""
    result = snapshot.results.get(row.key)
    if result is None or result.generation != row.generation:
        return None
    return Finish(row=row, result=result)


def _emission(row: ImageRow, reason: EmitReason, limits: Limits) -> EmitIntent | Quarantine:
    if row.emissions >= limits.max_emissions:
        return Quarantine(row=row, reason=f"{row.emissions} jobs of one generation brought no outcome")
    return EmitIntent(row=row, reason=reason)


def _still_waits(row: ImageRow) -> bool:
    """It carries a date, a job or a quarantine of a wait that is over, and fills somebody's bounded read."""
    has_job = row.intent_at is not None or row.intent_id is not None
    if row.status.is_settled:
        return has_job or row.due_at is not None or row.quarantined
    return row.quarantined and has_job
