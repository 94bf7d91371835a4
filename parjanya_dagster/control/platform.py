"""The platform as one process sees it: the ports, and the names, limits, clock and entropy they work with.

`wiring` builds it once per entry point; tests and the simulator build it from fakes. Functions of
`control` take it whole, so that adding a port never changes a signature.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from parjanya_dagster.core.archive import Archive
from parjanya_dagster.core.names import Names
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
from parjanya_dagster.core.records import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Everything one process works with.

    Args:
        clock: returns aware UTC now.
        entropy: returns that many random bytes.
        plane: this process' plane, `lambda`, `dagster` or `cli`; its heartbeat's name.
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
