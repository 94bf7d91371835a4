"""Signals: one Belief value with its time, or `Blind` with a reason.

Blind is never zero. A reader that cannot see says so in the type, so that nobody scales to zero on a
refused call (field notes: KEDA issue 8036).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[T_co]):
    """A value that was read at `at`."""

    value: T_co
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """A signal that could not be read, and why."""

    signal: str
    reason: str
    at: datetime

    def of_fleet(self, name: str) -> "Blind":
        """Return the same, saying of which extra fleet it is."""
        return replace(self, signal=f"{self.signal} of fleet {name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """Message counts of one queue, each ≥ 0."""

    visible: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """All messages the queue holds."""
        return self.visible + self.in_flight + self.delayed


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One instance as the group describes it.

    Args:
        lifecycle: Auto Scaling's word, e.g. `Pending`, `InService`, `Terminating:Wait`.
        template_version: version of the launch template it was launched from; None if the group says none.
    """

    instance_id: str
    lifecycle: str
    is_protected: bool
    template_version: str | None = None

    @property
    def is_in_service(self) -> bool:
        """The group counts on it."""
        return self.lifecycle == "InService"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSize:
    """What the Auto Scaling group says of itself.

    Args:
        desired: instances asked for, in [min_size, max_size].
        in_service: instances in service.
        instances: the group's instances in any lifecycle state, those in the warm pool excepted.
        template_version: version of the launch template that the next instance comes from.
        warm: instances ready in the warm pool, ≥ 0.
    """

    desired: int
    in_service: int
    min_size: int
    max_size: int
    instances: tuple[Instance, ...] = ()
    template_version: str | None = None
    warm: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One attempt of the group to launch an instance.

    Args:
        activity_id: Auto Scaling's id of the attempt.
        instance_id: the instance; None if there never was one.
        is_warm: it came out of the warm pool.
        started_at: when the group began; the start-up time counts from here.
        error: why it failed; None while it is under way and when it succeeded.
        blames_template: the failure would repeat with the same launch template (a missing image, a broken
            template), unlike a lack of capacity or quota.
    """

    activity_id: str
    instance_id: str | None
    is_warm: bool
    started_at: datetime
    error: str | None = None
    blames_template: bool = False


QueueSignal = Reading[QueueDepth] | Blind
FleetSignal = Reading[FleetSize] | Blind
LaunchesSignal = Reading[tuple[Launch, ...]] | Blind
StepsSignal = Reading[int] | Blind
