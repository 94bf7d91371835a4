"""Lifecycle hooks on the local AWS make instances wait, over HTTP with boto3."""

import json
import uuid
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from parjanya_dagster.local.credentials import root_session
from parjanya_dagster.local.stack import LocalAws
from tests.contract.local_fleets import Fleet, wait_for

pytestmark = pytest.mark.local_aws


@pytest.fixture
def root(local_aws: LocalAws) -> boto3.Session:
    """A session with every right."""
    return root_session(local_aws)


@pytest.fixture
def fleet(root: boto3.Session, local_aws: LocalAws) -> Fleet:
    """A fresh group of at most four."""
    return Fleet(root, local_aws)


def test_launch_when_hooked_then_waits_for_the_worker(fleet: Fleet) -> None:
    """An instance serves when it says that it has booted, and its activity tells where it stands."""
    fleet.hook(launching=True)
    fleet.desire(1)
    [only] = fleet.instance_ids()
    assert (fleet.states(), fleet.activities()[0]["StatusCode"]) == (["Pending:Wait"], "MidLifecycleAction")

    fleet.complete(only)

    assert (fleet.states(), fleet.activities()[0]["StatusCode"]) == (["InService"], "Successful")


def test_launch_when_abandoned_then_is_replaced_and_recorded(fleet: Fleet) -> None:
    """A boot that failed says so: the instance ends, the group tries again, the history keeps it."""
    fleet.hook(launching=True)
    fleet.desire(1)
    [first] = fleet.instance_ids()

    fleet.complete(first, result="ABANDON")

    [second] = fleet.instance_ids()
    assert second != first
    failed = [each for each in fleet.activities() if each["StatusCode"] == "Cancelled"]
    assert [first in each["Description"] for each in failed] == [True]


