"""What an instance does around its steps: background work, protection, capacity, departure."""

from typing import TYPE_CHECKING

import boto3
import dagster as dg
import pytest

from tests.asg_executor import jobs
from tests.asg_executor.fleets import TestFleet, meanwhile, wait_until

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import InstanceTypeDef

pytestmark = pytest.mark.local_aws

PATIENT = "--between-steps=tests.asg_executor.background_work:PatientWork"
BROKEN = "--between-steps=tests.asg_executor.background_work:BrokenWork"


def test_background_work_when_a_step_comes_then_it_yields_and_goes_on_afterwards(
    fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """Steps come first: the work between them stops when asked, shares their process, and resumes."""
    work = fleet.directory / "diary" / "work"
    work.touch()
    fleet.start_agent(PATIENT)
    wait_until(lambda: fleet.diary("background"), what="background work runs")
    assert not fleet.diary("yielded")

    result = dg.execute_job(dg.reconstructable(jobs.score_job), instance=instance)

    assert result.success
    wait_until(lambda: len(fleet.diary("background")) > 1, what="background work goes on")
    [scored] = fleet.diary("score")
    assert scored.split()[1] == fleet.diary("background")[0].split()[1]
    work.unlink()


def test_background_work_when_it_raises_then_steps_are_still_executed(
    fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """A fault of the work between steps costs that work, and no step."""
    fleet.start_agent(BROKEN)

    result = dg.execute_job(dg.reconstructable(jobs.score_job), instance=instance)

    assert result.success
    assert "broken background work" in fleet.agents[0].log.read_text()


def test_capacity_when_a_step_is_launched_then_the_group_wakes_and_an_idle_instance_gives_up_protection(
    fleet: TestFleet,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From zero and back: a launch makes an instance, work keeps it protected, idleness lets it go."""
    monkeypatch.setenv("ASG_EXECUTOR_AUTO_SCALING_GROUP", fleet.name)

    def boot() -> None:
        wait_until(lambda: _members(fleet), what="the group wakes")
        [member] = _members(fleet)
        assert member["ProtectedFromScaleIn"]
        fleet.start_agent(
            PATIENT,
            "--idle-after=1",
            INSTANCE_ID=member["InstanceId"],
            AUTO_SCALING_GROUP=fleet.name,
        )

    with meanwhile(boot):
        result = dg.execute_job(dg.reconstructable(jobs.score_job), instance=instance)

    assert result.success
    wait_until(lambda: not _members(fleet)[0]["ProtectedFromScaleIn"], what="idle and unprotected")

    (fleet.directory / "diary" / "work").touch()
    wait_until(lambda: _members(fleet)[0]["ProtectedFromScaleIn"], what="background work protects it")
    (fleet.directory / "diary" / "work").unlink()
    wait_until(lambda: not _members(fleet)[0]["ProtectedFromScaleIn"], what="idle again")


def test_agent_when_its_group_terminates_it_while_it_watches_then_it_leaves(fleet: TestFleet) -> None:
    """An instance that scale-in has chosen cannot be protected any more: it drains and exits 0."""
    scaling = boto3.client("autoscaling")
    scaling.set_desired_capacity(AutoScalingGroupName=fleet.name, DesiredCapacity=1)
    [member] = _members(fleet)
    agent = fleet.start_agent(
        PATIENT,
        "--idle-after=0.5",
        INSTANCE_ID=member["InstanceId"],
        AUTO_SCALING_GROUP=fleet.name,
    )
    wait_until(lambda: not _members(fleet)[0]["ProtectedFromScaleIn"], what="idle and unprotected")

    scaling.set_desired_capacity(AutoScalingGroupName=fleet.name, DesiredCapacity=0)

    assert agent.process.wait(20) == 0


def _members(fleet: TestFleet) -> "list[InstanceTypeDef]":
    answer = boto3.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[fleet.name])
    return answer["AutoScalingGroups"][0]["Instances"]
