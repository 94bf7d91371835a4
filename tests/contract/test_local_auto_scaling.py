"""Auto Scaling on the local AWS: protection, replacement, history, failed launches, over HTTP with boto3."""

import json
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from parjanya_dagster.local.credentials import root_session
from parjanya_dagster.local.stack import LocalAws
from tests.contract.local_fleets import Fleet

pytestmark = pytest.mark.local_aws


@pytest.fixture
def fleet(local_aws: LocalAws) -> Fleet:
    """A fresh group of at most four."""
    return Fleet(root_session(local_aws), local_aws)


def test_instance_when_launched_then_is_protected(fleet: Fleet) -> None:
    """Instances are born protected: nothing scales them in before they had a chance to work."""
    fleet.desire(2)

    assert [each["ProtectedFromScaleIn"] for each in fleet.group()["Instances"]] == [True, True]


def test_scale_in_when_instance_protected_then_waits_for_it(fleet: Fleet) -> None:
    """A busy instance outlives the decision to shrink, and ends when it gives its protection up."""
    fleet.desire(2)
    first, second = fleet.instance_ids()
    fleet.protect(second, on=False)

    fleet.desire(0)
    assert fleet.instance_ids() == [first]

    fleet.protect(first, on=False)
    assert fleet.instance_ids() == []


def test_scale_out_when_some_exist_then_keeps_their_ids(fleet: Fleet) -> None:
    """An instance id names one machine for its whole life."""
    fleet.desire(1)
    first = fleet.instance_ids()

    fleet.desire(3)

    assert fleet.instance_ids()[:1] == first
    assert len(set(fleet.instance_ids())) == 3


def test_terminate_when_not_decrementing_then_is_replaced(fleet: Fleet) -> None:
    """A dead instance is replaced by a new one, protection or not."""
    fleet.desire(1)
    [dead] = fleet.instance_ids()

    answer = fleet.client.terminate_instance_in_auto_scaling_group(
        InstanceId=dead, ShouldDecrementDesiredCapacity=False
    )

    assert dead in answer["Activity"]["Description"]
    assert len(fleet.instance_ids()) == 1
    assert fleet.instance_ids() != [dead]


def test_terminate_when_decrementing_then_group_shrinks(fleet: Fleet) -> None:
    """An instance that is no longer needed goes without a replacement."""
    fleet.desire(2)
    gone, kept = fleet.instance_ids()

    fleet.client.terminate_instance_in_auto_scaling_group(
        InstanceId=gone, ShouldDecrementDesiredCapacity=True
    )

    assert fleet.instance_ids() == [kept]
    assert fleet.group()["DesiredCapacity"] == 1


def test_activities_when_fleet_moved_then_tell_newest_first(fleet: Fleet) -> None:
    """The history of the fleet can be read back."""
    fleet.desire(1)
    [only] = fleet.instance_ids()
    fleet.protect(only, on=False)
    fleet.desire(0)

    activities = fleet.client.describe_scaling_activities(AutoScalingGroupName=fleet.name)["Activities"]

    assert [each["Description"].split()[0] for each in activities] == ["Terminating", "Launching"]
    assert all(each["StatusCode"] == "Successful" and only in each["Description"] for each in activities)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda fleet: fleet.desire(5), "above max value 4"),
        (lambda fleet: fleet.protect("i-0123456789abcdef0", on=True), "is not part of Auto Scaling group"),
        (
            lambda fleet: fleet.client.terminate_instance_in_auto_scaling_group(
                InstanceId="i-0123456789abcdef0", ShouldDecrementDesiredCapacity=False
            ),
            "Instance Id not found",
        ),
    ],
)
def test_fleet_call_when_impossible_then_is_refused(
    fleet: Fleet, call: Callable[[Fleet], object], message: str
) -> None:
    """What AWS refuses with a ValidationError is refused here too."""
    with pytest.raises(ClientError, match=message) as caught:
        call(fleet)

    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_launch_when_image_is_deregistered_then_fails_and_says_so(fleet: Fleet) -> None:
    """Incident 6a: nothing is launched, desired stays, and the history names the image."""
    fleet.ec2.deregister_image(ImageId=fleet.image)

    fleet.desire(1)

    assert (fleet.instance_ids(), fleet.group()["DesiredCapacity"]) == ([], 1)
    [failed] = fleet.activities()
    assert failed["StatusCode"] == "Failed"
    assert (
        failed["StatusMessage"] == f"The AMI ID {fleet.image} does not exist. Launching EC2 instance failed."
    )


def test_launch_when_template_gets_a_good_version_then_succeeds(fleet: Fleet) -> None:
    """Incident 6a, repaired: the group launches from the version it is given, and instances carry it."""
    fleet.ec2.deregister_image(ImageId=fleet.image)
    fleet.desire(1)
    image = fleet.ec2.register_image(Name=f"{fleet.name}-again")["ImageId"]
    version = fleet.ec2.create_launch_template_version(
        LaunchTemplateName=fleet.name, LaunchTemplateData={"ImageId": image}
    )["LaunchTemplateVersion"]["VersionNumber"]

    fleet.client.update_auto_scaling_group(
        AutoScalingGroupName=fleet.name,
        LaunchTemplate={"LaunchTemplateName": fleet.name, "Version": str(version)},
    )

    [instance] = fleet.group()["Instances"]
    assert instance["LifecycleState"] == "InService"
    assert instance["LaunchTemplate"]["Version"] == str(version)
    assert [each["StatusCode"] for each in fleet.activities()] == ["Successful", "Failed"]


def test_group_when_its_maximum_falls_then_desired_follows(fleet: Fleet) -> None:
    """New bounds move what is desired, as on AWS."""
    fleet.desire(3)

    fleet.client.update_auto_scaling_group(AutoScalingGroupName=fleet.name, MaxSize=2)

    assert fleet.group()["DesiredCapacity"] == 2


def test_stack_when_it_changes_a_group_then_desired_stays(local_aws: LocalAws) -> None:
    """A deploy does not undo what reconciliation decided."""
    session = root_session(local_aws)
    fleet = Fleet(session, local_aws)
    cloudformation = session.client("cloudformation", endpoint_url=local_aws.endpoint)
    stack = f"stack-{fleet.name}"
    cloudformation.create_stack(StackName=stack, TemplateBody=_template(fleet, max_size=3))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    groups = session.client("autoscaling", endpoint_url=local_aws.endpoint)
    groups.set_desired_capacity(AutoScalingGroupName=stack, DesiredCapacity=2)

    cloudformation.update_stack(StackName=stack, TemplateBody=_template(fleet, max_size=5))
    cloudformation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})

    [group] = groups.describe_auto_scaling_groups(AutoScalingGroupNames=[stack])["AutoScalingGroups"]
    assert (group["MaxSize"], group["DesiredCapacity"]) == (5, 2)


def _template(fleet: Fleet, *, max_size: int) -> str:
    group = {
        "AutoScalingGroupName": f"stack-{fleet.name}",
        "MinSize": "0",
        "MaxSize": str(max_size),
        "AvailabilityZones": ["us-east-1a"],
        "LaunchTemplate": {"LaunchTemplateName": fleet.name, "Version": "1"},
    }
    resource = {"Type": "AWS::AutoScaling::AutoScalingGroup", "Properties": group}
    return json.dumps({"Resources": {"Group": resource}})
