"""The workers' fleet: one EC2 Auto Scaling group."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from parjanya_dagster.aws.clock import utc_now
from parjanya_dagster.aws.errors import translated
from parjanya_dagster.core.belief.signals import (
    Blind,
    FleetSignal,
    FleetSize,
    Instance,
    Launch,
    LaunchesSignal,
    Reading,
)
from parjanya_dagster.core.errors import EdgeError

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_autoscaling.type_defs import ActivityTypeDef, AutoScalingGroupTypeDef, InstanceTypeDef

_LAUNCHES_READ: Final = 50
_LAUNCHING: Final = re.compile(r"Launching a new EC2 instance( from warm pool)?(?:: (i-[0-9a-f]+))?")
_HOOK_FAILED: Final = "Lifecycle Action"
_NOT_THE_TEMPLATES: Final = re.compile(
    r"InsufficientInstanceCapacity|sufficient capacity|limit|quota|MaxSpotInstanceCount|Unavailable",
    re.IGNORECASE,
)
"""What AWS says when it has no machine to give: another version of the template would change nothing."""


class AutoScalingFleet:
    """See `Fleet`."""

    def __init__(
        self, client: "AutoScalingClient", *, group: str, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._client = client
        self._group = group
        self._clock = clock

    def size(self) -> FleetSignal:
        """See `Fleet`."""
        try:
            return Reading(value=_size_of(self._described()), at=self._clock())
        except EdgeError as error:
            return Blind(signal="fleet.size", reason=str(error), at=self._clock())

    def launches(self) -> LaunchesSignal:
        """See `Fleet`."""
        try:
            with translated(f"reading the scaling activities of {self._group}"):
                answer = self._client.describe_scaling_activities(
                    AutoScalingGroupName=self._group, MaxRecords=_LAUNCHES_READ
                )
        except EdgeError as error:
            return Blind(signal="fleet.launches", reason=str(error), at=self._clock())
        found = (_launch_of(each) for each in answer["Activities"])
        return Reading(value=tuple(each for each in found if each is not None), at=self._clock())

    def set_desired(self, desired: int) -> None:
        """See `Fleet`."""
        with translated(f"setting the desired capacity of {self._group} to {desired}"):
            self._client.set_desired_capacity(
                AutoScalingGroupName=self._group, DesiredCapacity=desired, HonorCooldown=False
            )

    def terminate(self, instance_id: str) -> bool:
        """See `Fleet`.

        An instance that is leaving is left to it: a second call would want one less once more.
        """
        group = self._described()
        member = next(
            (each for each in group.get("Instances", []) if each["InstanceId"] == instance_id), None
        )
        if member is None or "Terminat" in member["LifecycleState"]:
            return False
        with translated(f"terminating instance {instance_id}"):
            self._client.terminate_instance_in_auto_scaling_group(
                InstanceId=instance_id,
                # one that nobody wants any more is not counted: AWS refuses to go below the minimum
                ShouldDecrementDesiredCapacity=group["DesiredCapacity"] > group["MinSize"],
            )
        return True

    def use_template(self, version: str) -> None:
        """See `Fleet`."""
        template = self._described().get("LaunchTemplate", {})
        if "LaunchTemplateId" not in template:
            raise EdgeError(f"group {self._group} has no launch template of its own to change the version of")
        with translated(f"launching from version {version} of {self._group}'s template"):
            self._client.update_auto_scaling_group(
                AutoScalingGroupName=self._group,
                LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": version},
            )

    def _described(self) -> "AutoScalingGroupTypeDef":
        with translated(f"reading Auto Scaling group {self._group}"):
            answer = self._client.describe_auto_scaling_groups(AutoScalingGroupNames=[self._group])
        for group in answer["AutoScalingGroups"]:
            return group
        raise EdgeError(f"there is no Auto Scaling group {self._group}: deploy it, or check the prefix")


def _size_of(group: "AutoScalingGroupTypeDef") -> FleetSize:
    instances = tuple(_instance_of(each) for each in group.get("Instances", []))
    return FleetSize(
        desired=group["DesiredCapacity"],
        in_service=sum(each.is_in_service for each in instances),
        min_size=group["MinSize"],
        max_size=group["MaxSize"],
        instances=instances,
        template_version=group.get("LaunchTemplate", {}).get("Version"),
        warm=group.get("WarmPoolSize", 0),
    )


def _instance_of(described: "InstanceTypeDef") -> Instance:
    return Instance(
        instance_id=described["InstanceId"],
        lifecycle=described["LifecycleState"],
        is_protected=described["ProtectedFromScaleIn"],
        template_version=described.get("LaunchTemplate", {}).get("Version"),
    )


def _launch_of(activity: "ActivityTypeDef") -> Launch | None:
    """Return the launch an activity tells of; None for any other activity, and for filling the warm pool."""
    described = _LAUNCHING.match(activity["Description"])
    if described is None or activity["Description"].startswith("Launching a new EC2 instance into warm pool"):
        return None
    message = activity.get("StatusMessage", "")
    # an instance that a hook abandoned is Cancelled, and so is a launch that nobody wants any more
    has_failed = activity["StatusCode"] == "Failed" or (
        activity["StatusCode"] == "Cancelled" and _HOOK_FAILED in message
    )
    return Launch(
        activity_id=activity["ActivityId"],
        instance_id=described[2],
        is_warm=described[1] is not None,
        started_at=activity["StartTime"].astimezone(UTC),
        error=(message or "no reason given") if has_failed else None,
        blames_template=has_failed and not _NOT_THE_TEMPLATES.search(message),
    )
