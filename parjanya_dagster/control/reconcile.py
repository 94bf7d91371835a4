"""Reconciliation: observe → plan → apply → heartbeat.

One function for the stream, the schedule, the Dagster sensor, the asset and the command; they differ only
in what they look at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from parjanya_dagster.control.apply import Applied, apply
from parjanya_dagster.control.observe import observe_rows, observe_world
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.core.reconcile.actions import Action
from parjanya_dagster.core.reconcile.plan import plan
from parjanya_dagster.core.reconcile.snapshot import Snapshot
from parjanya_dagster.core.truth.identity import ImageKey

_HEARD_EVERY: Final = timedelta(minutes=1)
"""The alarms' period: one data point in each is enough, and each is paid for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """One cycle of reconciliation; `applied` is None for a dry run."""

    snapshot: Snapshot
    actions: Sequence[Action]
    applied: Applied | None


def reconcile_rows(platform: Platform, keys: Sequence[ImageKey]) -> Cycle:
    """Reconcile the rows an event hinted at.

    Raises:
        EdgeError: the rows cannot be read.
    """
    began_at = platform.clock()
    snapshot = observe_rows(platform, keys)
    if not snapshot.gaps and not snapshot.leftovers:
        return Cycle(snapshot=snapshot, actions=(), applied=Applied())
    return _cycle(platform, snapshot, began_at=began_at, dry_run=False)


def reconcile_world(platform: Platform, *, dry_run: bool = False) -> Cycle:
    """Reconcile everything that diverges, and record the heartbeat if Truth and the queue were really read.

    Args:
        dry_run: plan only; apply nothing, take no dead letter, and do not beat.
    """
    began_at = platform.clock()
    snapshot = observe_world(platform, takes_letters=not dry_run)
    cycle = _cycle(platform, snapshot, began_at=began_at, dry_run=dry_run)
    if cycle.applied is not None and cycle.snapshot.is_sighted:
        _beat(platform, cycle.snapshot, cycle.applied)
    return cycle


def _cycle(platform: Platform, snapshot: Snapshot, *, began_at: datetime, dry_run: bool) -> Cycle:
    now, limits = platform.clock(), platform.limits
    snapshot = snapshot.as_of(now, life=limits.reading_life)
    actions = plan(
        snapshot, limits=limits, capacity=platform.capacity, now=now, others=platform.other_capacities
    )
    applied = None if dry_run else apply(platform, actions, deadline=began_at + limits.cycle_time)
    return Cycle(snapshot=snapshot, actions=actions, applied=applied)


def _beat(platform: Platform, snapshot: Snapshot, applied: Applied) -> None:
    """Record the heartbeat in Truth, and once a minute where alarms listen; neither undoes the cycle."""
    now, last = platform.clock(), snapshot.beaten_at
    try:
        platform.control.beat(platform.plane, now=now)
        if last is None or _minute(last) != _minute(now):
            platform.heart.beat(platform.plane, now=now)
    except EdgeError as error:
        applied.faults.append(f"heartbeat: {error}")


def _minute(at: datetime) -> int:
    return int(at.timestamp() // _HEARD_EVERY.total_seconds())
