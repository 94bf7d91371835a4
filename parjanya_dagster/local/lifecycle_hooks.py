"""Lifecycle actions: what an instance waits for in a `:Wait` state, and how the waiting ends. Pure.

An action lives in the instance's own record, so that it is saved, restored and deleted with it.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final, TypeAlias

Record: TypeAlias = dict[str, Any]

LONGEST_WAIT_S: Final = 48 * 3600.0
LONGEST_WAIT_HEARTBEATS: Final = 100

_ACTIONS: Final = "ParjanyaActions"


class Transition(StrEnum):
    """What a hook hooks into."""

    LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
    TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"


class Result(StrEnum):
    """How a lifecycle action ends."""

    CONTINUE = "CONTINUE"
    ABANDON = "ABANDON"


def begin_actions(
    instance: Record, hooks: Iterable[Record], *, tokens: Iterable[str], now: float
) -> list[Record]:
    """Open one action per hook and return them; none means that nothing is waited for.

    Args:
        instance: its record.
        hooks: the group's hooks for this transition, as Auto Scaling describes them.
        tokens: a fresh token for each.
        now: seconds since the epoch.
    """
    actions = [
        {
            "hook": hook["LifecycleHookName"],
            "metadata": hook["NotificationMetadata"],
            "token": token,
            "heartbeat_s": float(hook["HeartbeatTimeout"]),
            "default": hook["DefaultResult"],
            "until": now + hook["HeartbeatTimeout"],
            "latest": now + min(LONGEST_WAIT_S, LONGEST_WAIT_HEARTBEATS * hook["HeartbeatTimeout"]),
            "result": None,
        }
        for hook, token in zip(hooks, tokens, strict=False)
    ]
    instance[_ACTIONS] = actions
    return actions


def outcome_of(instance: Record, *, now: float) -> Result | None:
    """Return how the waiting ended, or None while it lasts; one ABANDON ends it for all hooks.

    An action nobody completed in time ends with its hook's default result.
    """
    actions: list[Record] = instance.get(_ACTIONS, [])
    results = [each["result"] or (each["default"] if each["until"] <= now else None) for each in actions]
    if Result.ABANDON in results:
        return Result.ABANDON
    return None if None in results else Result.CONTINUE


def complete_action(instance: Record, *, hook: str, token: str, result: Result) -> bool:
    """End an action; False if there is no such open action.

    Args:
        instance: its record.
        hook: name of the hook.
        token: the action's token; empty means whichever action is open.
        result: how it ends.
    """
    action = _open_action(instance, hook=hook, token=token)
    if action is not None:
        action["result"] = result.value
    return action is not None


def prolong_action(instance: Record, *, hook: str, token: str, now: float) -> bool:
    """Wait another heartbeat timeout from now, within the overall limit; False if no such action is open."""
    action = _open_action(instance, hook=hook, token=token)
    if action is not None:
        action["until"] = min(now + action["heartbeat_s"], action["latest"])
    return action is not None


def end_actions(instance: Record) -> None:
    """Forget the instance's actions: it leaves its `:Wait` state."""
    instance.pop(_ACTIONS, None)


def _open_action(instance: Record, *, hook: str, token: str) -> Record | None:
    for action in instance.get(_ACTIONS, ()):
        if action["hook"] == hook and action["result"] is None and token in {"", action["token"]}:
            found: Record = action
            return found
    return None
