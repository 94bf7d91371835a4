"""Capacity at launch: a queued step is worth nothing until an instance exists to take it.

Launching raises the group's desired capacity to the number of open steps and never lowers it; scaling in
belongs to whoever owns the fleet. The target is a pure function, the effect one describe and at most one
call.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from parjanya_dagster.asg_executor.aws_edge import translated
from parjanya_dagster.asg_executor.errors import ConfigError

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSize:
    """An Auto Scaling group's desired and maximum size, in instances."""

    desired: int
    max_size: int


def desired_for(
    open_steps: int,
    *,
    group: GroupSize,
    max_new_instances: int,
    max_instances: int | None = None,
    steps_per_instance: int = 1,
) -> int:
    """Return the desired capacity for `open_steps`: room for each of them, never less than now.

    Args:
        open_steps: queued and running steps of every run, ≥ 0.
        group: as described just now.
        max_new_instances: the most one launch may add, ≥ 0.
        max_instances: the most the group may be raised to, ≥ 0; None leaves it to the group's maximum.
        steps_per_instance: how many an instance executes at a time, ≥ 1: its agent's children.
    """
    needed = -(-open_steps // steps_per_instance)
    most = group.max_size if max_instances is None else min(max_instances, group.max_size)
    wanted = min(needed, most, group.desired + max_new_instances)
    return max(wanted, group.desired)


class FleetCapacity:
    """One Auto Scaling group whose capacity this executor may raise."""

    def __init__(
        self,
        client: "AutoScalingClient",
        *,
        group_name: str,
        max_new_instances: int,
        max_instances: int | None = None,
        steps_per_instance: int = 1,
    ) -> None:
        self._client = client
        self._group_name = group_name
        self._max_new_instances = max_new_instances
        self._max_instances = max_instances
        self._steps_per_instance = steps_per_instance

    def raise_to(self, open_steps: int) -> int:
        """Raise desired capacity for `open_steps` if it is lower; return what it is now.

        Two executors may raise at once; the lower wish can then win, until the next launch or the fleet's own
        reconciliation raises it again. The call ignores the group's cooldown, since work is waiting.

        Raises:
            ConfigError: there is no such group.
            EdgeError: AWS did not answer.
        """
        size = self._describe()
        target = desired_for(
            open_steps,
            group=size,
            max_new_instances=self._max_new_instances,
            max_instances=self._max_instances,
            steps_per_instance=self._steps_per_instance,
        )
        if target > size.desired:
            with translated("autoscaling:SetDesiredCapacity"):
                self._client.set_desired_capacity(
                    AutoScalingGroupName=self._group_name,
                    DesiredCapacity=target,
                    HonorCooldown=False,
                )
        return target

    def _describe(self) -> GroupSize:
        with translated("autoscaling:DescribeAutoScalingGroups"):
            answer = self._client.describe_auto_scaling_groups(AutoScalingGroupNames=[self._group_name])
        for group in answer["AutoScalingGroups"]:
            return GroupSize(desired=group["DesiredCapacity"], max_size=group["MaxSize"])
        raise ConfigError(f"there is no Auto Scaling group named {self._group_name!r}")
