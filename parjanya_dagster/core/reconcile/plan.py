"""The plan: what to do about the difference between Truth and Intent. Pure, total and idempotent.

Applied to the world it produced, it plans nothing. Fresh work comes before regrades, and both before
capacity, so that an instance never wakes to an empty queue.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from parjanya_dagster.core.belief.signals import Blind, Reading
from parjanya_dagster.core.ports import EmptyReadings
from parjanya_dagster.core.reconcile.actions import (
    Action,
    EmitIntent,
    RememberEmptyReadings,
    ReportBlind,
    ScaleIn,
    ScaleOut,
)
from parjanya_dagster.core.reconcile.capacity import CapacityLimits, capacity_actions
from parjanya_dagster.core.reconcile.gaps import (
    NO_SWEEP_AGE,
    continued,
    gap_actions,
    is_empty,
    lost_intent_actions,
)
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.snapshot import Snapshot
from parjanya_dagster.core.truth.row import Lane

QUEUES: Final = "queues"
DEMAND: Final = "demand"
_REFRESHES: Final = 4
"""A run of empty readings is written this often within the gap that would end it, not at every reading."""


def plan(snapshot: Snapshot, *, limits: Limits, capacity: CapacityLimits, now: datetime) -> list[Action]:
    """Return what repairs the snapshot, in order, at most `limits.max_actions` repairs."""
    age = limits.sweep_age if snapshot.whole else NO_SWEEP_AGE
    repairs = [
        *gap_actions(snapshot.gaps, limits=limits, age=age, now=now),
        *lost_intent_actions(snapshot, limits=limits, now=now),
    ]
    repairs.sort(key=lambda action: action.row.lane is not Lane.FRESH)
    repairs = repairs[: limits.max_actions]
    signals = (snapshot.queue, snapshot.dead_letters, snapshot.steps)
    blinds = [signal for signal in signals if isinstance(signal, Blind)]
    return [
        *repairs,
        *(ReportBlind(blind=blind) for blind in blinds),
        *(_memory_actions(snapshot, limits=limits, now=now) if snapshot.whole else ()),
        *_capacity(snapshot, emissions=repairs, limits=limits, capacity=capacity, now=now),
    ]


def _capacity(
    snapshot: Snapshot,
    *,
    emissions: Sequence[Action],
    limits: Limits,
    capacity: CapacityLimits,
    now: datetime,
) -> list[ScaleOut | ScaleIn | ReportBlind]:
    jobs = sum(isinstance(action, EmitIntent) for action in emissions)
    run = continued(snapshot.empty_demand, limits=limits, now=now)
    return capacity_actions(
        queue=snapshot.queue,
        fleet=snapshot.fleet,
        waiting=jobs + _open_steps(snapshot),
        limits=capacity,
        # Two readable readings: the one that is remembered, and this one.
        may_lower=snapshot.whole and not _has_demand(snapshot) and run is not None and run.since < now,
    )


def _memory_actions(snapshot: Snapshot, *, limits: Limits, now: datetime) -> list[RememberEmptyReadings]:
    """Remember what two rules need to know of earlier readings; an idle system writes nothing."""
    fleet_is_up = not isinstance(snapshot.fleet, Blind) and snapshot.fleet.value.desired > 0
    candidates = (
        _memory(
            QUEUES,
            snapshot.empty_queues,
            empty=is_empty(snapshot.queue, snapshot.dead_letters),
            matters=bool(snapshot.outstanding),
            blind=isinstance(snapshot.queue, Blind) or isinstance(snapshot.dead_letters, Blind),
            limits=limits,
            now=now,
        ),
        _memory(
            DEMAND,
            snapshot.empty_demand,
            empty=not _has_demand(snapshot),
            matters=fleet_is_up,
            blind=isinstance(snapshot.queue, Blind),
            limits=limits,
            now=now,
        ),
    )
    return [action for action in candidates if action is not None]


def _memory(
    signal: str,
    run: EmptyReadings | None,
    *,
    empty: bool,
    matters: bool,
    blind: bool,
    limits: Limits,
    now: datetime,
) -> RememberEmptyReadings | None:
    if blind:
        return None
    if not empty:
        return RememberEmptyReadings(signal=signal, run=None) if run else None
    if not matters:
        return None
    known = continued(run, limits=limits, now=now)
    if known and now - known.last_read_at < limits.reading_gap / _REFRESHES:
        return None
    since = known.since if known else now
    return RememberEmptyReadings(signal=signal, run=EmptyReadings(since=since, last_read_at=now))


def _has_demand(snapshot: Snapshot) -> bool:
    # Steps that cannot be read may be waiting: Blind is never zero.
    waiting = bool(snapshot.gaps) or isinstance(snapshot.steps, Blind) or _open_steps(snapshot) > 0
    return waiting or not is_empty(snapshot.queue)


def _open_steps(snapshot: Snapshot) -> int:
    return snapshot.steps.value if isinstance(snapshot.steps, Reading) else 0
