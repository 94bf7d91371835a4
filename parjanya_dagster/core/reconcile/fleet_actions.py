"""What to do about the fleet: one step to the target, up at once and down with care. Pure and idempotent.

Up: any plane, from whatever shows that something waits. Down: only from a whole reading without any Blind,
after an earlier one that said the same. What is over is left to the group, which ends no instance that is
protected: a worker gives protection up when it holds nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from parjanya_dagster.core.belief.signals import Blind, FleetSize
from parjanya_dagster.core.ports import EmptyReadings
from parjanya_dagster.core.reconcile.actions import (
    FallBack,
    LearnCapacity,
    RememberEmptyReadings,
    ReportBlind,
    ScaleIn,
    ScaleOut,
    Terminate,
)
from parjanya_dagster.core.reconcile.boot_breaker import fallback_version
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.capacity_memory import CapacityMemory, with_boots, with_gap, with_marks
from parjanya_dagster.core.reconcile.capacity_target import Target, target_of
from parjanya_dagster.core.reconcile.capacity_view import CapacityView, FleetReading
from parjanya_dagster.core.reconcile.fleet_health import Doubt, doubts_of, one_to_end

DEMAND: Final = "demand"
SURPLUS: Final = "surplus"
"""Signals whose runs of readings are remembered: nothing waits; more instances than the demand needs."""
_REFRESHES: Final = 4
"""A run is written this often within the gap that would end it, not at every reading."""

FleetAction = ScaleOut | ScaleIn | Terminate | FallBack | LearnCapacity | RememberEmptyReadings | ReportBlind


def fleet_actions(reading: FleetReading, *, limits: CapacityLimits, now: datetime) -> list[FleetAction]:
    """Return what to do about the fleet, in order."""
    reports = [
        ReportBlind(blind=each) for each in (*reading.view.blind, reading.fleet) if isinstance(each, Blind)
    ]
    if isinstance(reading.fleet, Blind):
        return [*reports]
    size, before = reading.fleet.value, reading.view.known
    memory = _with_evidence(before, reading.view, size)
    start = reading.view.knowing(memory).learned(limits, is_warm=False).start
    doubts = doubts_of(size, reading.view, limits.health, start=start, now=now)
    memory = _with_doubts(memory, doubts, now=now) if reading.whole else memory
    dead = None
    if reading.may_lower:
        dead = one_to_end(doubts, memory.suspects, limits.health, now=now)
        memory = _with_end(memory, dead, size=size, now=now)
    target = target_of(replace(reading, view=reading.view.knowing(memory)), size, limits=limits, now=now)
    ends = [Terminate(instance_id=dead.instance.instance_id, reason=dead.reason)] if dead else []
    changes = _changes(
        reading, target, size, memory=memory, is_ending=dead is not None, limits=limits, now=now
    )
    runs = _runs(reading, target, desired=_desired_after(size, [*ends, *changes]), now=now)
    if reading.view.quiet and any(each.signal == DEMAND and each.run is None for each in runs):
        memory = with_gap(memory, now - reading.view.quiet.since)
    learns = memory != before and not reading.view.blind
    return [
        *reports,
        *runs,
        *([LearnCapacity(before=before, after=memory)] if learns else []),
        *ends,
        *changes,
    ]


def _changes(
    reading: FleetReading,
    target: Target,
    size: FleetSize,
    *,
    memory: CapacityMemory,
    is_ending: bool,
    limits: CapacityLimits,
    now: datetime,
) -> list[ScaleOut | ScaleIn | FallBack]:
    """Return the one change of template or size that is due; an instance that ends is lowering enough."""
    breaker = target.breaker
    if breaker is not None and breaker.until is not None and reading.may_lower:
        other = fallback_version(memory, breaker.version, limits.breaker)
        if other is not None:
            return [FallBack(version=other, reason=breaker.words)]
    if target.least > size.desired:
        return [ScaleOut(desired=target.least, reason=target.demand.words, plan=target.plan)]
    if not reading.may_lower or is_ending:
        return []
    down = _lowered(reading, target, size, now=now)
    return [] if down is None else [down]


def _desired_after(size: FleetSize, changes: Sequence[FleetAction]) -> int:
    desired = size.desired
    for change in changes:
        match change:
            case ScaleOut(desired=wanted) | ScaleIn(desired=wanted):
                desired = wanted
            case Terminate():
                desired = max(desired - 1, size.min_size)
            case _:
                continue
    return desired


def _lowered(reading: FleetReading, target: Target, size: FleetSize, *, now: datetime) -> ScaleIn | None:
    """Return the step down, or None; an end to launching what cannot boot needs no second reading."""
    enough = max(target.enough, size.min_size)
    if enough >= size.desired:
        return None
    if target.breaker is not None and target.breaker.until is not None and size.desired > target.most:
        return ScaleIn(desired=max(target.most, size.min_size), reason=target.breaker.words, plan=target.plan)
    run = reading.view.surplus if target.demand.live else reading.view.quiet
    seen = _continued(run, reading.reading_gap, now=now)
    if seen is None or seen.since >= now:
        return None
    waiting = f"{target.demand.words} keep {enough} busy" if target.demand.live else "nothing is waiting"
    return ScaleIn(desired=enough, reason=waiting, plan=target.plan)


def _runs(
    reading: FleetReading, target: Target, *, desired: int, now: datetime
) -> list[RememberEmptyReadings]:
    """Return what to remember of this reading; an idle system writes nothing.

    Args:
        desired: capacity as this cycle leaves it, so that the next one finds nothing to add.
    """
    demand, view = target.demand, reading.view
    if isinstance(reading.queue, Blind):
        return []
    # Steps that cannot be read may be waiting: Blind is never zero.
    is_quiet = not demand.live and not demand.blind
    is_surplus = not is_quiet and target.enough < desired
    candidates = (
        _run(DEMAND, view.quiet, holds=is_quiet, matters=desired > 0, reading=reading, now=now),
        _run(SURPLUS, view.surplus, holds=is_surplus, matters=True, reading=reading, now=now),
    )
    return [each for each in candidates if each is not None]


def _run(
    signal: str,
    run: EmptyReadings | None,
    *,
    holds: bool,
    matters: bool,
    reading: FleetReading,
    now: datetime,
) -> RememberEmptyReadings | None:
    if not holds:
        return RememberEmptyReadings(signal=signal, run=None) if run else None
    if not matters or not reading.whole:
        return None
    known = _continued(run, reading.reading_gap, now=now)
    if known and now - known.last_read_at < reading.reading_gap / _REFRESHES:
        return None
    since = known.since if known else now
    return RememberEmptyReadings(signal=signal, run=EmptyReadings(since=since, last_read_at=now))


def _continued(run: EmptyReadings | None, gap: timedelta, *, now: datetime) -> EmptyReadings | None:
    return run if run is not None and now - run.last_read_at <= gap else None


def _with_evidence(memory: CapacityMemory, view: CapacityView, size: FleetSize) -> CapacityMemory:
    """Return the memory with the boots and launches that were read."""
    boots = () if view.boots is None or isinstance(view.boots, Blind) else view.boots.value
    launches = () if view.launches is None or isinstance(view.launches, Blind) else view.launches.value
    return with_boots(
        memory, boots=boots, launches=launches, instances=size.instances, version=size.template_version
    )


def _with_doubts(memory: CapacityMemory, doubts: Sequence[Doubt], *, now: datetime) -> CapacityMemory:
    """Return the memory with who is doubted now, and since when; whoever shows life is forgotten."""
    names = [each.instance.instance_id for each in doubts]
    return replace(memory, suspects={name: memory.suspects.get(name, now) for name in names})


def _with_end(
    memory: CapacityMemory, dead: Doubt | None, *, size: FleetSize, now: datetime
) -> CapacityMemory:
    """Return the memory with the failed boot that the end of this instance stands for, if it is one."""
    mark = dead and dead.mark(version=size.template_version, now=now)
    return with_marks(memory, [mark]) if mark else memory
