"""What EC2 tells an instance about its end, and what the agent makes of it."""

from collections.abc import Iterator

import boto3
import dagster as dg
import pytest

from parjanya_dagster.asg_executor.instance import METADATA_ENDPOINT
from parjanya_dagster.asg_executor.lease import StepOutcome
from tests.asg_executor import jobs
from tests.asg_executor.conftest import SQLITE
from tests.asg_executor.fleets import Agent, TestFleet, meanwhile, wait_until
from tests.asg_executor.metadata_service import MetadataService, served

pytestmark = pytest.mark.local_aws

SPOT = "spot/instance-action"
SPOT_SAYS = '{"action": "terminate", "time": "2026-01-01T00:02:00Z"}'
TARGET = "autoscaling/target-lifecycle-state"
REBALANCE = "events/recommendations/rebalance"
REBALANCE_SAYS = '{"noticeTime": "2026-01-01T00:00:00Z"}'


@pytest.fixture
def storage() -> str:
    """Why an instance leaves is no matter of where events are kept."""
    return SQLITE


@pytest.fixture
def metadata(fleet: TestFleet) -> Iterator[MetadataService]:
    """The metadata service of the one instance that the group has."""
    scaling = boto3.client("autoscaling")
    scaling.set_desired_capacity(AutoScalingGroupName=fleet.name, DesiredCapacity=1)
    found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[fleet.name])
    [member] = found["AutoScalingGroups"][0]["Instances"]
    with served(MetadataService(instance_id=member["InstanceId"], group=fleet.name)) as service:
        yield service


def start(fleet: TestFleet, metadata: MetadataService, *options: str) -> Agent:
    """Start the agent of that instance: who it is, and when it must go, it learns from the service alone."""
    where = {METADATA_ENDPOINT: metadata.endpoint, "INSTANCE_ID": ""}
    return fleet.start_agent("--notice-every=0.2", "--grace=0.5", *options, **where)


@pytest.mark.parametrize(
    ("notice", "reason"),
    [((SPOT, SPOT_SAYS), "spot terminate at 2026-01-01T00:02:00Z"), ((TARGET, "Terminated"), "scale-in")],
    ids=["spot", "scale-in"],
)
def test_notice_when_a_step_outlasts_the_grace_then_it_is_interrupted_and_another_instance_repeats_it(
    fleet: TestFleet,
    instance: dg.DagsterInstance,
    metadata: MetadataService,
    notice: tuple[str, str],
    reason: str,
) -> None:
    """A Spot interruption or a scale-in costs an attempt, no run: user code cleans up, the agent exits 0."""
    first = start(fleet, metadata)

    def announce() -> None:
        wait_until(lambda: fleet.diary("started-0"), what="the first attempt runs")
        metadata.facts.update([notice])
        assert first.process.wait(20) == 0
        fleet.start_agent(ready=False)

    with meanwhile(announce):
        result = dg.execute_job(dg.reconstructable(jobs.retried_job), instance=instance)

    assert result.success
    lease = fleet.lease_of(result.run_id, "linger_with_retry", 0)
    assert (lease.outcome, lease.detail) == (StepOutcome.INTERRUPTED, reason)
    assert fleet.diary("cleaned-0")
    assert (lease.owner or "").startswith(metadata.facts["instance-id"])
    assert not protected(fleet)


def test_rebalance_when_heeded_then_the_step_ends_in_its_own_time_and_the_agent_leaves(
    fleet: TestFleet, instance: dg.DagsterInstance, metadata: MetadataService
) -> None:
    """A recommendation is no interruption: what runs may run on beyond any grace, but nothing new begins."""
    agent = start(fleet, metadata, "--heed-rebalance")

    def recommend() -> None:
        wait_until(lambda: fleet.diary("started-0"), what="the step runs")
        metadata.facts[REBALANCE] = REBALANCE_SAYS
        wait_until(lambda: '"draining"' in agent.log.read_text(), what="the agent takes note")
        boto3.client("sqs").send_message(QueueUrl=fleet.queue_url, MessageBody="{}")
        fleet.hurry()

    with meanwhile(recommend):
        result = dg.execute_job(dg.reconstructable(jobs.unretried_job), instance=instance)

    assert result.success
    assert agent.process.wait(20) == 0
    assert fleet.queue.depth() == 1
    assert not protected(fleet)


def test_rebalance_when_not_heeded_then_the_agent_stays(
    fleet: TestFleet, instance: dg.DagsterInstance, metadata: MetadataService
) -> None:
    """In a group that replaces nobody, an instance that left on a forecast would be paid for nothing."""
    metadata.facts[REBALANCE] = REBALANCE_SAYS
    agent = start(fleet, metadata)

    assert dg.execute_job(dg.reconstructable(jobs.score_job), instance=instance).success
    assert agent.process.poll() is None


def protected(fleet: TestFleet) -> bool:
    """Whether the group's instance is protected from scale-in."""
    found = boto3.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[fleet.name])
    return found["AutoScalingGroups"][0]["Instances"][0]["ProtectedFromScaleIn"]
