"""What a worker says of itself: its boot before any log, and its pulse."""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic, sleep

import pytest

from gpu_worker.drain import DrainReport, drain
from gpu_worker.vitals import Vitals
from parjanya_dagster.control.capacity import newest_boots, observe_capacity
from parjanya_dagster.core.belief.boot import BootStage
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.unit.gpu_worker.line import QUICK, Line
from tests.unit.gpu_worker.scripted_engine import a_scorer


def a_worker() -> tuple[FakePlatform, Vitals]:
    """Return a platform and the vitals of a worker on it."""
    world = a_fake_platform(plane="worker")
    return world, Vitals(world.platform(), instance_id="i-1", template_version="7", every_s=0.01)


def stages(world: FakePlatform) -> list[BootStage]:
    """Return the stage that each boot record holds."""
    return [each.stage for each in newest_boots(world.platform())]


def test_boot_reports_each_stage_when_it_begins() -> None:
    """Silence has a name before any log exists."""
    world, vitals = a_worker()

    with vitals.booting():
        assert stages(world) == [BootStage.STARTED]
        vitals.reach(BootStage.LOADING)
        assert stages(world) == [BootStage.LOADING]
    vitals.enter_service()
    vitals.enter_service()
    vitals.end()

    [boot] = newest_boots(world.platform())
    assert boot.is_ready
    assert boot.template_version == "7"


def test_boot_that_fails_names_its_stage_and_what_ended_it() -> None:
    """Incident 6b: the weights are not there, and the record says so."""
    world, vitals = a_worker()

    with pytest.raises(FileNotFoundError), vitals.booting(BootStage.VERIFYING):
        raise FileNotFoundError("model-00001.safetensors")

    [boot] = newest_boots(world.platform())
    assert (boot.stage, boot.error) == (BootStage.VERIFYING, "model-00001.safetensors")


def test_boot_that_cannot_be_reported_goes_on() -> None:
    """A table that does not answer costs no instance."""
    world, vitals = a_worker()
    world.calls.fail("records.put", UnavailableError("timeout"), times=3)

    with vitals.booting():
        vitals.reach(BootStage.LOADING)
    vitals.beat()

    assert stages(world) == []


def test_pulse_tells_holding_work_from_getting_on_with_it() -> None:
    """A worker that hangs pulses, and its progress stays behind."""
    world, vitals = a_worker()
    begun = world.clock()

    vitals.follow(DrainReport(held=3))
    world.clock.advance(minutes=1)
    vitals.follow(DrainReport(held=3))
    hanging = vitals.pulse()
    vitals.follow(DrainReport(held=2, outcomes={"completed": 1}, settled=("acme#1",)))
    working = vitals.pulse()

    assert (hanging.at - hanging.progress_at, hanging.held) == (timedelta(minutes=1), 3)
    assert (working.progress_at, working.held, working.settled) == (begun + timedelta(minutes=1), 2, 1)


def test_pulse_of_an_idle_worker_is_its_progress() -> None:
    """Holding nothing for an hour is no stall, and what it settled is not forgotten."""
    world, vitals = a_worker()
    vitals.follow(DrainReport(held=1))
    vitals.follow(DrainReport(outcomes={"completed": 2}, settled=("acme#1", "acme#2")))
    vitals.idle("watching")
    world.clock.advance(hours=1)

    pulse = vitals.pulse()

    assert pulse.progress_at == pulse.at
    assert (pulse.held, pulse.settled, pulse.stage) == (0, 2, "watching")


def test_pulse_is_written_again_and_again_until_the_end() -> None:
    """Its thread asks nobody: neither the engine nor a Dagster step can stop it."""
    world, vitals = a_worker()

    vitals.start()
    _await(lambda: world.calls.count("records.put") >= 3)
    vitals.end()

    assert world.records.get(RecordKind.PULSE, "i-1") is not None


def test_pulse_comes_at_once_when_the_worker_begins_to_hold_work() -> None:
    """An idle pulse that is a quarter of a minute old must not pass for an idle fleet."""
    world = a_fake_platform(plane="worker")
    vitals = Vitals(world.platform(), instance_id="i-1", every_s=600)
    vitals.start()
    _await(lambda: world.calls.count("records.put") == 1)

    vitals.follow(DrainReport(held=3))

    _await(lambda: world.calls.count("records.put") == 2)
    vitals.end()
    pulse = world.records.get(RecordKind.PULSE, "i-1")
    assert pulse is not None
    assert pulse["held"] == 3


def test_worker_whose_instance_returns_to_the_pool_boots_once_more() -> None:
    """Each way out of the pool is a start of its own, and is learned from."""
    world, vitals = a_worker()
    vitals.reach(BootStage.READY)
    world.clock.advance(hours=1)

    vitals.reach(BootStage.WARMING)
    vitals.reach(BootStage.WARMING)

    assert stages(world) == [BootStage.WARMING, BootStage.READY]
    vitals.reach(BootStage.READY)
    assert stages(world) == [BootStage.READY, BootStage.READY]


def test_drain_says_what_it_holds_and_truth_learns_how_fast_it_was() -> None:
    """Whoever drains, headless or in a Dagster step, feeds the next plan of capacity."""
    line = Line()
    line.add_many(12)
    held: list[int] = []

    report = drain(
        line.platform,
        a_scorer(),
        scored_by="headless:i-1",
        idle_after_s=0.6,
        progress=lambda each: held.append(each.held),
        limits=QUICK,
    )

    [rate] = observe_capacity(line.platform, line.platform.fleet.size()).rates
    assert held[-1] == 0
    assert 0 < report.active_s < report.seconds
    assert rate == pytest.approx(12 / report.active_s, rel=0.01)


def test_drain_goes_on_when_truth_cannot_learn() -> None:
    """A lost sample is no failed drain."""
    line = Line()
    line.add_many(9)
    line.calls.fail("records.get", UnavailableError("timeout"))

    report = drain(line.platform, a_scorer(), scored_by="headless:i-1", idle_after_s=0.2, limits=QUICK)

    assert len(report.settled) == 9


def _await(is_so: Callable[[], bool]) -> None:
    give_up_at = monotonic() + 10
    while not is_so():
        assert monotonic() < give_up_at
        sleep(0.01)
