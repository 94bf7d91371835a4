"""Promises of capacity that mutants asked for and no other test held."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from parjanya_dagster.control.capacity import apply_capacity
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.ports import EmptyReadings
from parjanya_dagster.core.reconcile.actions import ScaleIn, ScaleOut
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.capacity_view import CapacityView
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.plan import plan
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import NOON, a_fleet, a_queue, a_snapshot

FOUR_AT_MOST: Final = CapacityLimits(
    seconds_per_image=1.0, time_allowed=timedelta(seconds=100), cold_start=timedelta(seconds=10)
)


def test_fleet_goes_to_its_target_in_one_step() -> None:
    """SkyPilot PR 9927: one instance more per five minutes is no answer to a backlog."""
    actions = plan(a_snapshot(queue=a_queue(visible=1000)), limits=Limits(), capacity=FOUR_AT_MOST, now=NOON)

    assert [action.desired for action in actions if isinstance(action, ScaleOut)] == [4]


def test_fleet_never_costs_more_than_the_cap() -> None:
    """DESIGN section 13: whatever waits, the user's price per hour holds."""
    capped = replace(FOUR_AT_MOST, usd_per_instance_hour=1.0, price_cap_usd_per_hour=2.5)

    actions = plan(a_snapshot(queue=a_queue(visible=1000)), limits=Limits(), capacity=capped, now=NOON)

    assert [action.desired for action in actions if isinstance(action, ScaleOut)] == [2]


def test_fleet_is_kept_while_truth_cannot_be_read() -> None:
    """Rows that cannot be read may be waiting: nothing is lowered on their account."""
    unread = (Blind(signal="index gap, lane fresh", reason="throttled", at=NOON),)
    quiet = EmptyReadings(since=NOON - timedelta(minutes=9), last_read_at=NOON - timedelta(seconds=5))
    seen = a_snapshot(fleet=a_fleet(2), view=CapacityView(quiet=quiet))

    lowered, kept = (
        plan(each, limits=Limits(), capacity=FOUR_AT_MOST, now=NOON)
        for each in (seen, replace(seen, unread=unread))
    )

    assert [action for action in lowered if isinstance(action, ScaleIn)]
    assert not [action for action in kept if isinstance(action, ScaleIn)]


def test_raise_never_lowers_what_another_plane_raised() -> None:
    """Any plane may raise, from whatever it has read; the higher wish stands."""
    world = a_fake_platform()
    world.fleet.set_desired(3)

    changed = apply_capacity(world.platform(), ScaleOut(desired=1, reason="an older reading"))

    assert not changed
    assert world.fleet.desired == 3


def test_fleet_is_not_lowered_by_whoever_lost_its_lease_meanwhile() -> None:
    """A plane that slept between taking the lease and using it has been fenced."""
    world = a_fake_platform()
    world.fleet.set_desired(2)
    platform = world.platform()
    look = world.fleet.size

    def slow() -> object:
        world.clock.advance(minutes=5)  # the lease ran out, and somebody else has it
        world.control.take_lease("capacity", "dagster", now=world.clock(), duration_s=60)
        return look()

    world.fleet.size = slow  # type: ignore[method-assign, assignment]  # a slow call, as the network has them
    lowered = apply_capacity(platform, ScaleIn(desired=0, reason="nothing is waiting"))

    assert not lowered
    assert world.fleet.desired == 2
