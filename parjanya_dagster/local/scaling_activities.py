"""The scaling activities of a group: its history newest first, as AWS tells it. Pure."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

Record: TypeAlias = dict[str, Any]

ACTIVITIES_KEPT: Final = 100

_KEY: Final = "ParjanyaActivities"


class Activity(StrEnum):
    """Status codes used here, as AWS names them."""

    PRE_IN_SERVICE = "PreInService"
    IN_PROGRESS = "InProgress"
    WAITING_FOR_HOOK = "MidLifecycleAction"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


_ENDED: Final = frozenset({Activity.SUCCESSFUL, Activity.FAILED, Activity.CANCELLED})


def begin_activity(
    group: Record, *, activity_id: str, description: str, cause: str, now: float, status: Activity
) -> Record:
    """Add an activity to the group's own record, where it is saved and deleted with it; return it."""
    at = _iso(now)
    activity: Record = {
        "ActivityId": activity_id,
        "AutoScalingGroupName": group["AutoScalingGroupName"],
        "Description": description,
        "Cause": f"At {at} {cause}",
        "StartTime": at,
        "StatusCode": status.value,
        "Progress": "0",
    }
    group[_KEY] = [activity, *group.get(_KEY, [])][:ACTIVITIES_KEPT]
    return activity


def move_activity(
    group: Record, activity_id: str, status: Activity, *, now: float, message: str = ""
) -> Record | None:
    """Give an activity its new status and return it; None if it is too old to be kept.

    Args:
        group: the group's record.
        activity_id: the activity.
        status: its new status.
        now: seconds since the epoch.
        message: why it ended so, for the person who reads it.
    """
    for activity in group.get(_KEY, ()):
        if activity["ActivityId"] == activity_id:
            activity["StatusCode"] = status.value
            if message:
                activity["Description"] += f".  Status Reason: {message}"
                activity["StatusMessage"] = message
            if status in _ENDED:
                activity["EndTime"] = _iso(now)
                activity["Progress"] = "100"
            found: Record = activity
            return found
    return None


def activities_of(group: Record) -> list[Record]:
    """Return the group's activities, newest first."""
    return list(group.get(_KEY, ()))


def _iso(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
