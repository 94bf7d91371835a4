"""How an Auto Scaling group moves its instances: launched, warmed, waiting, in service, ending. Pure.

It changes the group's record, which the local AWS process keeps, saves and describes; it knows no other
part of that process, so that every transition is tested with a clock of the test's own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from parjanya_dagster.local.lifecycle_hooks import (
    Result,
    Transition,
    begin_actions,
    end_actions,
    outcome_of,
)
from parjanya_dagster.local.scaling_activities import Activity, begin_activity, move_activity
from parjanya_dagster.local.warm_pool import Pool

Record: TypeAlias = dict[str, Any]

IN_SERVICE: Final = "InService"
WAIT: Final = ":Wait"

_TRANSITIONS: Final = {
    "Pending": Transition.LAUNCHING,
    "Warmed:Pending": Transition.LAUNCHING,
    "Terminating": Transition.TERMINATING,
    "Warmed:Terminating": Transition.TERMINATING,
}
_ENDING: Final = ("Terminating", "Warmed:Terminating")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchTimes:
    """How long instances take here; seconds.

    Args:
        cold_s: Pending, for a machine that is launched.
        warm_s: Pending, for one that a warm pool had stopped.
        retry_s: between a launch that failed and the next try.
    """

    cold_s: float = 0.0
    warm_s: float = 0.0
    retry_s: float = 10.0


class Surroundings(Protocol):
    """What a group asks of the services around it."""

    def hooks(self, transition: Transition) -> list[Record]:
        """Return the group's lifecycle hooks for a transition."""

    def launch(self) -> Record:
        """Return the record of a new machine; raises `LaunchFailedError`."""

    def new_id(self) -> str:
        """Return a fresh unique id."""

    def notify(self, detail_type: str, detail: Record) -> None:
        """Publish an event of Auto Scaling's."""


class LaunchFailedError(Exception):
    """EC2 refused the launch; the message is the activity's."""


