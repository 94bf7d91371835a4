"""Capacity's shell: fenced lowering, harmless duplicates, memory in Truth, and the record of decisions."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

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
from parjanya_dagster.control.reconcile import reconcile_rows, reconcile_world
from parjanya_dagster.core.belief.boot import Boot, BootStage
from parjanya_dagster.core.belief.pulse import Pulse
from parjanya_dagster.core.belief.signals import Blind, FleetSize, Reading
from parjanya_dagster.core.errors import DeniedError, UnavailableError
from parjanya_dagster.core.reconcile.actions import FallBack, LearnCapacity, ScaleIn, ScaleOut, Terminate
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.capacity_memory import CapacityMemory
from parjanya_dagster.core.reconcile.capacity_plan import Learned, capacity_plan
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NOON, a_key, a_row

LIMITS = CapacityLimits()
PLAN = capacity_plan(
    90, Learned(start=timedelta(seconds=60), images_per_s=1.0), LIMITS.offer, LIMITS.wish, now=NOON
)
OUT = ScaleOut(desired=2, reason="90 visible", plan=PLAN)
IN = ScaleIn(desired=0, reason="nothing is waiting")


def size_of(world: FakePlatform) -> FleetSize:
    """Return the fleet's size."""
    signal = world.fleet.size()
    assert isinstance(signal, Reading)
    return signal.value


def a_pulse(world: FakePlatform, instance_id: str, **changes: Any) -> Pulse:  # noqa: ANN401 - any field
    """Return the pulse of an idle worker, now."""
    now = world.clock()
    pulse = Pulse(instance_id=instance_id, at=now, progress_at=now, held=0, settled=3, stage="watching")
    return replace(pulse, **changes)


def sweep(world: FakePlatform, *, times: int = 1, seconds: float = 30) -> None:
    """Let time pass and sweep, some times."""
    for _ in range(times):
        world.clock.advance(seconds=seconds)
        reconcile_world(world.platform())


# --- raising ------------------------------------------------------------------------------------------


def test_raise_when_repeated_or_raced_changes_nothing_more() -> None:
    """Any plane may raise, twice and late: the number is absolute."""
    world = a_fake_platform()

    assert apply_capacity(world.platform(), OUT)
    assert not apply_capacity(world.platform(), OUT)

    assert world.calls.count("fleet.set_desired") == 1


def test_raise_that_comes_late_does_not_take_back_a_higher_one() -> None:
    """The lower of two wishes must not win."""
    world = a_fake_platform()
    world.fleet.set_desired(4)

    assert not apply_capacity(world.platform(), OUT)

    assert world.fleet.desired == 4


def test_raise_beyond_the_cap_is_clamped_where_it_is_made() -> None:
    """Whatever plans it, no call asks for more than settings and the group allow."""
    world = replace(a_fake_platform(), capacity=CapacityLimits(price_cap_usd_per_hour=0.9))

    apply_capacity(world.platform(), replace(OUT, desired=9))

    assert world.fleet.desired == 1


def test_raise_over_an_unreadable_group_is_left_to_the_next_cycle() -> None:
    """What is asked for now cannot be seen, so it could be lowered by mistake."""
    world = a_fake_platform()
    world.calls.fail("fleet.size", DeniedError("AccessDenied"))

    with pytest.raises(UnavailableError, match="AccessDenied"):
        apply_capacity(world.platform(), OUT)


# --- lowering -----------------------------------------------------------------------------------------


def test_lowering_is_left_to_the_lease_holder() -> None:
    """One plane at a time lowers."""
    world = a_fake_platform()
    world.fleet.set_desired(2)
    assert world.control.take_lease("capacity", "dagster", now=world.clock(), duration_s=60)

    for action in (IN, Terminate(instance_id="i-1", reason="dead"), FallBack(version="1", reason="broken")):
        assert not apply_capacity(world.platform(), action)

    assert world.fleet.desired == 2


def test_lowering_after_another_run_took_the_lease_is_fenced() -> None:
    """A function that was suspended between lease and call finds its token void, its own name or not."""
    world = a_fake_platform()
    world.fleet.set_desired(2)
    platform = world.platform()
    really = platform.fleet.size

    def slow_size() -> Any:  # noqa: ANN401 - the signal, whatever it is
        platform.control.take_lease("capacity", platform.plane, now=world.clock(), duration_s=30)
        return really()

    world.fleet.size = slow_size  # type: ignore[method-assign] # another run comes in exactly here

    assert not apply_capacity(platform, IN)
    assert world.fleet.desired == 2


def test_lowering_over_an_unreadable_group_does_nothing() -> None:
    """Blind never lowers."""
    world = a_fake_platform()
    world.fleet.set_desired(2)
    world.calls.fail("fleet.size", DeniedError("AccessDenied"))

    assert not apply_capacity(world.platform(), IN)


def test_lowering_to_what_is_there_already_does_nothing() -> None:
    """A duplicate finds it done."""
    world = a_fake_platform()

    assert not apply_capacity(world.platform(), IN)
    assert last_decisions(world.platform(), limit=5) == []


