"""Whether an instance boots, serves, only watches, or leaves: a pure decision.

An instance is born protected from scale-in and gives that up only after it has stopped receiving and is idle,
so the group can never choose one that holds work. Watching costs two small calls every few seconds.
"""

from dataclasses import dataclass
from enum import StrEnum


class Posture(StrEnum):
    """What the instance offers to the fleet."""

    BOOTING = "booting"
    """Not in service, or not ready: it receives nothing. A warm pool may keep it so for days."""
    SERVING = "serving"
    WATCHING = "watching"
    DRAINING = "draining"
    """At risk: it receives nothing more, finishes what it has however long that takes, and leaves then."""
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the supervisor sees now.

    Attributes:
        is_busy: a step or background work is in progress, or the child is not ready yet.
        is_in_service: the group counts on it, or no group owns it.
        idle_s: seconds since anything was.
        work_waits: the step queue is not empty, or background work is wanted. False when unreadable: an
            unreadable queue is no reason to hold a GPU.
        departure: why the instance must go (a signal, a Spot notice, a scale-in), None if it need not.
        is_at_risk: it should go when it can: EC2 recommends to rebalance.
    """

    is_busy: bool
    is_in_service: bool
    idle_s: float
    work_waits: bool
    departure: str | None
    is_at_risk: bool = False


def next_posture(posture: Posture, situation: Situation, *, idle_after_s: float) -> Posture:
    """Return the posture for `situation`. LEAVING is final."""
    if posture is Posture.LEAVING or situation.departure is not None:
        return Posture.LEAVING
    if posture is Posture.DRAINING or situation.is_at_risk:
        return Posture.DRAINING if situation.is_busy else Posture.LEAVING
    if posture is Posture.BOOTING:
        return Posture.SERVING if situation.is_in_service and not situation.is_busy else Posture.BOOTING
    if posture is Posture.WATCHING:
        if not situation.is_in_service:
            return Posture.BOOTING  # a scale-in returns it to the warm pool
        return Posture.SERVING if situation.work_waits else Posture.WATCHING
    is_idle = not situation.is_busy and situation.idle_s >= idle_after_s
    return Posture.WATCHING if is_idle else Posture.SERVING
