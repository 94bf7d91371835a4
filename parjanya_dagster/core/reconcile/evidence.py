"""Evidence: everything a diagnosis may look at, each part with its time or `Blind` with the reason.

A part that could not be read supports no conclusion at all; the others still do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import TypeVar

from parjanya_dagster.core.belief.boot import BootsSignal
from parjanya_dagster.core.belief.pulse import PulsesSignal
from parjanya_dagster.core.belief.signals import (
    Blind,
    FleetSignal,
    LaunchesSignal,
    QueueSignal,
    Reading,
    StepsSignal,
)
from parjanya_dagster.core.names import Names, TenantSources
from parjanya_dagster.core.reconcile.boot_breaker import BreakerLimits
from parjanya_dagster.core.reconcile.capacity_memory import CapacityMemory
from parjanya_dagster.core.reconcile.dead_letters import DeadLetterRecord
from parjanya_dagster.core.truth.row import ImageRow

T = TypeVar("T")

HEADLESS = "lambda"
"""The plane without which nothing runs; the other may be left out."""
PLANES = (HEADLESS, "dagster")
"""The control planes that must beat, each for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each part may take before its silence is a finding.

    Args:
        gap: a row due for longer has been missed by the stream and by a sweep.
        heartbeat: a plane silent for longer has stopped; three cycles.
        queue: a job older than this that no queue holds is lost, not on its way.
        capacity: work waiting for longer with nothing asked for was overlooked.
        boot: instances asked for longer ago than this should be in service.
        progress: an instance in service that shows no life for longer does nothing.
        acknowledgement: dead letters that nobody looked at for longer are overdue.
    """

    gap: timedelta = timedelta(seconds=90)
    heartbeat: timedelta = timedelta(minutes=3)
    queue: timedelta = timedelta(seconds=110)
    capacity: timedelta = timedelta(minutes=2)
    boot: timedelta = timedelta(minutes=10)
    progress: timedelta = timedelta(minutes=10)
    acknowledgement: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Heads that wait for something, re-read consistently after the queues were read.

    Args:
        gaps: rows that are due and have no job.
        outstanding: rows whose job was sent.
        newest: each tenant's newest rows, whatever their status: a sample.
    """

    gaps: tuple[ImageRow, ...] = ()
    outstanding: tuple[ImageRow, ...] = ()
    newest: tuple[ImageRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Residue:
    """What the last audit of a tenant could not account for.

    Args:
        count: images, ≥ 1.
        unfinished: how many of them are erased, and not all that they had is gone.
        samples: image ids.
    """

    tenant_id: str
    count: int
    unfinished: int = 0
    samples: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetEvidence:
    """What a diagnosis may look at of an extra fleet; see `Evidence`."""

    queue: QueueSignal
    fleet: FleetSignal
    launches: LaunchesSignal
    boots: BootsSignal
    memory: Reading[CapacityMemory] | Blind


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One reading of Truth and Belief for a diagnosis.

    Args:
        heartbeats: last beat by plane.
        registry: tenants with a marker.
        traces: where each tenant without rows here has left something, e.g. `a: backlog counter`.
        launches: the group's newest attempts to launch, newest first.
        boots: the newest starts of workers, newest first.
        memory: what capacity has learned of earlier starts.
        dead_letters: what was recorded of messages that were given up, and nobody acknowledged.
        sources: foreign buckets that operators registered, of the rows here at least.
        residues: of each tenant's last audit, where it left one.
        others: of the extra fleets, by name; what stands beside it is of the usual one, or of all.
    """

    rows: Reading[Rows] | Blind
    queue: QueueSignal
    dead_letter_queue: QueueSignal
    fleet: FleetSignal
    steps: StepsSignal
    heartbeats: Reading[Mapping[str, datetime]] | Blind
    registry: Reading[tuple[str, ...]] | Blind
    traces: Reading[Mapping[str, str]] | Blind
    launches: LaunchesSignal
    boots: BootsSignal
    pulses: PulsesSignal
    memory: Reading[CapacityMemory] | Blind
    dead_letters: Reading[tuple[DeadLetterRecord, ...]] | Blind
    residues: Reading[tuple[Residue, ...]] | Blind
    names: Names
    sources: Reading[TenantSources] | Blind
    breaker_limits: BreakerLimits
    others: Mapping[str, FleetEvidence] = field(default_factory=dict)

    def of_fleet(self, name: str | None) -> "Evidence":
        """Return the evidence about one fleet alone: its queue, group, rows, and the pulses of its instances.

        Args:
            name: an extra fleet; None for the usual one, which has the rows of fleets that are no more.
        """
        if not self.others:
            return self
        own = self.others[name] if name else self
        return replace(
            self,
            queue=own.queue,
            fleet=own.fleet,
            launches=own.launches,
            boots=own.boots,
            memory=own.memory,
            steps=Reading(value=0, at=own.queue.at) if name else self.steps,
            rows=self._rows_of(name),
            pulses=self._pulses_of(name),
            others={},
        )

    @property
    def messages(self) -> int | None:
        """Messages on every queue of jobs; None while any of them cannot be read."""
        queues = (self.queue, *(each.queue for each in self.others.values()))
        depths = [value_of(each) for each in queues]
        return None if None in depths else sum(depth.total for depth in depths if depth is not None)

    def _rows_of(self, name: str | None) -> "Reading[Rows] | Blind":
        if isinstance(self.rows, Blind):
            return self.rows

        def own(rows: tuple[ImageRow, ...]) -> tuple[ImageRow, ...]:
            return tuple(row for row in rows if (row.fleet if row.fleet in self.others else None) == name)

        rows = self.rows.value
        parts = Rows(gaps=own(rows.gaps), outstanding=own(rows.outstanding), newest=own(rows.newest))
        return replace(self.rows, value=parts)

    def _pulses_of(self, name: str | None) -> PulsesSignal:
        if isinstance(self.pulses, Blind):
            return self.pulses
        groups = {each: value_of(part.fleet) for each, part in self.others.items()}
        fleet_of = {
            instance.instance_id: each
            for each, group in groups.items()
            for instance in (group.instances if group else ())
        }
        own = {each: pulse for each, pulse in self.pulses.value.items() if fleet_of.get(each) == name}
        return replace(self.pulses, value=own)

    @property
    def tenants(self) -> frozenset[str]:
        """Every tenant that anything here is about."""
        rows = value_of(self.rows) or Rows()
        letters = (each.image for each in value_of(self.dead_letters) or () if each.image)
        return frozenset(
            (
                *(value_of(self.registry) or ()),
                *(value_of(self.traces) or ()),
                *(row.key.tenant_id for row in (*rows.gaps, *rows.outstanding, *rows.newest)),
                *(image.partition("#")[0] for image in letters),
                *(each.tenant_id for each in value_of(self.residues) or ()),
            )
        ) - {""}

    @property
    def blind(self) -> list[Blind]:
        """Everything that could not be read, each once."""
        parts = [getattr(self, field.name) for field in fields(self)]
        for name, own in self.others.items():
            of_it = (getattr(own, field.name) for field in fields(own))
            parts += [part.of_fleet(name) for part in of_it if isinstance(part, Blind)]
        return list(dict.fromkeys(part for part in parts if isinstance(part, Blind)))


def value_of(signal: Reading[T] | Blind) -> T | None:
    """Return what was read; None, from which nothing may follow, when nothing was."""
    return None if isinstance(signal, Blind) else signal.value
