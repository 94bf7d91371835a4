"""A snapshot: one reading of Truth and Belief, everything `plan` may look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from parjanya_dagster.core.belief.freshness import sighted
from parjanya_dagster.core.belief.signals import Blind, FleetSignal, QueueSignal, StepsSignal
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.ports import DeadLetter, EmptyReadings
from parjanya_dagster.core.reconcile.actions import AdoptObject, LookOnFrom
from parjanya_dagster.core.reconcile.capacity_view import CapacityView
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.result import Result
from parjanya_dagster.core.truth.row import ImageRow

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLetter:
    """A dead letter beside what Truth says of its image.

    Args:
        job: None when the message cannot be read; `fault` then says why.
        row: the head, re-read consistently; None when there is none.
        result: a result of the job's generation that no head names.
    """

    letter: DeadLetter
    job: Job | None = None
    fault: str = ""
    row: ImageRow | None = None
    result: Result | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Objects that no event told of, and where the next look begins."""

    strays: tuple[AdoptObject, ...] = ()
    looks: tuple[LookOnFrom, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSight:
    """What is seen of one fleet.

    Args:
        queue: the queue of its jobs.
        fleet: its group.
        view: what capacity knows beside them.
    """

    queue: QueueSignal
    fleet: FleetSignal
    view: CapacityView = field(default_factory=CapacityView)

    def as_of(self, now: datetime, *, life: timedelta) -> "FleetSight":
        """Return the sight as it may be used now: readings older than `life` are Blind."""
        return replace(
            self,
            queue=sighted(self.queue, name="queue.depth", life=life, now=now),
            fleet=sighted(self.fleet, name="fleet.size", life=life, now=now),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One reading of the world.

    Args:
        gaps: heads that may wait for the reconciler, re-read consistently.
        outstanding: heads whose job was sent long enough ago to ask after it, re-read consistently.
        leftovers: heads that an index or an event named and that wait for nothing of the kind, as re-read.
        results: results of the present generation of such heads that the head does not name.
        letters: dead letters, taken for this cycle.
        arrivals: what a look at a tenant's originals found.
        queue: the intents queue.
        dead_letters: its dead-letter queue.
        fleet: the workers' group.
        view: what capacity knows beside the queue and the group.
        others: what is seen of extra fleets, by name; of those alone that matter to an event's rows.
        steps: Dagster steps queued or leased; None where only an event's rows were looked at.
        empty_queues: how long all queues have read empty, before this reading.
        unread: parts of Truth that could not be read; what they hold is unknown, not nothing.
        unseen: what else could not be read, and stops nothing but itself.
        beaten_at: this plane's last heartbeat, before this cycle.
        whole: True for a sweep (indexes were read); False when only an event's keys were looked at.
    """

    gaps: tuple[ImageRow, ...] = ()
    outstanding: tuple[ImageRow, ...] = ()
    leftovers: tuple[ImageRow, ...] = ()
    results: Mapping[ImageKey, Result] = field(default_factory=dict)
    letters: tuple[FoundLetter, ...] = ()
    arrivals: Arrivals = Arrivals()
    queue: QueueSignal
    dead_letters: QueueSignal
    fleet: FleetSignal
    view: CapacityView = field(default_factory=CapacityView)
    others: Mapping[str, FleetSight] = field(default_factory=dict)
    steps: StepsSignal | None = None
    empty_queues: EmptyReadings | None = None
    unread: tuple[Blind, ...] = ()
    unseen: tuple[Blind, ...] = ()
    beaten_at: datetime | None = None
    whole: bool = True

    @property
    def sights(self) -> Mapping[str | None, FleetSight]:
        """What is seen of every fleet, the usual one (None) first."""
        return by_fleet(FleetSight(queue=self.queue, fleet=self.fleet, view=self.view), self.others)

    @property
    def queues(self) -> tuple[QueueSignal, ...]:
        """Every queue that may hold a job, dead letters included."""
        return (self.queue, *(each.queue for each in self.others.values()), self.dead_letters)

    def fleet_of(self, row: ImageRow) -> str | None:
        """Return the extra fleet that a row's job goes to; a fleet that is no more leaves it to the usual."""
        return row.fleet if row.fleet in self.others else None

    @property
    def is_sighted(self) -> bool:
        """Truth and the queues were really read: what a heartbeat says."""
        return not self.unread and not any(isinstance(each.queue, Blind) for each in self.sights.values())

    @property
    def blinds(self) -> list[Blind]:
        """What could not be read; of fleets and their queues, the usual one's queue alone."""
        signals = (self.queue, self.dead_letters, self.steps)
        return [*self.unread, *self.unseen, *(each for each in signals if isinstance(each, Blind))]

    def as_of(self, now: datetime, *, life: timedelta) -> "Snapshot":
        """Return the snapshot as it may be used now: readings older than `life` are Blind."""
        return replace(
            self,
            queue=sighted(self.queue, name="queue.depth", life=life, now=now),
            dead_letters=sighted(self.dead_letters, name="queue.dead_letter_depth", life=life, now=now),
            fleet=sighted(self.fleet, name="fleet.size", life=life, now=now),
            others={name: each.as_of(now, life=life) for name, each in self.others.items()},
            steps=self.steps and sighted(self.steps, name="open steps", life=life, now=now),
        )


def by_fleet(usual: T, others: Mapping[str, T]) -> dict[str | None, T]:
    """Return what there is of each fleet, the usual one (None) first."""
    pairs: list[tuple[str | None, T]] = [(None, usual), *others.items()]
    return dict(pairs)