class ScalingGroup:
    """One group at one moment."""

    def __init__(self, record: Record, surroundings: Surroundings, *, times: LaunchTimes, now: float) -> None:
        """Work on `record` at `now`, seconds since the epoch."""
        self._record = record
        self._around = surroundings
        self._times = times
        self._now = now
        self._pool = Pool(record)

    def settle(self, *, try_again: bool = False) -> bool:
        """Let everything happen that is due, and return whether anything did.

        Args:
            try_again: launch now, even if the last launch failed a moment ago.
        """
        if try_again:
            self._record.pop("ParjanyaRetryAt", None)
        moved = False
        while self._move_instances() or self._match_capacity() or self._match_pool():
            moved = True
        return moved

    def terminate(self, instance: Record, *, why: str) -> Record:
        """Begin to end an instance, whatever protects it, and return the activity."""
        return self._begin_end(instance, why=why, may_return=False)

    # --- single instances ---------------------------------------------------------------------------

    def _move_instances(self) -> bool:
        return any(self._move(each) for each in [*self._record["Instances"], *self._pool.instances])

    def _move(self, instance: Record) -> bool:
        """Take one step; False when nothing is due."""
        state: str = instance["LifecycleState"]
        phase = state.removesuffix(WAIT)
        if phase not in _TRANSITIONS:
            return False
        if state == phase:
            if instance["ParjanyaUntil"] > self._now:
                return False
            if self._wait_for_hooks(instance, phase):
                return True
        else:
            outcome = outcome_of(instance, now=self._now)
            if outcome is None:
                return False
            end_actions(instance)
            if outcome is Result.ABANDON and phase not in _ENDING:
                self._abandon(instance)
                return True
        self._finish(instance, phase)
        return True

    def _wait_for_hooks(self, instance: Record, phase: str) -> bool:
        transition = _TRANSITIONS[phase]
        hooks = self._around.hooks(transition)
        tokens = [self._around.new_id() for _ in hooks]
        actions = begin_actions(instance, hooks, tokens=tokens, now=self._now)
        if not actions:
            return False
        instance["LifecycleState"] = phase + WAIT
        self._note(instance, Activity.WAITING_FOR_HOOK)
        kind = "launch" if transition is Transition.LAUNCHING else "terminate"
        for action in actions:
            detail = {
                "LifecycleActionToken": action["token"],
                "LifecycleHookName": action["hook"],
                "LifecycleTransition": transition.value,
                "NotificationMetadata": action["metadata"],
            }
            self._around.notify(f"EC2 Instance-{kind} Lifecycle Action", {**self._route(instance), **detail})
        return True

    def _finish(self, instance: Record, phase: str) -> None:
        if phase == "Pending":
            instance["LifecycleState"] = IN_SERVICE
        elif phase == "Warmed:Pending":
            instance["LifecycleState"] = f"Warmed:{self._pool.state}"
        elif instance.pop("ParjanyaReturns", False):
            self._end_activity(instance, "Terminate")
            self._record["Instances"].remove(instance)
            self._enter_pool(instance, "Returning an EC2 instance to warm pool", boot_s=0.0)
            return
        else:
            instance["LifecycleState"] = "Terminated"
            self._members_with(instance).remove(instance)
        self._end_activity(instance, "Terminate" if phase in _ENDING else "Launch")

    def _abandon(self, instance: Record) -> None:
        message = "Instance failed to complete user's Lifecycle Action: it was abandoned or timed out"
        self._note(instance, Activity.CANCELLED, message)
        self._around.notify("EC2 Instance Launch Unsuccessful", self._route(instance))
        self._begin_end(instance, why="a lifecycle action was abandoned.", may_return=False)

    def _begin_end(self, instance: Record, *, why: str, may_return: bool) -> Record:
        warmed = instance["LifecycleState"].startswith("Warmed:")
        end_actions(instance)
        instance["LifecycleState"] = "Warmed:Terminating" if warmed else "Terminating"
        instance["ParjanyaUntil"] = self._now
        instance["ParjanyaReturns"] = may_return
        place = " from warm pool" if warmed else ""
        return self._begin_activity(
            instance,
            f"Terminating EC2 instance{place}: {instance['InstanceId']}",
            cause=why,
            status=Activity.IN_PROGRESS,
        )

    # --- the group ----------------------------------------------------------------------------------

    def _match_capacity(self) -> bool:
        desired: int = self._record["DesiredCapacity"]
        serving = [each for each in self._record["Instances"] if not is_ending(each)]
        if len(serving) > desired:
            return self._shrink(serving, surplus=len(serving) - desired)
        if len(serving) < desired:
            cause = f"an instance was started: {len(serving)} of the desired {desired} were there."
            warm = self._pool.next_out()
            return self._leave_pool(warm, cause) if warm else self._launch("", cause, self._join_group)
        return False

    def _shrink(self, serving: list[Record], *, surplus: int) -> bool:
        """Begin to end the youngest instances that nothing protects; protection starts in service."""
        open_to_it = [
            each
            for each in reversed(serving)
            if not (each["ProtectedFromScaleIn"] and each["LifecycleState"] == IN_SERVICE)
        ]
        for instance in open_to_it[:surplus]:
            returns = (
                self._pool.takes_back and self._pool.has_room and instance["LifecycleState"] == IN_SERVICE
            )
            self._begin_end(instance, why="the desired capacity is lower.", may_return=returns)
        return bool(open_to_it)

    def _leave_pool(self, instance: Record, cause: str) -> bool:
        is_running = instance["LifecycleState"] == "Warmed:Running"
        self._pool.instances.remove(instance)
        self._join_group(instance, boot_s=0.0 if is_running else self._times.warm_s)
        description = f"Launching a new EC2 instance from warm pool: {instance['InstanceId']}"
        self._begin_activity(instance, description, cause=cause, status=Activity.PRE_IN_SERVICE)
        return True

    def _join_group(self, instance: Record, *, boot_s: float) -> None:
        instance["LifecycleState"] = "Pending"
        instance["ParjanyaUntil"] = self._now + boot_s
        instance["ProtectedFromScaleIn"] = self._record["NewInstancesProtectedFromScaleIn"]
        self._record["Instances"].append(instance)

    def _match_pool(self) -> bool:
        wanted = self._pool.wanted
        if self._pool.size > wanted:
            for instance in self._pool.surplus():
                self._begin_end(instance, why="the warm pool is larger than wanted.", may_return=False)
                return True
            return False
        if self._pool.size < wanted:
            cause = f"the warm pool held {self._pool.size} of {wanted} instances."
            return self._launch(" into warm pool", cause, self._join_pool)
        return self._pool.forget_if_deleted()

    def _join_pool(self, instance: Record, *, boot_s: float) -> None:
        instance["LifecycleState"] = "Warmed:Pending"
        instance["ParjanyaUntil"] = self._now + boot_s
        instance["ProtectedFromScaleIn"] = False
        self._pool.instances.append(instance)

    def _enter_pool(self, instance: Record, description: str, *, boot_s: float) -> None:
        self._join_pool(instance, boot_s=boot_s)
        text = f"{description}: {instance['InstanceId']}"
        self._begin_activity(instance, text, cause="reuse on scale-in.", status=Activity.PRE_IN_SERVICE)

    def _launch(self, where: str, cause: str, join: Callable[..., None]) -> bool:
        if self._record.get("ParjanyaRetryAt", 0.0) > self._now:
            return False
        description = f"Launching a new EC2 instance{where}"
        try:
            instance = self._around.launch()
        except LaunchFailedError as error:
            self._record["ParjanyaRetryAt"] = self._now + self._times.retry_s
            failed: Record = {}
            self._begin_activity(failed, description, cause=cause, status=Activity.PRE_IN_SERVICE)
            self._note(failed, Activity.FAILED, f"{error} Launching EC2 instance failed.")
            detail = {
                "AutoScalingGroupName": self._record["AutoScalingGroupName"],
                "StatusMessage": str(error),
            }
            self._around.notify("EC2 Instance Launch Unsuccessful", detail)
            return False
        self._record.pop("ParjanyaRetryAt", None)
        join(instance, boot_s=self._times.cold_s)
        text = f"{description}: {instance['InstanceId']}"
        self._begin_activity(instance, text, cause=cause, status=Activity.PRE_IN_SERVICE)
        return True

    # --- what is told about it ----------------------------------------------------------------------

    def _begin_activity(self, instance: Record, description: str, *, cause: str, status: Activity) -> Record:
        activity = begin_activity(
            self._record,
            activity_id=self._around.new_id(),
            description=description,
            cause=cause,
            now=self._now,
            status=status,
        )
        instance["ParjanyaActivity"] = activity["ActivityId"]
        return activity

    def _note(self, instance: Record, status: Activity, message: str = "") -> None:
        move_activity(self._record, instance["ParjanyaActivity"], status, now=self._now, message=message)

    def _end_activity(self, instance: Record, what: str) -> None:
        self._note(instance, Activity.SUCCESSFUL)
        self._around.notify(f"EC2 Instance {what} Successful", self._route(instance))

    def _route(self, instance: Record) -> Record:
        return {
            "AutoScalingGroupName": self._record["AutoScalingGroupName"],
            "EC2InstanceId": instance["InstanceId"],
            "LifecycleState": instance["LifecycleState"],
        }

    def _members_with(self, instance: Record) -> list[Record]:
        members: list[Record] = self._record["Instances"]
        return members if instance in members else self._pool.instances


def is_ending(instance: Record) -> bool:
    """Whether the instance is on its way out, or back to the pool."""
    state: str = instance["LifecycleState"]
    return state.startswith(_ENDING)
