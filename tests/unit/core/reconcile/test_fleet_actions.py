"""The fleet's actions: up at once, down with care, and never under Blind."""

from dataclasses import replace
from typing import Any

import pytest

from parjanya_dagster.core.belief.signals import QueueDepth, Reading
from parjanya_dagster.core.ports import EmptyReadings
from parjanya_dagster.core.reconcile.actions import (
    LearnCapacity,
    RememberEmptyReadings,
    ReportBlind,
    ScaleIn,
    ScaleOut,
)
from parjanya_dagster.core.reconcile.capacity_memory import CapacityMemory
from parjanya_dagster.core.reconcile.capacity_view import CapacityView
from parjanya_dagster.core.reconcile.fleet_actions import DEMAND, SURPLUS, fleet_actions
from tests.builders import NOON, a_queue
from tests.unit.core.reconcile.fleet_planning import (
    BLIND,
    LIMITS,
    a_group,
    a_member,
    a_pulse,
    a_reading,
    a_run,
    a_view,
    ago,
    changed,
    kinds,
    planned,
)

# --- up -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "desired"),
    [
        ({"queue": a_queue(1)}, 1),
        ({"gaps": 1}, 1),
        ({"queue": a_queue(480)}, 2),
        ({"queue": a_queue(400, delayed=80)}, 2),
        ({"queue": a_queue(5_000)}, 4),
        ({"steps": Reading(value=3, at=NOON)}, 3),
        ({"steps": Reading(value=9, at=NOON)}, 4),
        ({"queue": a_queue(5_000), "whole": False, "view": CapacityView(), "steps": None}, 4),
    ],
)
def test_fleet_goes_to_its_target_in_one_step(changes: dict[str, Any], desired: int) -> None:
    """SkyPilot issue 8483: one item wakes one instance, a burst the whole fleet, in one call."""
    [action] = planned(**changes)

    assert isinstance(action, ScaleOut)
    assert action.desired == desired
    assert action.plan is not None


@pytest.mark.parametrize("queue", [a_queue(delayed=5), a_queue(in_flight=5)])
def test_fleet_at_zero_is_not_woken_by_what_is_in_back_off(queue: Reading[QueueDepth]) -> None:
    """Nobody is there to hold it, so that it can only be waiting to be visible again."""
    assert planned(queue=queue) == []


def test_fleet_that_is_large_enough_is_left_alone() -> None:
    """Applied to the world it produced, the plan plans nothing."""
    assert planned(queue=a_queue(480), fleet=a_group(2)) == []


def test_fleet_is_raised_under_blind_by_what_is_known_to_wait() -> None:
    """What follows from Truth alone proceeds."""
    actions = planned(queue=BLIND, steps=BLIND, view=a_view(memory=BLIND, pulses=BLIND), gaps=1)

    assert kinds(actions) == [ReportBlind, ReportBlind, ScaleOut]


def test_unreadable_group_is_reported_and_nothing_else() -> None:
    """Capacity is never set from what cannot be seen."""
    assert planned(fleet=BLIND, gaps=9) == [ReportBlind(blind=BLIND)]


# --- down ---------------------------------------------------------------------------------------------


def test_fleet_is_lowered_to_zero_after_a_second_reading_without_demand() -> None:
    """One reading of zero is a hint, two are a fact."""
    group = a_group(2, a_member(1), a_member(2))
    view = a_view(a_pulse(1), a_pulse(2))

    assert planned(fleet=group, view=view) == [
        RememberEmptyReadings(signal=DEMAND, run=EmptyReadings(since=NOON, last_read_at=NOON))
    ]
    [action] = planned(fleet=group, view=replace(view, quiet=a_run()))
    assert isinstance(action, ScaleIn)
    assert action.desired == 0


def test_fleet_is_lowered_in_part_to_what_the_demand_keeps_busy() -> None:
    """Not only to zero: whoever has nothing to do may go, and who holds work finishes under protection."""
    busy = {"queue": a_queue(45), "fleet": a_group(4, *(a_member(n) for n in range(4)))}

    assert planned(**busy) == [
        RememberEmptyReadings(signal=SURPLUS, run=EmptyReadings(since=NOON, last_read_at=NOON))
    ]
    forgets, action = planned(**busy, view=a_view(surplus=a_run()))
    assert forgets == RememberEmptyReadings(signal=SURPLUS, run=None)
    assert isinstance(action, ScaleIn)
    assert action.desired == 2


def test_fleet_is_not_lowered_below_its_open_steps() -> None:
    """A step takes a whole instance, however few images it has."""
    [action] = changed(fleet=a_group(4), steps=Reading(value=3, at=NOON), view=a_view(surplus=a_run()))

    assert isinstance(action, ScaleIn)
    assert action.desired == 3


