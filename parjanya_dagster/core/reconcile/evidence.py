"""Evidence: everything a diagnosis may look at, each part with its time or `Blind` with the reason.

A part that could not be read supports no conclusion at all; the others still do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from parjanya_dagster.core.belief.signals import Blind, FleetSignal, QueueSignal, Reading, StepsSignal
from parjanya_dagster.core.names import Names
from parjanya_dagster.core.truth.row import ImageRow

T = TypeVar("T")

PLANES = ("lambda", "dagster")
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


class BootState(StrEnum):
    """How far an instance came."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    UNVERIFIED = "unverified"
    """It started, and its model files are missing or do not match: it will never be ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One instance's start, or one launch that brought no instance.

    Args:
        name: instance id, or the failed activity's.
        template: version of the launch template.
        detail: stage and message, as reported.
        at: when this was last said of it.
    """

    name: str
    template: str
    state: BootState
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Boots:
    """Starts of instances, newest first.

    Args:
        breaker_since: since when the breaker holds the present template back; None while it is closed.
    """

    newest: tuple[Boot, ...] = ()
    breaker_since: datetime | None = None

    @property
    def failed_in_a_row(self) -> tuple[Boot, ...]:
        """Starts that failed since the last that succeeded, newest first."""
        failed: list[Boot] = []
        for boot in self.newest:
            if boot.state is BootState.READY:
                break
            if boot.state is not BootState.STARTING:
                failed.append(boot)
        return tuple(failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that was given up, as the dead-letter consumer recorded it.

    Args:
        image: `tenant#image`.
        verdict: what the consumer concluded: went back to the gap, failed, nothing to do.
        has_image_evidence: attempts on the image alone failed; it is the image's fault.
    """

    image: str
    verdict: str
    has_image_evidence: bool
    at: datetime
    acknowledged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Residue:
    """What the last audit of a tenant could not account for.

    Args:
        count: images, ≥ 1.
        samples: image ids.
    """

    tenant_id: str
    count: int
    samples: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One reading of Truth and Belief for a diagnosis.

    Args:
        heartbeats: last beat by plane.
        registry: tenants with a marker.
        traces: where each tenant without rows here has left something, e.g. `a: backlog counter`.
        pulses: last pulse of each instance.
        residues: of each tenant's last audit, where it left one.
    """

    rows: Reading[Rows] | Blind
    queue: QueueSignal
    dead_letter_queue: QueueSignal
    fleet: FleetSignal
    steps: StepsSignal
    heartbeats: Reading[Mapping[str, datetime]] | Blind
    registry: Reading[tuple[str, ...]] | Blind
    traces: Reading[Mapping[str, str]] | Blind
    boots: Reading[Boots] | Blind
    pulses: Reading[Mapping[str, datetime]] | Blind
    dead_letters: Reading[tuple[DeadLetter, ...]] | Blind
    residues: Reading[tuple[Residue, ...]] | Blind
    names: Names

    @property
    def blind(self) -> list[Blind]:
        """Everything that could not be read."""
        parts = (getattr(self, field.name) for field in fields(self))
        return [part for part in parts if isinstance(part, Blind)]

    @property
    def is_breaker_open(self) -> bool:
        """Boots failed so often that no more are asked for."""
        boots = value_of(self.boots)
        return boots is not None and boots.breaker_since is not None


def value_of(signal: Reading[T] | Blind) -> T | None:
    """Return what was read; None, from which nothing may follow, when nothing was."""
    return None if isinstance(signal, Blind) else signal.value
