"""Reconciliation: observe → plan → apply → heartbeat.

One function for the stream, the schedule, the Dagster sensor, the asset and the command; they differ only
in what they look at.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from parjanya_dagster.control.apply import Applied, apply
from parjanya_dagster.control.observe import observe_rows, observe_world
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.reconcile.actions import Action
from parjanya_dagster.core.reconcile.plan import plan
from parjanya_dagster.core.reconcile.snapshot import Snapshot
from parjanya_dagster.core.truth.identity import ImageKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """One cycle of reconciliation; `applied` is None for a dry run."""

    snapshot: Snapshot
    actions: Sequence[Action]
    applied: Applied | None


def reconcile_rows(platform: Platform, keys: Sequence[ImageKey]) -> Cycle:
    """Reconcile the rows an event hinted at."""
    return _cycle(platform, observe_rows(platform, keys), dry_run=False)


def reconcile_world(platform: Platform, *, dry_run: bool = False) -> Cycle:
    """Reconcile everything that diverges, and record the heartbeat if Truth and the queue were really read.

    Args:
        dry_run: plan only; apply nothing and do not beat.
    """
    cycle = _cycle(platform, observe_world(platform), dry_run=dry_run)
    if not dry_run and not isinstance(cycle.snapshot.queue, Blind):
        platform.control.beat(platform.plane, now=platform.clock())
    return cycle


def _cycle(platform: Platform, snapshot: Snapshot, *, dry_run: bool) -> Cycle:
    actions = plan(snapshot, limits=platform.limits, capacity=platform.capacity, now=platform.clock())
    applied = None if dry_run else apply(platform, actions)
    return Cycle(snapshot=snapshot, actions=actions, applied=applied)
