"""The plan: what to do about the difference between Truth and Intent. Pure, total and idempotent.

Applied to the world it produced, it plans nothing. Fresh work comes before regrades, and both before
capacity, so that an instance which wakes finds its work queued.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.names import remembered_as
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
from parjanya_dagster.core.reconcile.fleet_actions import FleetAction, fleet_actions
from parjanya_dagster.core.reconcile.gaps import (
    continued,
    contradiction_actions,
    gap_actions,
    is_empty,
    lost_intent_actions,
)
from parjanya_dagster.core.reconcile.lanes import regrade_rooms
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.snapshot import Snapshot, by_fleet
from parjanya_dagster.core.reconcile.turns import in_turns
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status

QUEUES: Final = "queues"
NO_OTHERS: Final[Mapping[str, CapacityLimits]] = {}
_SLOW: Final = (Revalidate, AbandonUpload)
"""Repairs that read an object."""
_REFRESHES: Final = 4
"""A run of empty readings is written this often within the gap that would end it, not at every reading."""


def plan(
    snapshot: Snapshot,
    *,
    limits: Limits,
    capacity: CapacityLimits,
    now: datetime,
    others: Mapping[str, CapacityLimits] = NO_OTHERS,
) -> list[Action]:
    """Return what repairs the snapshot, in order, at most `limits.max_actions` repairs of rows.

    What is quick and wakes work comes first, then capacity, then what reads objects: a slow bucket keeps
    no job waiting.

    Args:
        capacity: limits of the usual fleet.
        others: limits of the extra fleets, of those in the snapshot at least.
    """
    capacities = by_fleet(capacity, others)
    snapshot = snapshot.as_of(now, life=limits.reading_life)
    repairs = [
        *contradiction_actions([*snapshot.leftovers, *snapshot.outstanding]),
        *gap_actions(snapshot, limits=limits, now=now),
        *lost_intent_actions(snapshot, limits=limits, now=now),
    ]
    rooms = regrade_rooms(snapshot.sights, capacities, limits=limits)
    chosen = _chosen(snapshot, repairs, rooms, limit=limits.max_actions)
    quick = [action for action in chosen if not isinstance(action, _SLOW)]
    return [
        *quick,
        *(ReportBlind(blind=blind) for blind in snapshot.blinds),
        *(_memory_actions(snapshot, limits=limits, now=now) if snapshot.whole else ()),
        *(
            action
            for fleet in snapshot.sights
            for action in _fleet_actions(
                fleet_reading(snapshot, repairs=quick, limits=limits, now=now, fleet=fleet),
                fleet,
                limits=capacities[fleet],
                now=now,
            )
        ),
        *(ruled(letter, limits) for letter in snapshot.letters),
        *(action for action in chosen if isinstance(action, _SLOW)),
        *snapshot.arrivals.strays,
        *snapshot.arrivals.looks,
    ]


def _fleet_actions(
    reading: FleetReading, fleet: str | None, *, limits: CapacityLimits, now: datetime
) -> list[FleetAction]:
    """Return what to do about a fleet; each action says which extra one it is about."""
    actions = fleet_actions(reading, limits=limits, now=now)
    if fleet is None:
        return actions
    if isinstance(reading.queue, Blind):
        actions = [ReportBlind(blind=reading.queue), *actions]
    return [_named(action, fleet) for action in actions]


def _named(action: FleetAction, fleet: str) -> FleetAction:
    match action:
        case ReportBlind(blind=blind):
            return replace(action, blind=blind.of_fleet(fleet), fleet=fleet)
        case RememberEmptyReadings(signal=signal):
            return replace(action, signal=remembered_as(signal, fleet))
        case _:
            return replace(action, fleet=fleet)


def _chosen(
    snapshot: Snapshot, repairs: Sequence[RowAction], rooms: Mapping[str | None, int], *, limit: int
) -> list[RowAction]:
    """Return what this cycle does: fresh rows first, tenants in turns, regrades as their queue has room."""
    chosen: list[RowAction] = []
    for lane in (Lane.FRESH, Lane.REGRADE):
        own = [action for action in repairs if action.row.lane is lane]
        jobs = [action for action in own if isinstance(action, EmitIntent)]
        others = [action for action in own if not isinstance(action, EmitIntent)]
        if lane is Lane.REGRADE:
            jobs = [
                job
                for fleet, room in rooms.items()
                for job in in_turns(
                    (each for each in jobs if snapshot.fleet_of(each.row) == fleet), _tenant_of, limit=room
                )
            ]
        for kind in (jobs, others):
            chosen += in_turns(kind, _tenant_of, limit=limit - len(chosen))
    return chosen


def _tenant_of(action: RowAction) -> str:
    return action.row.key.tenant_id


def fleet_reading(
    snapshot: Snapshot,
    *,
    repairs: Sequence[Action],
    limits: Limits,
    now: datetime,
    fleet: str | None = None,
) -> FleetReading:
    """Return what a fleet's capacity follows from: Belief, and the rows that wait for an instance of it.

    Args:
        repairs: what is planned: jobs about to be on the queue, rows that need no instance any more.
        fleet: an extra fleet of the snapshot; Dagster's steps are the usual one's.
    """
    waiting = {row.key: row for row in snapshot.gaps if _needs_an_instance(row, now=now)}
    for action in repairs:
        match action:
            case Finish(row=row) | Quarantine(row=row):
                waiting.pop(row.key, None)
            case EmitIntent(row=row):
                waiting[row.key] = row
            case _:
                continue
    sight = snapshot.sights[fleet]
    return FleetReading(
        queue=sight.queue,
        fleet=sight.fleet,
        view=sight.view,
        gaps=sum(snapshot.fleet_of(row) == fleet for row in waiting.values()),
        steps=snapshot.steps if fleet is None else None,
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
    if any(isinstance(each, Blind) for each in snapshot.queues):
        return []
    if not is_empty(*snapshot.queues):
        return [RememberEmptyReadings(signal=QUEUES, run=None)] if run else []
    if not snapshot.outstanding:
        return []
    known = continued(run, limits=limits, now=now)
    if known and now - known.last_read_at < limits.reading_gap / _REFRESHES:
        return []
    since = known.since if known else now
    return [RememberEmptyReadings(signal=QUEUES, run=EmptyReadings(since=since, last_read_at=now))]
