"""The platform as one process sees it: the ports, and the names, limits, clock and entropy they work with.

`wiring` builds it once per entry point; tests and the simulator build it from fakes. Functions of
`control` take it whole, so that adding a port never changes a signature.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from parjanya_dagster.core.archive import Archive
from parjanya_dagster.core.belief.signals import QueueSignal
from parjanya_dagster.core.names import Names, remembered_as
from parjanya_dagster.core.ports import (
    ControlStore,
    DeadLetters,
    Fleet,
    Heart,
    ImageStore,
    IntentQueue,
    ObjectStore,
    StepBacklog,
    TenantBuckets,
)
from parjanya_dagster.core.reading import ImageReader
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.snapshot import by_fleet
from parjanya_dagster.core.records import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPorts:
    """What an extra fleet has of its own: the queue of its jobs, its group, and what it may cost."""

    queue: IntentQueue
    fleet: Fleet
    capacity: CapacityLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Everything one process works with.

    Args:
        clock: returns aware UTC now.
        entropy: returns that many random bytes.
        plane: this process' plane, `lambda`, `dagster` or `cli`; its heartbeat's name.
        others: fleets beside the usual one, by name; the same in every process of a deployment.
        fleet_name: the extra fleet whose `queue`, `fleet` and `capacity` these are; None for the usual one's.
    """

    names: Names
    images: ImageStore
    queue: IntentQueue
    dead_letters: DeadLetters
    objects: ObjectStore
    buckets: TenantBuckets
    control: ControlStore
    records: Records
    archive: Archive
    fleet: Fleet
    steps: StepBacklog
    heart: Heart
    reader: ImageReader
    limits: Limits
    capacity: CapacityLimits
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    plane: str
    others: Mapping[str, FleetPorts] = field(default_factory=dict)
    fleet_name: str | None = None

    def of_fleet(self, name: str | None) -> "Platform":
        """Return the platform as an extra fleet has it; the same for None, and for a fleet that is no more.

        An image whose fleet was taken down is better scored by the usual one than by nobody.
        """
        own = self.others.get(name or "")
        if own is None:
            return self
        return replace(self, fleet_name=name, queue=own.queue, fleet=own.fleet, capacity=own.capacity)

    def queue_depths(self) -> dict[str | None, QueueSignal]:
        """Return the message counts of every queue of jobs, the usual one's (None) first."""
        return by_fleet(self.queue.depth(), {name: each.queue.depth() for name, each in self.others.items()})

    @property
    def other_capacities(self) -> dict[str, CapacityLimits]:
        """What each extra fleet may cost."""
        return {name: each.capacity for name, each in self.others.items()}

    def remembered_as(self, what: str) -> str:
        """Return the name under which something is remembered of this fleet."""
        return remembered_as(what, self.fleet_name)
