"""Actions: what reconciliation decided, as data, so that a dry run is "do not apply"."""

from dataclasses import dataclass
from enum import StrEnum

from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.ports import EmptyReadings, ObjectInfo
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow


class EmitReason(StrEnum):
    """Why a job is sent."""

    NEVER_SENT = "never_sent"
    BEYOND_RETENTION = "beyond_retention"
    QUEUE_LOST = "queue_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmitIntent:
    """Send a job for the row, then stamp the row."""

    row: ImageRow
    reason: EmitReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Revalidate:
    """Ingest the row's object again: its first ingestion never ended."""

    row: ImageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonUpload:
    """HEAD the row's object; without one the upload has failed."""

    row: ImageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptObject:
    """Build the row of an object that has none."""

    key: ImageKey
    info: ObjectInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """Take the row out of the gap: re-emission does not help it."""

    row: ImageRow
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleOut:
    """Raise the desired capacity."""

    desired: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleIn:
    """Lower the desired capacity, holding the capacity lease."""

    desired: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberEmptyReadings:
    """Remember, or forget, since when a signal reads zero."""

    signal: str
    run: EmptyReadings | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportBlind:
    """Say that a signal could not be read."""

    blind: Blind


Action = (
    EmitIntent
    | Revalidate
    | AbandonUpload
    | AdoptObject
    | Quarantine
    | ScaleOut
    | ScaleIn
    | RememberEmptyReadings
    | ReportBlind
)
