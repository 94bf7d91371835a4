"""Actions: what reconciliation decided, as data, so that a dry run is "do not apply"."""

from dataclasses import dataclass
from enum import StrEnum

from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.ports import DeadLetter, EmptyReadings, ObjectInfo
from parjanya_dagster.core.reconcile.capacity_memory import CapacityMemory
from parjanya_dagster.core.reconcile.capacity_plan import CapacityPlan
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.result import Result
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
class LookOnFrom:
    """Begin the next look at a tenant's originals here; only once everything before it is adopted."""

    tenant_id: str
    from_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """Take the row out of the gap: re-emission does not help it."""

    row: ImageRow
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Postpone:
    """Look at the row again later, and later each time: what it needs was refused or failed."""

    row: ImageRow
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Name the result that this generation already has: its worker died between result and head."""

    row: ImageRow
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Move the row back to its boundary: what it says of itself does not hold."""

    row: ImageRow
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidy:
    """Drop what a row still carries of a wait that is over, so that it leaves the sparse indexes."""

    row: ImageRow


class Ruling(StrEnum):
    """What becomes of a dead letter's image."""

    FAILED = "failed"
    FINISHED = "finished"
    RETURNED = "returned"
    SUPERSEDED = "superseded"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleDeadLetter:
    """Record the dead letter with its evidence, do to the row what was ruled, then delete the message.

    Args:
        job: what the message asked for; None where it cannot be read.
        evidence: what speaks for the ruling, for a person.
        blames_image: the evidence is against the image itself, not against what surrounds it.
        row: the head that the ruling was made from; None where there is none.
        result: what `FINISHED` names.
    """

    letter: DeadLetter
    job: Job | None
    ruling: Ruling
    evidence: str
    blames_image: bool = False
    row: ImageRow | None = None
    result: Result | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleOut:
    """Raise the desired capacity; what it was chosen from goes into Truth with it.

    Args:
        fleet: the extra fleet that this is about; None is the usual one, here and in what follows.
    """

    desired: int
    reason: str
    plan: CapacityPlan | None = None
    fleet: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleIn:
    """Lower the desired capacity, holding the capacity lease; what it was chosen from goes into Truth."""

    desired: int
    reason: str
    plan: CapacityPlan | None = None
    fleet: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate:
    """End one instance, and want one less: it has neither pulse nor progress, or never came up."""

    instance_id: str
    reason: str
    fleet: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FallBack:
    """Launch from another version of the template: boots of the present one fail in a row."""

    version: str
    reason: str
    fleet: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnCapacity:
    """Remember what was learned of boots and gaps, if nobody remembered anything else meanwhile."""

    before: CapacityMemory
    after: CapacityMemory
    fleet: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberEmptyReadings:
    """Remember, or forget, since when a signal reads zero."""

    signal: str
    run: EmptyReadings | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportBlind:
    """Say that a signal could not be read."""

    blind: Blind
    fleet: str | None = None


CapacityAction = ScaleOut | ScaleIn | Terminate | FallBack | LearnCapacity
RowAction = EmitIntent | Revalidate | AbandonUpload | Quarantine | Postpone | Finish | Replay | Tidy
Action = (
    RowAction
    | AdoptObject
    | LookOnFrom
    | SettleDeadLetter
    | CapacityAction
    | RememberEmptyReadings
    | ReportBlind
)


def name_of(action: Action) -> str:
    """Return the action's name with its reason where reasons are few: what counts and tables are keyed by."""
    match action:
        case EmitIntent(reason=reason):
            return f"emit:{reason}"
        case SettleDeadLetter(ruling=ruling):
            return f"dead_letter:{ruling}"
        case _:
            return "".join(
                f"_{letter.lower()}" if letter.isupper() else letter for letter in type(action).__name__
            )[1:]
