"""The fleet's model: times by hand for small courses, and what must hold of every course."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.simulation.forecast.arrivals import Arrival, all_at_once
from parjanya_dagster.simulation.forecast.fleet import Course, FleetModel, run_fleet

MODEL = FleetModel(images_per_s=2, cold_start_s=100, warm_start_s=20, warm_pool=0, reaction_s=5, idle_s=60)

models = st.builds(
    FleetModel,
    images_per_s=st.floats(0.1, 50),
    cold_start_s=st.floats(100, 1000),
    warm_start_s=st.floats(10, 100),
    warm_pool=st.integers(0, 6),
    reaction_s=st.floats(0, 10),
    idle_s=st.floats(0, 900),
)
traces = st.lists(
    st.builds(Arrival, at_s=st.floats(0, 20_000), images=st.integers(1, 5_000)), min_size=1, max_size=30
).map(lambda arrivals: tuple(sorted(arrivals, key=lambda each: each.at_s)))


def run(trace: tuple[Arrival, ...], model: FleetModel, instances: int) -> Course:
    """Return the course under a plan that always wants `instances`."""
    return run_fleet(trace, model, lambda *_: instances, lambda *_: False)


def test_fleet_of_one_boots_scores_idles_and_goes_to_zero() -> None:
    """Boot 100 s, a hundred images 50 s, idling 60 s, paid from the call; the mean wait is 100 + 25 s."""
    course = run(all_at_once(100), MODEL, 1)

    assert course.first_score_s == 100.5
    assert course.last_score_s == course.worst_wait_s == 150
    assert course.waited_image_s == 125 * 100
    assert [(life.from_s, life.to_s, life.from_pool) for life in course.lives] == [(5, 210, False)]


def test_fleet_beyond_its_pool_starts_the_rest_cold() -> None:
    """The pooled instance scores 160 images alone until, at 100 s, two cold ones help with the rest."""
    course = run(all_at_once(400), replace(MODEL, warm_pool=1), 3)

    assert course.first_score_s == 20.5
    assert course.last_score_s == 100 + 240 / 6
    assert [life.from_pool for life in course.lives] == [True, False, False]


def test_fleet_whose_new_instances_are_ready_first_scores_with_those() -> None:
    """Assumptions can be changed to a pool that is slower than a launch; nothing then waits for the pool."""
    course = run(all_at_once(100), replace(MODEL, warm_pool=1, warm_start_s=500), 2)

    assert course.last_score_s == 150


def test_fleet_when_work_comes_while_it_idles_scores_at_once() -> None:
    """Nothing boots again before the idle time is over."""
    course = run((Arrival(at_s=0, images=100), Arrival(at_s=200, images=100)), MODEL, 1)

    assert course.last_score_s == 250
    assert len(course.lives) == 1


def test_fleet_when_work_comes_after_it_stopped_boots_again_from_the_pool() -> None:
    """Stopped instances return to the pool: the second wave starts as quickly as the first."""
    trace = (Arrival(at_s=0, images=100), Arrival(at_s=1000, images=100))

    course = run(trace, replace(MODEL, warm_pool=1), 1)

    assert course.last_score_s == 1000 + 20 + 50
    assert [life.from_pool for life in course.lives] == [True, True]


@pytest.mark.parametrize("cold_start_s", [50, 100])
def test_fleet_that_drains_before_all_have_booted_stops_those_too(cold_start_s: float) -> None:
    """The idle time runs from the last score, whether or not the others are ready before it is over."""
    course = run(all_at_once(10), replace(MODEL, warm_pool=1, cold_start_s=cold_start_s), 2)

    assert course.last_score_s == 25
    assert {life.to_s for life in course.lives} == {85}


def test_fleet_told_of_demand_counts_what_still_waits() -> None:
    """At each arrival the plan is asked about the whole backlog: 100, then 50 left and 30 new."""
    asked: list[tuple[int, int, float]] = []

    def desired(demand: int, running: int, at_s: float) -> int:
        asked.append((demand, running, at_s))
        return 1

    trace = (Arrival(at_s=0, images=100), Arrival(at_s=125, images=30))
    run_fleet(trace, MODEL, desired, lambda *_: False)

    assert asked == [(100, 0, 0), (80, 1, 125)]


def test_fleet_with_a_trillion_images_is_computed_like_one_with_a_hundred() -> None:
    """The cost of a course grows with its instances and arrivals: image by image this would never end."""
    course = run(all_at_once(10**12), MODEL, 1000)

    assert course.last_score_s == pytest.approx(100 + 10**12 / 2000)


def test_fleet_that_is_kept_is_asked_every_minute_and_told_of_the_gaps() -> None:
    """Idle from 150 to 500 and from 550 on; asked after 60 s, then each minute, until nobody wants it."""
    asked: list[tuple[tuple[float, ...], float]] = []

    def keeps(gaps_s: Sequence[float], idle_s: float) -> bool:
        asked.append((tuple(gaps_s), idle_s))
        return not gaps_s

    trace = (Arrival(at_s=0, images=100), Arrival(at_s=500, images=100))
    course = run_fleet(trace, MODEL, lambda *_: 1, keeps)

    assert asked == [*(((), idle_s) for idle_s in (60, 120, 180, 240, 300)), ((350,), 60)]
    assert [(life.from_s, life.to_s) for life in course.lives] == [(5, 610)]


@given(trace=traces, model=models, instances=st.integers(1, 8))
def test_course_of_any_trace_scores_everything_and_pays_for_it(
    trace: tuple[Arrival, ...], model: FleetModel, instances: int
) -> None:
    """Paid time covers the scored time, nothing is scored before it arrived and booted, and all is scored."""
    course = run(trace, model, instances)
    images = sum(arrival.images for arrival in trace)
    paid_s = sum(life.to_s - life.from_s for life in course.lives)

    assert paid_s >= images / model.images_per_s * (1 - 1e-9)
    assert course.last_score_s >= trace[-1].at_s
    assert course.first_score_s >= trace[0].at_s + min(model.warm_start_s, model.cold_start_s)
    assert 0 <= course.waited_image_s <= course.worst_wait_s * images * (1 + 1e-9)
    assert course.most_instances == instances


@given(images=st.integers(1, 10**6), model=models, instances=st.integers(1, 40))
def test_course_of_a_burst_with_one_more_instance_is_never_slower(
    images: int, model: FleetModel, instances: int
) -> None:
    """More instances never delay the last score of a burst."""
    fewer, more = (run(all_at_once(images), model, count) for count in (instances, instances + 1))

    assert more.last_score_s <= fewer.last_score_s * (1 + 1e-9)
    assert more.worst_wait_s == pytest.approx(more.last_score_s)
