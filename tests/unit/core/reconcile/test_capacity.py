"""Capacity."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.reconcile.actions import ScaleOut
from parjanya_dagster.core.reconcile.capacity import CapacityLimits, capacity_actions, capacity_for
from tests.builders import a_fleet, a_queue

LIMITS = CapacityLimits(seconds_per_image=1.0, time_allowed=timedelta(seconds=100), max_instances=4)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_capacity_grows_with_demand_within_its_limits(a: int, b: int) -> None:
    """More work never asks for fewer instances, and never for more than the limit."""
    less, more = sorted((a, b))

    assert 0 <= capacity_for(less, LIMITS) <= capacity_for(more, LIMITS) <= 4


def test_capacity_for_one_item_is_one_instance() -> None:
    """Leaving zero needs one item and one call."""
    assert capacity_for(0, LIMITS) == 0
    assert capacity_for(1, LIMITS) == 1
    assert capacity_for(101, LIMITS) == 2


def test_capacity_goes_to_the_target_in_one_step() -> None:
    """SkyPilot issue 8483: one instance per 300 s is no answer to a burst."""
    actions = capacity_actions(
        queue=a_queue(350), fleet=a_fleet(0), waiting=0, limits=LIMITS, may_lower=False
    )

    assert [a.desired for a in actions if isinstance(a, ScaleOut)] == [4]


def test_capacity_that_suffices_is_left_alone() -> None:
    """A larger fleet than needed is not lowered while there is work."""
    assert not capacity_actions(queue=a_queue(1), fleet=a_fleet(3), waiting=0, limits=LIMITS, may_lower=True)
