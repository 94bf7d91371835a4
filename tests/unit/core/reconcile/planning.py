"""Planning at noon with the usual limits, and what a plan is made from."""

from datetime import timedelta
from typing import Any

from parjanya_dagster.core.belief.signals import Blind, FleetSignal, QueueSignal
from parjanya_dagster.core.ports import EmptyReadings
from parjanya_dagster.core.reconcile.actions import Action
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.capacity_view import CapacityView
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.plan import plan
from parjanya_dagster.core.reconcile.snapshot import FleetSight, Snapshot
from parjanya_dagster.core.truth.row import ImageRow
from tests.builders import NOON, a_fleet, a_queue, a_row

LIMITS = Limits()
CAPACITY = CapacityLimits(seconds_per_image=1.0, time_allowed=timedelta(seconds=100), max_instances=4)
BLIND = Blind(signal="intents", reason="AccessDenied", at=NOON)
LARGE = "large"
OLD = NOON - timedelta(minutes=1)


def planned(snapshot: Snapshot) -> list[Action]:
    """Plan with the usual limits at noon."""
    return plan(snapshot, limits=LIMITS, capacity=CAPACITY, now=NOON, others={LARGE: CAPACITY})


def a_large_fleet(
    queue: QueueSignal | None = None, fleet: FleetSignal | None = None, view: CapacityView | None = None
) -> dict[str, FleetSight]:
    """Return what is seen of an extra fleet; empty and readable by default."""
    sight = FleetSight(queue=queue or a_queue(), fleet=fleet or a_fleet(), view=view or CapacityView())
    return {LARGE: sight}


def kinds(actions: list[Action]) -> list[type]:
    """Return the actions' types, in order."""
    return [type(action) for action in actions]


def sent(number: int = 1, *, ago: timedelta = timedelta(minutes=10), **changes: Any) -> ImageRow:  # noqa: ANN401 - any field
    """Return a row whose job was sent some time ago."""
    return a_row(number, intent_at=NOON - ago, intent_id="i", emissions=1, **changes)


def quiet(since: timedelta, last: timedelta = timedelta(seconds=5)) -> EmptyReadings:
    """Return a remembered run of empty readings."""
    return EmptyReadings(since=NOON - since, last_read_at=NOON - last)


def calm(since: timedelta) -> CapacityView:
    """Return what capacity knows when nothing has waited for some time."""
    return CapacityView(quiet=quiet(since))