def test_end_of_an_instance_takes_its_pulse_with_it() -> None:
    """Terminated and one less desired; a second call finds nobody."""
    world = a_fake_platform()
    world.fleet.set_desired(2)
    platform, name = world.platform(), world.fleet.members[0].instance_id
    write_pulse(platform, a_pulse(world, name))

    assert apply_capacity(platform, Terminate(instance_id=name, reason="silent"))
    assert not apply_capacity(platform, Terminate(instance_id=name, reason="silent"))

    assert world.fleet.desired == 1
    assert world.records.get(RecordKind.PULSE, name) is None


def test_fall_back_changes_what_is_launched_from() -> None:
    """The last good version of the template."""
    world = a_fake_platform()

    assert apply_capacity(world.platform(), FallBack(version="41", reason="3 boots failed"))

    assert size_of(world).template_version == "41"


# --- Truth --------------------------------------------------------------------------------------------


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


# --- whole cycles -------------------------------------------------------------------------------------


def test_outage_of_denied_reads_never_scales_in() -> None:
    """Incident 7: half an hour in which the queue cannot be read; nothing is lowered."""
    world = a_fake_platform()
    world.fleet.set_desired(3)
    world.calls.fail("queue.depth", DeniedError("AccessDenied"), times=10_000)

    sweep(world, times=60)
    assert world.fleet.desired == 3

    world.calls.fail("queue.depth", DeniedError("AccessDenied"), times=0)
    sweep(world, times=3)
    assert world.fleet.desired == 0


def test_silent_instance_is_reaped_after_its_boot_bound_and_replaced() -> None:
    """No pulse: terminated with decrement; what still waits raises again."""
    world = a_fake_platform()
    world.images.add(a_row())
    reconcile_rows(world.platform(), [a_key()])
    first = world.fleet.members[0].instance_id

    sweep(world, times=22)  # 11 minutes: younger than three times the learned four of a start
    assert [each.instance_id for each in world.fleet.members] == [first]

    sweep(world, times=8)
    assert first not in [each.instance_id for each in world.fleet.members]
    assert world.fleet.desired == 1
    assert "terminate" in [each.action for each in last_decisions(world.platform(), limit=5)]


def test_worker_that_pulses_is_never_reaped() -> None:
    """An hour of work is an hour of pulses."""
    world = a_fake_platform()
    world.images.add(a_row())
    reconcile_rows(world.platform(), [a_key()])
    name = world.fleet.members[0].instance_id

    for _ in range(120):
        write_pulse(world.platform(), a_pulse(world, name, held=1))
        sweep(world)

    assert [each.instance_id for each in world.fleet.members] == [name]


def test_template_that_cannot_boot_is_launched_three_times_and_no_more() -> None:
    """Incident 6: three failed boots open the breaker; after its pause one launch is tried."""
    world = a_fake_platform()
    world.images.add(a_row())
    reconcile_rows(world.platform(), [a_key()])
    reported: set[str] = set()

    for _ in range(20):  # ten minutes
        for member in world.fleet.members:
            if member.instance_id not in reported:
                reported.add(member.instance_id)
                _fail_boot(world, member.instance_id)
        sweep(world)

    launches = world.fleet.launches()
    assert isinstance(launches, Reading)
    assert 3 <= len(launches.value) <= 4
    assert world.fleet.desired == 0


def test_template_that_cannot_boot_gives_way_to_the_last_good_one() -> None:
    """The fall-back keeps work going, without a person."""
    world = a_fake_platform()
    world.fleet.template_version = "1"
    world.fleet.set_desired(1)
    good = world.fleet.members[0].instance_id
    now = world.clock()
    write_boot(world.platform(), Boot(instance_id=good, started_at=now, stage=BootStage.READY, at=now))
    write_pulse(world.platform(), a_pulse(world, good))
    sweep(world)
    world.fleet.template_version = "2"
    world.fleet.set_desired(0)
    world.images.add(a_row())
    reconcile_rows(world.platform(), [a_key()])

    for _ in range(12):
        for member in world.fleet.members:
            if member.template_version == "2":
                _fail_boot(world, member.instance_id)
        sweep(world)

    assert world.fleet.template_version == "1"
    assert [each.template_version for each in world.fleet.members] == ["1"]


def test_gap_between_demands_is_learned_by_whoever_sees_the_next() -> None:
    """The event path wakes the fleet and notes how long it slept."""
    world = a_fake_platform()
    world.images.add(a_row(status=Status.ENRICHED))
    world.fleet.set_desired(1)
    sweep(world, times=3)
    assert world.fleet.desired == 0
    world.clock.advance(minutes=10)

    world.images.add(a_row(2))
    reconcile_rows(world.platform(), [a_key(2)])

    assert observe_capacity(world.platform(), world.fleet.size()).known.gaps_s == (660.0,)


def _fail_boot(world: FakePlatform, instance_id: str) -> None:
    now = world.clock()
    boot = Boot(
        instance_id=instance_id,
        started_at=now,
        stage=BootStage.VERIFYING,
        at=now,
        error="model.bin is missing",
    )
    write_boot(world.platform(), boot)