@pytest.mark.parametrize(("default", "serves"), [("CONTINUE", True), ("ABANDON", False)])
def test_launch_when_nobody_answers_then_the_default_decides(
    fleet: Fleet,
    default: str,
    serves: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    """After the heartbeat timeout an instance goes on or is replaced."""
    fleet.hook(launching=True, timeout_s=1, default=default)
    fleet.desire(1)
    [first] = fleet.instance_ids()

    wait_for(lambda: fleet.states() == ["InService"] if serves else fleet.instance_ids() != [first])

    assert (fleet.instance_ids() == [first]) == serves


def test_heartbeat_when_recorded_then_the_wait_goes_on(fleet: Fleet) -> None:
    """A boot that takes longer than the timeout is not given up while it beats."""
    fleet.hook(launching=True, timeout_s=1)
    fleet.desire(1)
    [first] = fleet.instance_ids()
    fleet.hook(launching=True, timeout_s=2)  # for those that come later
    beats = 0

    def beat() -> bool:
        nonlocal beats
        fleet.client.record_lifecycle_action_heartbeat(
            AutoScalingGroupName=fleet.name, LifecycleHookName="boot", InstanceId=first
        )
        beats += 1
        return beats == 30  # every 0.05 s and more: well past the first timeout

    wait_for(beat)

    assert (fleet.instance_ids(), fleet.states()) == ([first], ["Pending:Wait"])


def test_scale_in_when_hooked_then_waits_for_the_drain(fleet: Fleet) -> None:
    """What an instance holds is finished before it ends."""
    fleet.hook(launching=False)
    fleet.desire(1)
    [only] = fleet.instance_ids()

    fleet.scale_in(0)
    assert (fleet.instance_ids(), fleet.states()) == ([only], ["Terminating:Wait"])

    fleet.complete(only, hook="drain")
    assert fleet.instance_ids() == []


def test_terminate_when_hooked_then_replacement_does_not_wait(fleet: Fleet) -> None:
    """An instance that is ending serves nobody: the group launches another at once."""
    fleet.hook(launching=False)
    fleet.desire(1)
    [first] = fleet.instance_ids()

    fleet.client.terminate_instance_in_auto_scaling_group(
        InstanceId=first, ShouldDecrementDesiredCapacity=False
    )

    assert fleet.states() == ["InService", "Terminating:Wait"]


def test_terminate_when_repeated_then_decrements_once(fleet: Fleet) -> None:
    """A reaper that comes again before the drain is over takes nobody else's place away."""
    fleet.hook(launching=False)
    fleet.desire(2)
    [first, _] = fleet.instance_ids()

    for _ in range(2):
        fleet.client.terminate_instance_in_auto_scaling_group(
            InstanceId=first, ShouldDecrementDesiredCapacity=True
        )

    assert fleet.group()["DesiredCapacity"] == 1
    assert fleet.states() == ["InService", "Terminating:Wait"]


def test_return_to_the_pool_when_hooked_then_drains_and_boots_again(fleet: Fleet) -> None:
    """Reuse passes both hooks: the drain of the service, and the boot of the next one."""
    fleet.client.put_warm_pool(
        AutoScalingGroupName=fleet.name,
        MaxGroupPreparedCapacity=1,
        InstanceReusePolicy={"ReuseOnScaleIn": True},
    )
    fleet.desire(1)
    [only] = fleet.instance_ids()
    fleet.hook(launching=True)
    fleet.hook(launching=False)

    fleet.scale_in(0)
    assert fleet.states() == ["Terminating:Wait"]
    fleet.complete(only, hook="drain")
    assert (fleet.instance_ids(), fleet.warmed()) == ([], {only: "Warmed:Pending:Wait"})
    fleet.complete(only)

    assert fleet.warmed() == {only: "Warmed:Stopped"}


def test_action_when_nobody_waits_then_is_refused(fleet: Fleet) -> None:
    """An answer that comes too late is an error, as on AWS."""
    fleet.hook(launching=True)
    fleet.desire(1)
    [only] = fleet.instance_ids()
    fleet.complete(only)

    with pytest.raises(ClientError, match="No active Lifecycle Action found") as caught:
        fleet.complete(only)

    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_lifecycle_when_it_moves_then_the_bus_tells(
    fleet: Fleet, root: boto3.Session, local_aws: LocalAws
) -> None:
    """EventBridge carries the action with its token, and what became of it; the token completes it."""
    events = _Events(root, local_aws, fleet)
    fleet.hook(launching=True)
    fleet.desire(1)
    [only] = fleet.instance_ids()
    [asked] = events.read(1)
    assert asked["detail-type"] == "EC2 Instance-launch Lifecycle Action"
    assert asked["detail"]["EC2InstanceId"] == only

    fleet.client.complete_lifecycle_action(
        AutoScalingGroupName=fleet.name,
        LifecycleHookName="boot",
        LifecycleActionToken=asked["detail"]["LifecycleActionToken"],
        LifecycleActionResult="CONTINUE",
    )
    fleet.scale_in(0)
    fleet.ec2.deregister_image(ImageId=fleet.image)
    fleet.desire(1)

    assert [each["detail-type"] for each in events.read(3)] == [
        "EC2 Instance Launch Successful",
        "EC2 Instance Terminate Successful",
        "EC2 Instance Launch Unsuccessful",
    ]


class _Events:
    """A queue behind a rule for one group's events."""

    def __init__(self, root: boto3.Session, aws: LocalAws, fleet: Fleet) -> None:
        self._sqs = root.client("sqs", endpoint_url=aws.endpoint)
        name = f"events-{uuid.uuid4().hex[:8]}"
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        events = root.client("events", endpoint_url=aws.endpoint)
        pattern = {"source": ["aws.autoscaling"], "detail": {"AutoScalingGroupName": [fleet.name]}}
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        arn = f"arn:aws:sqs:{aws.region}:{aws.account}:{name}"
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
        everybody = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [everybody]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})

    def read(self, count: int) -> list[Any]:
        """Return the next `count` events in their order."""
        found: list[Any] = []

        def receive() -> bool:
            answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
            return len(found) >= count

        wait_for(receive)
        return found
