"""Signals: one Belief value with its time, or `Blind` with a reason.

Blind is never zero. A reader that cannot see says so in the type, so that nobody scales to zero on a
refused call (field notes: KEDA issue 8036).
"""

from dataclasses import dataclass
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
class FleetSize:
    """What the Auto Scaling group says of itself.

    Args:
        desired: instances asked for, in [min_size, max_size].
        in_service: instances in service.
    """

    desired: int
    in_service: int
    min_size: int
    max_size: int


QueueSignal = Reading[QueueDepth] | Blind
FleetSignal = Reading[FleetSize] | Blind
StepsSignal = Reading[int] | Blind
