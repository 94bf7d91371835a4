"""The plan: what to do about the difference between Truth and Intent. Pure, total and idempotent.

Applied to the world it produced, it plans nothing. Fresh work comes before regrades, and both before
capacity, so that an instance which wakes finds its work queued.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.ports import EmptyReadings
from parjanya_dagster.core.reconcile.actions import (
    AbandonUpload,
    Action,
    EmitIntent,
    Finish,
    Quarantine,
    RememberEmptyReadings,
    ReportBlind,
    Revalidate,
    RowAction,
)
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.capacity_view import FleetReading
from parjanya_dagster.core.reconcile.dead_letters import ruled
from parjanya_dagster.core.reconcile.fleet_actions import fleet_actions
from parjanya_dagster.core.reconcile.gaps import (
    continued,
    contradiction_actions,
    gap_actions,
    is_empty,
    lost_intent_actions,
)
from parjanya_dagster.core.reconcile.lanes import regrade_room
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.snapshot import Snapshot
from parjanya_dagster.core.reconcile.turns import in_turns
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status

QUEUES: Final = "queues"
_SLOW: Final = (Revalidate, AbandonUpload)
"""Repairs that read an object."""
_REFRESHES: Final = 4
"""A run of empty readings is written this often within the gap that would end it, not at every reading."""


def plan(snapshot: Snapshot, *, limits: Limits, capacity: CapacityLimits, now: datetime) -> list[Action]:
    """Return what repairs the snapshot, in order, at most `limits.max_actions` repairs of rows.

    What is quick and wakes work comes first, then capacity, then what reads objects: a slow bucket keeps
    no job waiting.
    """
    snapshot = snapshot.as_of(now, life=limits.reading_life)
    repairs = [
        *contradiction_actions([*snapshot.leftovers, *snapshot.outstanding]),
        *gap_actions(snapshot, limits=limits, now=now),
        *lost_intent_actions(snapshot, limits=limits, now=now),
    ]
    room = regrade_room(
        snapshot.queue,
        snapshot.fleet,
        images_per_s=snapshot.view.learned(capacity, is_warm=False).images_per_s,
        limits=limits,
    )
    chosen = _chosen(repairs, room=room, limit=limits.max_actions)
    quick = [action for action in chosen if not isinstance(action, _SLOW)]
    return [
        *quick,
        *(ReportBlind(blind=blind) for blind in snapshot.blinds),
        *(_memory_actions(snapshot, limits=limits, now=now) if snapshot.whole else ()),
        *fleet_actions(
            fleet_reading(snapshot, repairs=quick, limits=limits, now=now), limits=capacity, now=now
        ),
        *(ruled(letter, limits) for letter in snapshot.letters),
        *(action for action in chosen if isinstance(action, _SLOW)),
        *snapshot.arrivals.strays,
        *snapshot.arrivals.looks,
    ]


def _chosen(repairs: Sequence[RowAction], *, room: int, limit: int) -> list[RowAction]:
    """Return what this cycle does: fresh rows first, tenants in turns, regrades as the queue has room."""
    chosen: list[RowAction] = []
    for lane in (Lane.FRESH, Lane.REGRADE):
        own = [action for action in repairs if action.row.lane is lane]
        jobs = [action for action in own if isinstance(action, EmitIntent)]
        others = [action for action in own if not isinstance(action, EmitIntent)]
        allowed = limit if lane is Lane.FRESH else room
        for kind, most in ((jobs, allowed), (others, limit)):
            chosen += in_turns(kind, _tenant_of, limit=min(most, limit - len(chosen)))
    return chosen


def _tenant_of(action: RowAction) -> str:
    return action.row.key.tenant_id


def fleet_reading(
    snapshot: Snapshot, *, repairs: Sequence[Action], limits: Limits, now: datetime
) -> FleetReading:
    """Return what capacity follows from: Belief, and the rows that wait for an instance.

    Args:
        repairs: what is planned: jobs about to be on the queue, rows that need no instance any more.
    """
    waiting = {row.key for row in snapshot.gaps if _needs_an_instance(row, now=now)}
    waiting -= {action.row.key for action in repairs if isinstance(action, Finish | Quarantine)}
    waiting |= {action.row.key for action in repairs if isinstance(action, EmitIntent)}
    return FleetReading(
        queue=snapshot.queue,
        fleet=snapshot.fleet,
        view=snapshot.view,
        gaps=len(waiting),
        steps=snapshot.steps,
        # Rows that cannot be read may be waiting: Blind is never zero, and lowers nothing.
        whole=snapshot.whole and not snapshot.unread,
        reading_gap=limits.reading_gap,
    )


def _needs_an_instance(row: ImageRow, *, now: datetime) -> bool:
    is_due = row.due_at is not None and row.due_at <= now
    return row.is_gap and is_due and row.status is Status.PENDING_VLM_ENRICHMENT


def _memory_actions(snapshot: Snapshot, *, limits: Limits, now: datetime) -> list[RememberEmptyReadings]:
    """Remember since when the queues read empty, while a job is out; an idle system writes nothing."""
    run = snapshot.empty_queues
    if isinstance(snapshot.queue, Blind) or isinstance(snapshot.dead_letters, Blind):
        return []
    if not is_empty(snapshot.queue, snapshot.dead_letters):
        return [RememberEmptyReadings(signal=QUEUES, run=None)] if run else []
    if not snapshot.outstanding:
        return []
    known = continued(run, limits=limits, now=now)
    if known and now - known.last_read_at < limits.reading_gap / _REFRESHES:
        return []
    since = known.since if known else now
    return [RememberEmptyReadings(signal=QUEUES, run=EmptyReadings(since=since, last_read_at=now))]
