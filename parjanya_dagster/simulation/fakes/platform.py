"""A whole platform of fakes that share one clock and one journal of calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Final

from parjanya_dagster.control.platform import FleetPorts, Platform
from parjanya_dagster.core.names import Names
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.simulation.fakes.archive import FakeArchive
from parjanya_dagster.simulation.fakes.calls import Calls
from parjanya_dagster.simulation.fakes.clock import FakeClock
from parjanya_dagster.simulation.fakes.control import FakeControlStore
from parjanya_dagster.simulation.fakes.dead_letters import FakeDeadLetters
from parjanya_dagster.simulation.fakes.fleet import FakeFleet
from parjanya_dagster.simulation.fakes.heart import FakeHeart
from parjanya_dagster.simulation.fakes.images import FakeImageStore
from parjanya_dagster.simulation.fakes.objects import FakeObjectStore, FakeTenantBuckets
from parjanya_dagster.simulation.fakes.queue import FakeIntentQueue
from parjanya_dagster.simulation.fakes.reader import FakeImageReader
from parjanya_dagster.simulation.fakes.records import FakeRecords
from parjanya_dagster.simulation.fakes.steps import FakeStepBacklog

START: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""When a simulated world begins."""
SIMULATED: Final = Names(prefix="parjanya-test", account="000000000000")
"""What a simulated world's resources are called."""


@dataclass(frozen=True, kw_only=True)
class FakeExtraFleet:
    """What an extra fleet has of its own; its dead letters are the usual queue's."""

    queue: FakeIntentQueue
    fleet: FakeFleet


@dataclass(frozen=True, kw_only=True)
class FakePlatform:
    """The fakes under their own types; `platform()` is what the product sees."""

    clock: FakeClock
    names: Names
    calls: Calls
    images: FakeImageStore
    queue: FakeIntentQueue
    dead_letters: FakeDeadLetters
    objects: FakeObjectStore
    buckets: FakeTenantBuckets
    control: FakeControlStore
    records: FakeRecords
    archive: FakeArchive
    fleet: FakeFleet
    steps: FakeStepBacklog
    heart: FakeHeart
    reader: FakeImageReader
    others: Mapping[str, FakeExtraFleet] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    capacity: CapacityLimits = field(default_factory=CapacityLimits)
    plane: str = "lambda"
    _serial: "count[int]" = field(default_factory=lambda: count(1))

    def platform(self) -> Platform:
        """Return the ports as the product takes them."""
        return Platform(
            names=self.names,
            images=self.images,
            queue=self.queue,
            dead_letters=self.dead_letters,
            objects=self.objects,
            buckets=self.buckets,
            control=self.control,
            records=self.records,
            archive=self.archive,
            fleet=self.fleet,
            steps=self.steps,
            heart=self.heart,
            reader=self.reader,
            limits=self.limits,
            capacity=self.capacity,
            clock=self.clock,
            entropy=lambda size: next(self._serial).to_bytes(size, "big"),
            plane=self.plane,
            others={
                name: FleetPorts(queue=each.queue, fleet=each.fleet, capacity=self.capacity)
                for name, each in self.others.items()
            },
        )


def a_fake_platform(
    *,
    now: datetime = START,
    plane: str = "lambda",
    clock: FakeClock | None = None,
    calls: Calls | None = None,
    fleets: Sequence[str] = (),
) -> FakePlatform:
    """Return an empty platform of fakes at `now`, or on a clock and a journal of one's own.

    Args:
        fleets: names of extra fleets.
    """
    clock = clock or FakeClock(now)
    calls = calls or Calls()
    queue = FakeIntentQueue(clock, calls)
    images, objects = FakeImageStore(clock, calls), FakeObjectStore(clock, calls)
    buckets, control = FakeTenantBuckets(SIMULATED, calls), FakeControlStore(calls)
    return FakePlatform(
        clock=clock,
        names=SIMULATED,
        calls=calls,
        images=images,
        queue=queue,
        dead_letters=FakeDeadLetters(queue, calls),
        objects=objects,
        buckets=buckets,
        control=control,
        records=FakeRecords(calls),
        archive=FakeArchive(objects, images, buckets, control, calls),
        fleet=FakeFleet(clock, calls),
        steps=FakeStepBacklog(clock, calls),
        heart=FakeHeart(calls),
        reader=FakeImageReader(calls),
        plane=plane,
        others={
            name: FakeExtraFleet(
                queue=FakeIntentQueue(clock, calls, buries_at=queue, fleet=name),
                fleet=FakeFleet(clock, calls, fleet=name),
            )
            for name in fleets
        },
    )