def test_fleet_above_a_cap_that_was_lowered_shrinks_to_it() -> None:
    """The most that settings allow holds for what runs already, too."""
    actions = fleet_actions(
        a_reading(queue=a_queue(9_000), fleet=a_group(4), view=a_view(surplus=a_run())),
        limits=replace(LIMITS, price_cap_usd_per_hour=2.0),
        now=NOON,
    )

    assert [each.desired for each in actions if isinstance(each, ScaleIn)] == [2]


def test_idle_workers_with_messages_in_back_off_may_go() -> None:
    """KEDA: what nobody can work on now keeps no GPU awake; in a worker's hands it does."""
    group, queue = a_group(1, a_member()), a_queue(in_flight=3)

    idle = planned(fleet=group, queue=queue, view=a_view(a_pulse(), quiet=a_run()))
    busy = planned(fleet=group, queue=queue, view=a_view(a_pulse(held=3), quiet=a_run()))

    assert ScaleIn in kinds(idle)
    assert ScaleIn not in kinds(busy)


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("too long unobserved", {"view": a_view(a_pulse(), quiet=a_run(600, last=91))}),
        ("this very reading began it", {"view": a_view(a_pulse(), quiet=a_run(0, last=0))}),
        ("an event's look", {"whole": False, "view": a_view(a_pulse(), quiet=a_run())}),
        ("the queue is unreadable", {"queue": BLIND, "view": a_view(a_pulse(), quiet=a_run())}),
        ("steps are unreadable", {"steps": BLIND, "view": a_view(a_pulse(), quiet=a_run())}),
        ("the memory is unreadable", {"view": a_view(a_pulse(), quiet=a_run(), memory=BLIND)}),
        ("pulses are unreadable", {"view": a_view(quiet=a_run(), pulses=BLIND)}),
        ("launches are unreadable", {"view": a_view(a_pulse(), quiet=a_run(), launches=BLIND)}),
        ("the group wants a minimum", {"fleet": a_group(1, a_member(), min_size=1)}),
    ],
)
def test_fleet_is_not_lowered_when(why: str, changes: dict[str, Any]) -> None:
    """Blind is never zero, and one look is no proof (KEDA issue 8036)."""
    quiet = {"fleet": a_group(1, a_member()), "view": a_view(a_pulse(), quiet=a_run())}

    assert ScaleIn in kinds(planned(**quiet))
    assert ScaleIn not in kinds(planned(**(quiet | changes))), why


def test_last_instance_is_kept_while_the_next_demand_is_expected_soon() -> None:
    """KEDA issue 7327: gaps of half a minute against a start of one."""
    group = a_group(2, a_member(1), a_member(2))
    view = a_view(a_pulse(1), a_pulse(2), quiet=a_run(10, last=5))

    [kept] = planned(fleet=group, view=replace(view, memory=CapacityMemory(gaps_s=(40.0, 40.0, 40.0))))
    [gone] = planned(fleet=group, view=replace(view, memory=CapacityMemory(gaps_s=(400.0, 400.0, 400.0))))

    assert isinstance(kept, ScaleIn)
    assert isinstance(gone, ScaleIn)
    assert (kept.desired, gone.desired) == (1, 0)


# --- memory -------------------------------------------------------------------------------------------


def test_demand_that_returns_ends_the_run_and_its_length_is_learned() -> None:
    """Gaps are measured from the first quiet reading to the next demand, whoever sees it."""
    actions = planned(queue=a_queue(1), fleet=a_group(1), view=a_view(quiet=a_run(1000, last=900)))

    assert actions == [
        RememberEmptyReadings(signal=DEMAND, run=None),
        LearnCapacity(before=CapacityMemory(), after=CapacityMemory(gaps_s=(1000.0,))),
    ]


def test_run_that_is_young_enough_is_not_written_again() -> None:
    """A quarter of the gap that would end it; the run keeps its beginning."""
    waiting = CapacityMemory(gaps_s=(100.0, 100.0, 100.0))
    group, view = a_group(1, a_member()), a_view(a_pulse(), memory=waiting)

    assert planned(fleet=group, view=replace(view, quiet=a_run(60, last=20))) == []
    assert planned(fleet=group, view=replace(view, quiet=a_run(60, last=30))) == [
        RememberEmptyReadings(signal=DEMAND, run=EmptyReadings(since=ago(60), last_read_at=NOON))
    ]


def test_surplus_that_is_none_any_more_is_forgotten() -> None:
    """Two readings must say it without one in between that does not."""
    assert planned(queue=a_queue(480), fleet=a_group(2), view=a_view(surplus=a_run())) == [
        RememberEmptyReadings(signal=SURPLUS, run=None)
    ]


def test_idle_system_plans_nothing() -> None:
    """Zero desired, nothing waits: nothing is written, however long ago the last demand was."""
    assert planned() == []
    assert planned(view=a_view(quiet=a_run(9000, last=8000))) == []
