"""The workers' fleet: one EC2 Auto Scaling group."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from parjanya_dagster.aws.clock import utc_now
from parjanya_dagster.aws.errors import translated
from parjanya_dagster.core.belief.signals import Blind, FleetSignal, FleetSize, Reading
from parjanya_dagster.core.errors import EdgeError

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

_SIGNAL = "fleet.size"


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
            with translated(f"reading Auto Scaling group {self._group}"):
                answer = self._client.describe_auto_scaling_groups(AutoScalingGroupNames=[self._group])
        except EdgeError as error:
            return Blind(signal=_SIGNAL, reason=str(error), at=self._clock())
        groups = answer["AutoScalingGroups"]
        if not groups:
            reason = f"there is no Auto Scaling group {self._group}: deploy it, or check the prefix"
            return Blind(signal=_SIGNAL, reason=reason, at=self._clock())
        return Reading(value=_size_of(groups[0]), at=self._clock())

    def set_desired(self, desired: int) -> None:
        """See `Fleet`."""
        with translated(f"setting the desired capacity of {self._group} to {desired}"):
            self._client.set_desired_capacity(
                AutoScalingGroupName=self._group, DesiredCapacity=desired, HonorCooldown=False
            )


def _size_of(group: "AutoScalingGroupTypeDef") -> FleetSize:
    instances = group.get("Instances", [])
    return FleetSize(
        desired=group["DesiredCapacity"],
        in_service=sum(each["LifecycleState"] == "InService" for each in instances),
        min_size=group["MinSize"],
        max_size=group["MaxSize"],
    )
