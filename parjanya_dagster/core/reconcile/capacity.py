"""Capacity: how many instances a demand needs, and when the fleet may shrink."""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from parjanya_dagster.core.belief.signals import Blind, FleetSignal, QueueSignal
from parjanya_dagster.core.reconcile.actions import ReportBlind, ScaleIn, ScaleOut


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityLimits:
    """What the fleet may cost and how fast it should be.

    Args:
        seconds_per_image: measured time one instance needs for one image, > 0.
        time_allowed: time in which the present demand should be done.
        max_instances: never more than this, whatever the demand, ≥ 1.
    """

    seconds_per_image: float = 0.25
    time_allowed: timedelta = timedelta(minutes=2)
    max_instances: int = 4


def capacity_for(demand: int, limits: CapacityLimits) -> int:
    """Return the instances a demand needs, in [0, max_instances]; one item already needs one.

    Args:
        demand: visible + in flight + delayed messages + gaps + queued and leased Dagster steps, ≥ 0.
    """
    needed = ceil(demand * limits.seconds_per_image / limits.time_allowed.total_seconds())
    return min(max(needed, int(demand > 0)), limits.max_instances)


def capacity_actions(
    *, queue: QueueSignal, fleet: FleetSignal, waiting: int, limits: CapacityLimits, may_lower: bool
) -> list[ScaleOut | ScaleIn | ReportBlind]:
    """Return what to do about the fleet's size: one step to the target, or nothing.

    Under Blind capacity never falls; what Truth alone shows to be waiting may still raise it.

    Args:
        waiting: rows and Dagster steps that wait and have no message yet, ≥ 0.
        may_lower: demand was read and was whole; a partial reading must not lower anything.
    """
    if isinstance(fleet, Blind):
        return [ReportBlind(blind=fleet)]
    queue_is_readable = not isinstance(queue, Blind)
    messages = 0 if isinstance(queue, Blind) else queue.value.total
    size = fleet.value
    target = capacity_for(messages + waiting, limits)
    target = max(size.min_size, min(target, size.max_size))
    if target > size.desired:
        return [ScaleOut(desired=target, reason=f"{messages} messages and {waiting} waiting")]
    if target == 0 < size.desired and may_lower and queue_is_readable:
        return [ScaleIn(desired=target, reason="nothing is waiting")]
    return []
