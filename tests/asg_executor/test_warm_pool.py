"""An agent whose instance is warmed: it loads, lets itself be stopped, and polls nothing until it serves."""

import boto3
import dagster as dg
import pytest

from parjanya_dagster.asg_executor.supervisor import AgentExit
from tests.asg_executor import jobs
from tests.asg_executor.fleets import TestFleet, meanwhile, wait_until

pytestmark = pytest.mark.local_aws

HOOK = "boot"
PATIENT = "--between-steps=tests.asg_executor.background_work:PatientWork"


@pytest.fixture
def pooled(fleet: TestFleet) -> TestFleet:
    """A fleet whose group prepares one instance, which waits until its agent has booted."""
    scaling = boto3.client("autoscaling")
    scaling.put_lifecycle_hook(
        AutoScalingGroupName=fleet.name,
        LifecycleHookName=HOOK,
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
        HeartbeatTimeout=600,
        DefaultResult="CONTINUE",
    )
    scaling.put_warm_pool(AutoScalingGroupName=fleet.name, MaxGroupPreparedCapacity=1, PoolState="Running")
    return fleet


def test_agent_when_it_is_only_warmed_then_polls_nothing_and_serves_once_it_is_wanted(
    pooled: TestFleet, instance: dg.DagsterInstance
) -> None:
    """Buildkite issue 838: steps and background work wait for an instance in service; the agent stays."""
    [prepared] = warmed(pooled)
    assert warmed(pooled) == {prepared: "Warmed:Pending:Wait"}
    agent = pooled.start_agent(
        f"--boot-hook={HOOK}", PATIENT, INSTANCE_ID=prepared, AUTO_SCALING_GROUP=pooled.name
    )
    wait_until(lambda: warmed(pooled) == {prepared: "Warmed:Running"}, what="the agent says that it booted")
    (pooled.directory / "diary" / "work").touch()

    def want() -> None:
        wait_until(lambda: pooled.queue.depth() == 1, what="the step waits")
        assert "step_claimed" not in agent.log.read_text()
        assert not pooled.diary("background")
        boto3.client("autoscaling").set_desired_capacity(AutoScalingGroupName=pooled.name, DesiredCapacity=1)

    with meanwhile(want):
        result = dg.execute_job(dg.reconstructable(jobs.score_job), instance=instance)

    assert result.success
    [scored] = pooled.diary("score")
    assert scored.split()[2] == prepared
    wait_until(lambda: pooled.diary("background"), what="background work runs in service")
    assert agent.process.poll() is None


def test_agent_when_it_cannot_load_then_abandons_the_boot_and_ends(pooled: TestFleet) -> None:
    """What failed to load once fails again: the group is told at once, and replaces the instance."""
    [first] = warmed(pooled)

    agent = pooled.start_agent(
        f"--boot-hook={HOOK}",
        preload="no.such.module",
        ready=False,
        INSTANCE_ID=first,
        AUTO_SCALING_GROUP=pooled.name,
    )

    assert agent.process.wait(40) == AgentExit.CHILD_KEEPS_DYING
    assert "boot_abandoned" in agent.log.read_text()
    assert first not in warmed(pooled)


def test_agent_when_scale_in_returns_its_instance_then_it_boots_again(pooled: TestFleet) -> None:
    """An idle instance goes back to the pool: the agent answers for it once more instead of leaving."""
    scaling = boto3.client("autoscaling")
    scaling.put_warm_pool(
        AutoScalingGroupName=pooled.name,
        MaxGroupPreparedCapacity=1,
        PoolState="Running",
        InstanceReusePolicy={"ReuseOnScaleIn": True},
    )
    [prepared] = warmed(pooled)
    agent = pooled.start_agent(
        f"--boot-hook={HOOK}", "--idle-after=0.5", INSTANCE_ID=prepared, AUTO_SCALING_GROUP=pooled.name
    )
    wait_until(lambda: warmed(pooled) == {prepared: "Warmed:Running"}, what="it is warm")
    scaling.set_desired_capacity(AutoScalingGroupName=pooled.name, DesiredCapacity=1)
    wait_until(lambda: is_idle(pooled), what="it served, and gives its protection up")

    scaling.set_desired_capacity(AutoScalingGroupName=pooled.name, DesiredCapacity=0)

    wait_until(lambda: warmed(pooled) == {prepared: "Warmed:Running"}, what="it is warm again")
    assert agent.process.poll() is None


def warmed(fleet: TestFleet) -> dict[str, str]:
    """State by id of the prepared instances."""
    found = boto3.client("autoscaling").describe_warm_pool(AutoScalingGroupName=fleet.name)
    return {each["InstanceId"]: each["LifecycleState"] for each in found["Instances"]}


def is_idle(fleet: TestFleet) -> bool:
    """Whether the group has one instance in service, and nothing protects it."""
    found = boto3.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[fleet.name])
    members = found["AutoScalingGroups"][0]["Instances"]
    return [each["LifecycleState"] for each in members if not each["ProtectedFromScaleIn"]] == ["InService"]
