"""Capacity over whole cycles: outages, silent instances, broken templates, and the gaps in between."""

from parjanya_dagster.control.capacity import (
    last_decisions,
    observe_capacity,
    write_boot,
    write_pulse,
)
from parjanya_dagster.control.reconcile import reconcile_rows, reconcile_world
from parjanya_dagster.core.belief.boot import Boot, BootStage
from parjanya_dagster.core.belief.signals import Reading
from parjanya_dagster.core.errors import DeniedError
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import a_key, a_row
from tests.unit.control.fleets import a_pulse, fail_boot


def sweep(world: FakePlatform, *, times: int = 1, seconds: float = 30) -> None:
    """Let time pass and sweep, some times."""
    for _ in range(times):
        world.clock.advance(seconds=seconds)
        reconcile_world(world.platform())


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
                fail_boot(world, member.instance_id)
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
                fail_boot(world, member.instance_id)
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
