"""The capacity plan: options, the choice among them, and why."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.reconcile.capacity import CapacityLimits, capacity_for
from parjanya_dagster.core.reconcile.capacity_plan import (
    CapacityPlan,
    Learned,
    Offer,
    Wish,
    capacity_plan,
    most_instances,
    plan_of,
)
from tests.builders import NOON

LIMITS = CapacityLimits(seconds_per_image=1.0, time_allowed=timedelta(seconds=100), max_instances=4)
LEARNED = Learned(start=timedelta(seconds=60), images_per_s=1.0)
OFFER = Offer(max_instances=4, usd_per_instance_hour=1.0)

offers = st.builds(
    Offer, max_instances=st.integers(1, 12), usd_per_instance_hour=st.floats(0.01, 40, allow_nan=False)
)
wishes = st.builds(
    Wish,
    deadline=st.timedeltas(timedelta(seconds=1), timedelta(hours=9)),
    price_cap_usd_per_hour=st.none() | st.floats(0.01, 200),
)
learneds = st.builds(
    Learned, start=st.timedeltas(timedelta(0), timedelta(hours=1)), images_per_s=st.floats(0.01, 100)
)


def wish(minutes: float, cap: float | None = None) -> Wish:
    """Return a wish."""
    return Wish(deadline=timedelta(minutes=minutes), price_cap_usd_per_hour=cap)


def planned(demand: int, of: Wish, *, running: int = 0) -> CapacityPlan:
    """Return the plan for a demand at noon."""
    return capacity_plan(demand, LEARNED, OFFER, of, now=NOON, running=running)


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=2), learneds, offers, wishes, st.integers(0, 12))
def test_plan_when_demand_grows_never_chooses_fewer_nor_more_than_allowed(
    demands: list[int], learned: Learned, offer: Offer, of: Wish, running: int
) -> None:
    """Monotone in demand, within the maximum, and never beyond what the price cap pays for."""
    less, more = (
        capacity_plan(each, learned, offer, of, now=NOON, running=running) for each in sorted(demands)
    )

    assert 0 <= less.instances <= more.instances <= most_instances(offer, of) <= offer.max_instances
    if of.price_cap_usd_per_hour is not None:
        assert more.instances * offer.usd_per_instance_hour <= of.price_cap_usd_per_hour + 1e-6


@given(st.integers(1, 10_000), learneds, offers, wishes)
def test_plan_lists_every_size_and_larger_ones_are_never_later(
    demand: int, learned: Learned, offer: Offer, of: Wish
) -> None:
    """The options are complete, and their times and prices positive."""
    options = capacity_plan(demand, learned, offer, of, now=NOON).options

    assert [each.instances for each in options] == list(range(1, most_instances(offer, of) + 1))
    times = [each.finish_s for each in options]
    assert all(later <= sooner for sooner, later in pairwise(times))
    assert all(each.usd > 0 for each in options)


@pytest.mark.parametrize(
    ("demand", "instances"), [(0, 0), (1, 1), (240, 1), (241, 2), (480, 2), (960, 4), (100_000, 4)]
)
def test_plan_chooses_the_fewest_that_meet_the_deadline(demand: int, instances: int) -> None:
    """Five minutes, of which one is the start: each instance does 240 images."""
    assert planned(demand, wish(5)).instances == instances


def test_plan_counts_on_what_runs_already() -> None:
    """An instance that works needs no start."""
    assert planned(300, wish(5), running=1).instances == 1
    assert planned(300, wish(5)).instances == 2
    assert planned(540, wish(5), running=1).instances == 2
    assert planned(541, wish(5), running=1).instances == 3


def test_plan_says_what_each_choice_costs() -> None:
    """Each option with its finish and its price, as on a quotation (SkyPilot issue 6916)."""
    plan = planned(960, wish(5, cap=4))

    assert plan.gives_way is None
    assert plan.words == (
        "chosen 4 for 960 images: 1 instance: done 12:17 (in 17 min 0 s), $0.28; "
        "4: done 12:05 (in 5 min 0 s), $0.33"
    )
    assert planned(0, wish(5)).words == "nothing waits: no instance"


@pytest.mark.parametrize(
    ("demand", "of", "why"),
    [
        (5_000, wish(5), "gives way to the maximum of 4, which need 21 min 50 s"),
        (
            7_200,
            wish(5, cap=2.5),
            "gives way to the price cap: $2.50 an hour pays for 2, which need 1 h 1 min",
        ),
        (
            1,
            wish(0.5),
            "gives way to starting, which takes 1 min 0 s: more instances would hardly be sooner",
        ),
    ],
)
def test_plan_that_cannot_meet_the_deadline_says_what_gives_way(demand: int, of: Wish, why: str) -> None:
    """The cap and the maximum are kept; the deadline gives way, and is told to."""
    plan = planned(demand, of)

    assert plan.gives_way is not None
    assert plan.gives_way.startswith("the deadline of ")
    assert plan.gives_way.endswith(why)
    assert why in plan.words


def test_plan_behind_a_long_start_buys_no_fleet_for_one_image() -> None:
    """No number of instances is in time; the demand decides, not the lost deadline."""
    assert planned(1, wish(0.5)).instances == 1
    assert planned(8, wish(0.5)).instances == 2


def test_plan_when_written_and_read_is_the_same() -> None:
    """Kept in Truth, with everything that it was chosen from."""
    plan = planned(5_000, wish(5))

    assert plan_of(plan.document(), at=NOON) == plan


def test_limits_under_which_nothing_could_ever_run_are_refused() -> None:
    """A cap below one instance's price is a mistake to be told at once, not a backlog to be found."""
    with pytest.raises(ConfigError, match="PARJANYA_PRICE_CAP_USD"):
        CapacityLimits(usd_per_instance_hour=2.0, price_cap_usd_per_hour=1.99)

    assert CapacityLimits(usd_per_instance_hour=2.0, price_cap_usd_per_hour=6.0).most == 3


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
