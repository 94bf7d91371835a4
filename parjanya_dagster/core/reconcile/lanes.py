"""Lanes: how much of the regrade lane may be queued, so that fresh uploads never wait behind it."""

from collections.abc import Mapping

from parjanya_dagster.core.belief.signals import Blind, FleetSignal, QueueSignal
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.snapshot import FleetSight


def regrade_room(queue: QueueSignal, fleet: FleetSignal, *, images_per_s: float, limits: Limits) -> int:
    """Return how many more jobs of the regrade lane the queue may take, ≥ 0.

    It may hold what the instances in service, or one, finish within `limits.regrade_queued`. A queue that
    cannot be read gets none: it may be full already, and regrades can wait.

    Args:
        images_per_s: of one instance, as learned, > 0.
    """
    if isinstance(queue, Blind):
        return 0
    instances = 1 if isinstance(fleet, Blind) else max(1, fleet.value.in_service)
    held = instances * limits.regrade_queued.total_seconds() * images_per_s
    return max(0, int(held) - queue.value.total)


def regrade_rooms(
    sights: Mapping[str | None, FleetSight],
    capacities: Mapping[str | None, CapacityLimits],
    *,
    limits: Limits,
) -> dict[str | None, int]:
    """Return how many more jobs of the regrade lane each fleet's queue may take.

    Args:
        capacities: of every fleet in `sights` at least.
    """
    return {
        name: regrade_room(
            sight.queue,
            sight.fleet,
            images_per_s=sight.view.learned(capacities[name], is_warm=False).images_per_s,
            limits=limits,
        )
        for name, sight in sights.items()
    }
