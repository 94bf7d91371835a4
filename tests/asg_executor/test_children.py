"""An instance with several GPUs: one supervisor, a warm child for each, a step at a time in every one."""

import os
import signal

import dagster as dg
import pytest

from parjanya_dagster.asg_executor.lease import StepOutcome
from tests.asg_executor import jobs
from tests.asg_executor.conftest import SQLITE
from tests.asg_executor.fleets import TestFleet, meanwhile, wait_until

pytestmark = pytest.mark.local_aws

PATIENT = "--between-steps=tests.asg_executor.background_work:PatientWork"


@pytest.fixture
def storage() -> str:
    """How many children share an instance is no matter of where events are kept."""
    return SQLITE


def test_two_steps_when_an_instance_has_two_children_then_they_run_at_once_on_a_device_each(
    pair_fleet: TestFleet, instance: dg.DagsterInstance
) -> None:
    """Each step waits for the other: they can only end if one instance executes both at the same time."""
    with dg.execute_job(dg.reconstructable(jobs.meeting_job), instance=instance) as result:
        devices = {result.output_for_node(f"meet_{own}") for own in (0, 1)}

    assert devices == {"0", "1"}
    lines = [pair_fleet.diary(f"met-{own}-{result.run_id}")[0].split() for own in (0, 1)]
    assert len({process for _, process, _, _ in lines}) == 2
    assert {instance_id for _, _, instance_id, _ in lines} == {pair_fleet.agents[0].instance_id}


def test_background_work_when_there_are_two_children_then_both_do_it_and_both_yield(
    fleet: TestFleet, instance: dg.DagsterInstance
) -> None:
    """Between steps every GPU works; two steps interrupt both, and both go on afterwards."""
    work = fleet.directory / "diary" / "work"
    work.touch()
    fleet.start_agent("--children=2", PATIENT)
    wait_until(lambda: devices_in(fleet, "background") == {"0", "1"}, what="both children work")

    result = dg.execute_job(dg.reconstructable(jobs.meeting_job), instance=instance)

    assert result.success
    assert devices_in(fleet, "yielded") == {"0", "1"}
    wait_until(lambda: len(fleet.diary("background")) >= 4, what="both go on")
    work.unlink()


def test_child_when_it_is_killed_then_its_neighbour_finishes_its_step(
    fleet: TestFleet, instance: dg.DagsterInstance
) -> None:
    """A crash costs one child one attempt: the other step of that instance does not notice."""
    agent = fleet.start_agent("--children=2")
    wait_until(lambda: agent.log.read_text().count("child_ready") == 2, what="both children are ready")

    def crash_one() -> None:
        wait_until(lambda: len(fleet.diary("started-0")) == 2, what="both steps run")
        os.kill(int(fleet.diary("started-0")[0].split()[1]), signal.SIGKILL)
        wait_until(lambda: fleet.diary("started-1"), what="the step is tried again")
        fleet.hurry()

    with meanwhile(crash_one):
        result = dg.execute_job(dg.reconstructable(jobs.neighbours_job), instance=instance)

    assert result.success
    outcomes = [fleet.lease_of(result.run_id, f"linger_{own}").outcome for own in (0, 1)]
    assert sorted(filter(None, outcomes)) == [StepOutcome.FINISHED, StepOutcome.WORKER_DIED]
    assert agent.process.poll() is None


def devices_in(fleet: TestFleet, subject: str) -> set[str]:
    """Return the devices of the processes that noted `subject`."""
    return {line.split()[3] for line in fleet.diary(subject)}
