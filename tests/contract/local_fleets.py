"""Auto Scaling groups of the tests' own on the local AWS, driven over HTTP with boto3."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import boto3

from parjanya_dagster.local.stack import LocalAws


class Fleet:
    """One Auto Scaling group of its own, with a launch template and an image that exist."""

    def __init__(self, session: boto3.Session, aws: LocalAws, *, max_size: int = 4) -> None:
        self.client = session.client("autoscaling", endpoint_url=aws.endpoint)
        self.ec2 = session.client("ec2", endpoint_url=aws.endpoint)
        self.name = f"group-{uuid.uuid4().hex[:8]}"
        self.image = self.ec2.register_image(Name=self.name)["ImageId"]
        self.ec2.create_launch_template(
            LaunchTemplateName=self.name, LaunchTemplateData={"ImageId": self.image}
        )
        self.client.create_auto_scaling_group(
            AutoScalingGroupName=self.name,
            MinSize=0,
            MaxSize=max_size,
            NewInstancesProtectedFromScaleIn=True,
            AvailabilityZones=["us-east-1a"],
            LaunchTemplate={"LaunchTemplateName": self.name, "Version": "$Latest"},
        )

    def desire(self, count: int) -> None:
        """Set the desired capacity."""
        self.client.set_desired_capacity(AutoScalingGroupName=self.name, DesiredCapacity=count)

    def protect(self, *instance_ids: str, on: bool) -> None:
        """Set or give up protection."""
        self.client.set_instance_protection(
            AutoScalingGroupName=self.name, InstanceIds=list(instance_ids), ProtectedFromScaleIn=on
        )

    def scale_in(self, count: int) -> None:
        """Lower the desired capacity with nothing in its way."""
        self.protect(*self.instance_ids(), on=False)
        self.desire(count)

    def group(self) -> Any:  # noqa: ANN401 - boto3's answer
        """The group as described."""
        found = self.client.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])
        return found["AutoScalingGroups"][0]

    def instance_ids(self) -> list[str]:
        """The ids of the group's instances."""
        return [instance["InstanceId"] for instance in self.group()["Instances"]]

    def states(self) -> list[str]:
        """The lifecycle states of the group's instances, sorted."""
        return sorted(instance["LifecycleState"] for instance in self.group()["Instances"])

    def pool(self) -> Any:  # noqa: ANN401 - boto3's answer
        """The warm pool as described."""
        return self.client.describe_warm_pool(AutoScalingGroupName=self.name)

    def warmed(self) -> dict[str, str]:
        """State by id of the instances in the warm pool."""
        return {each["InstanceId"]: each["LifecycleState"] for each in self.pool()["Instances"]}

    def activities(self) -> Any:  # noqa: ANN401 - boto3's answer
        """The group's history, newest first."""
        return self.client.describe_scaling_activities(AutoScalingGroupName=self.name)["Activities"]

    def hook(self, *, launching: bool, timeout_s: int = 600, default: str = "ABANDON") -> None:
        """Add the lifecycle hook `boot` or `drain`."""
        self.client.put_lifecycle_hook(
            AutoScalingGroupName=self.name,
            LifecycleHookName="boot" if launching else "drain",
            LifecycleTransition=f"autoscaling:EC2_INSTANCE_{'LAUNCHING' if launching else 'TERMINATING'}",
            HeartbeatTimeout=timeout_s,
            DefaultResult=default,
        )

    def complete(self, instance_id: str, *, hook: str = "boot", result: str = "CONTINUE") -> None:
        """Complete an instance's lifecycle action."""
        self.client.complete_lifecycle_action(
            AutoScalingGroupName=self.name,
            LifecycleHookName=hook,
            InstanceId=instance_id,
            LifecycleActionResult=result,
        )


def wait_for(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Return when the condition is true; fails at the deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)
