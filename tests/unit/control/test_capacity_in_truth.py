"""Capacity in Truth: decisions, what was learned, and what workers wrote."""

import pytest

from parjanya_dagster.control.capacity import (
    apply_capacity,
    last_decisions,
    learn_throughput,
    newest_boots,
    observe_capacity,
    write_boot,
    write_pulse,
)
from parjanya_dagster.core.belief.boot import Boot, BootStage
from parjanya_dagster.core.belief.signals import Blind, Reading
from parjanya_dagster.core.errors import DeniedError
from parjanya_dagster.core.reconcile.actions import LearnCapacity
from parjanya_dagster.core.reconcile.capacity_memory import CapacityMemory
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import NOON
from tests.unit.control.fleets import IN, OUT, PLAN, a_pulse


def test_decision_is_kept_with_everything_it_was_chosen_from() -> None:
    """The plan explains itself afterwards, too; newest first."""
    world = a_fake_platform()
    apply_capacity(world.platform(), OUT)
    world.clock.advance(minutes=1)
    apply_capacity(world.platform(), IN)

    lowered, raised = last_decisions(world.platform(), limit=5)

    assert (raised.action, raised.desired, raised.plane, raised.reason) == (
        "scale_out",
        2,
        "lambda",
        "90 visible",
    )
    assert raised.plan == PLAN
    assert (lowered.action, lowered.desired, lowered.plan) == ("scale_in", 0, None)


def test_memory_is_replaced_only_where_nobody_else_wrote() -> None:
    """Two planes that learned at once: one wins, the other folds the same evidence again."""
    platform = a_fake_platform().platform()
    empty, first, second = CapacityMemory(), CapacityMemory(gaps_s=(1.0,)), CapacityMemory(gaps_s=(2.0,))

    assert apply_capacity(platform, LearnCapacity(before=empty, after=first))
    assert not apply_capacity(platform, LearnCapacity(before=empty, after=second))
    assert apply_capacity(platform, LearnCapacity(before=first, after=second))

    assert observe_capacity(platform, platform.fleet.size()).known == second


def test_throughput_is_learned_from_drains_that_are_large_enough() -> None:
    """A drain of seven images measures how a worker starts."""
    platform = a_fake_platform().platform()

    learn_throughput(platform, images=7, seconds=1)
    learn_throughput(platform, images=100, seconds=0)
    assert observe_capacity(platform, platform.fleet.size()).rates == ()

    learn_throughput(platform, images=100, seconds=20)
    learn_throughput(platform, images=300, seconds=40)
    assert observe_capacity(platform, platform.fleet.size()).rates == (5.0, 7.5)


def test_view_holds_what_workers_wrote() -> None:
    """Pulses of the group's instances, and the newest boots."""
    world = a_fake_platform()
    world.fleet.set_desired(1)
    platform, name = world.platform(), world.fleet.members[0].instance_id
    boot = Boot(instance_id=name, started_at=NOON, stage=BootStage.LOADING, at=NOON)
    write_boot(platform, boot)
    write_pulse(platform, a_pulse(world, name))
    write_pulse(platform, a_pulse(world, "i-of-nobody"))

    view = observe_capacity(platform, world.fleet.size())

    assert isinstance(view.pulses, Reading)
    assert list(view.pulses.value) == [name]
    assert isinstance(view.boots, Reading)
    assert view.boots.value == (boot,) == newest_boots(platform)
    assert isinstance(view.launches, Reading)
    assert [each.instance_id for each in view.launches.value] == [name]


def test_view_of_an_event_costs_three_reads() -> None:
    """The event path asks for what was learned, and nobody's pulse."""
    world = a_fake_platform()
    world.fleet.set_desired(1)
    fleet = world.fleet.size()
    world.calls.clear()

    view = observe_capacity(world.platform(), fleet, whole=False)

    assert (view.pulses, view.boots, view.launches) == (None, None, None)
    assert world.calls.names == ["records.get", "records.get", "control.empty_readings"]


def test_view_of_an_idle_fleet_asks_for_no_boots() -> None:
    """An idle system costs next to nothing."""
    world = a_fake_platform()

    view = observe_capacity(world.platform(), world.fleet.size())

    assert (view.boots, view.launches) == (None, None)
    assert world.calls.count("fleet.launches") == 0


@pytest.mark.parametrize(
    ("call", "blind"),
    [
        ("records.get", {"capacity memory", "pulses"}),
        ("records.newest", {"boots"}),
        ("fleet.launches", {"fleet.launches"}),
        ("control.empty_readings", set()),
    ],
)
def test_view_names_what_could_not_be_read(call: str, blind: set[str]) -> None:
    """Unreadable is not empty; remembered runs that are unreadable lower nothing by being absent."""
    world = a_fake_platform()
    world.fleet.set_desired(1)
    world.calls.fail(call, DeniedError("AccessDenied"), times=9)

    view = observe_capacity(world.platform(), world.fleet.size())

    assert {each.signal for each in view.blind} == blind
    assert view.known == CapacityMemory()
    assert view.quiet is None


def test_view_of_an_unreadable_group_looks_for_no_pulses_of_its_own() -> None:
    """Who is there is not known; what boots is."""
    world = a_fake_platform()
    fleet = Blind(signal="fleet.size", reason="AccessDenied", at=NOON)

    view = observe_capacity(world.platform(), fleet)

    assert isinstance(view.pulses, Reading)
    assert isinstance(view.boots, Reading)
