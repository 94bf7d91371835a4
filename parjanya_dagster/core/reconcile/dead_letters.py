"""Dead letters: what a message that the queue gave up says about its image.

The queue gives up for many reasons, and only some are the image's fault. What counts against an image is
what its row recorded while the image was alone: attempts that never came back.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from parjanya_dagster.core.execution.outcome import standing
from parjanya_dagster.core.reconcile.actions import Ruling, SettleDeadLetter
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.snapshot import FoundLetter
from parjanya_dagster.core.truth.lifecycle import Event, advanced
from parjanya_dagster.core.truth.result import Result
from parjanya_dagster.core.truth.row import ImageRow, Status

CRASHED: Final = "crashed"
UNDELIVERABLE: Final = "undeliverable"
_BODY_KEPT: Final = 2000
_NEEDS_NOBODY: Final = frozenset({Ruling.SUPERSEDED, Ruling.FINISHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterRecord:
    """What is kept of a dead letter, for a person.

    Args:
        image: `tenant#image`; None for a message that is no job.
        sent_at: when it was first enqueued.
        found_at: when reconciliation found it; the queue tells no nearer when it gave up.
        body: the first 2,000 characters of a message that is no job.
        acknowledged_by: who has looked at it; None while nobody has.
    """

    message_id: str
    ruling: Ruling
    evidence: str
    blames_image: bool
    receive_count: int
    sent_at: datetime
    found_at: datetime
    image: str | None = None
    intent_id: str | None = None
    generation: int | None = None
    body: str | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None

    @property
    def record_id(self) -> str:
        """Id under which it is kept: ids sort by the time of sending, and a redelivery has the same."""
        return f"{_text(self.sent_at)}#{self.message_id}"

    @property
    def is_open(self) -> bool:
        """Somebody should look at it, unless its image went on meanwhile."""
        return self.acknowledged_by is None and self.ruling not in _NEEDS_NOBODY

    def is_overtaken(self, row: ImageRow | None) -> bool:
        """Whether its image went on: a returned job came to an outcome, a failed one was asked anew.

        Args:
            row: the image's; a row that is missing has gone nowhere.
        """
        if row is None or self.generation is None:
            return False
        ended = row.generation if row.status.is_settled else row.decided_generation or 0
        return ended >= self.generation + (self.ruling is not Ruling.RETURNED)


def ruled(found: FoundLetter, limits: Limits) -> SettleDeadLetter:
    """Return what becomes of a dead letter and of its image's row."""
    job, row = found.job, found.row
    if job is None:
        return _ruling(found, Ruling.UNREADABLE, found.fault)
    superseded = standing(row, job.generation)
    if superseded is not None or row is None:
        return _left_alone(found, superseded.reason if superseded else "row_missing")
    if row.quarantined:
        return _left_alone(found, "the row is in quarantine, where a person has the next word")
    if row.intent_id != job.intent_id:
        # Settled before and not deleted, or overtaken: whichever, this message speaks for the row no more.
        return _left_alone(found, "the row waits for another job, or for none")
    return _ruled_for(found, row, limits)


def row_after(action: SettleDeadLetter, *, limits: Limits, now: datetime) -> ImageRow | None:
    """Return the head that a ruling makes of its row; None when it leaves every row alone."""
    row, result = action.row, action.result
    if row is None:
        return None
    if action.ruling is Ruling.FAILED:
        return replace(advanced(row, Event.FAILED, now=now), last_error=action.evidence[:300])
    if action.ruling is Ruling.RETURNED:
        due_at = now + limits.postponement(row.returns)
        return replace(row, returns=row.returns + 1, due_at=due_at, intent_at=None, intent_id=None)
    return finished(row, result, now=now) if action.ruling is Ruling.FINISHED and result else None


def finished(row: ImageRow, result: Result, *, now: datetime) -> ImageRow:
    """Return the head that names a result which its worker could not name any more."""
    return replace(
        advanced(row, Event.SCORED, now=now),
        decision=result.decision,
        decided_generation=result.generation,
        result_id=result.result_id,
        scored_by=result.scored_by,
        last_error=None,
    )


def record_of(action: SettleDeadLetter, *, now: datetime) -> DeadLetterRecord:
    """Return what is to be kept of a letter."""
    letter, job = action.letter, action.job
    return DeadLetterRecord(
        message_id=letter.message_id,
        ruling=action.ruling,
        evidence=action.evidence,
        blames_image=action.blames_image,
        receive_count=letter.receive_count,
        sent_at=letter.sent_at,
        found_at=now,
        image=str(job.key) if job else None,
        intent_id=job.intent_id if job else None,
        generation=job.generation if job else None,
        body=None if job else letter.body[:_BODY_KEPT],
    )


def document_of(record: DeadLetterRecord) -> dict[str, Any]:
    """Return the record as a document."""
    times = ("sent_at", "found_at", "acknowledged_at")
    values = {name: value for name, value in asdict(record).items() if value is not None}
    return values | {name: _text(values[name]) for name in times if name in values}


def record_from(document: Mapping[str, Any]) -> DeadLetterRecord:
    """Return the record in a document."""
    values = dict(document)
    times = ("sent_at", "found_at", "acknowledged_at")
    values |= {name: datetime.fromisoformat(values[name]) for name in times if name in values}
    return DeadLetterRecord(**(values | {"ruling": Ruling(values["ruling"])}))


def _ruled_for(found: FoundLetter, row: ImageRow, limits: Limits) -> SettleDeadLetter:
    """The message was the one that the row waits for."""
    if found.result is not None:
        evidence = f"result {found.result.result_id} exists; its worker died before the head named it"
        return _ruling(found, Ruling.FINISHED, evidence)
    if row.attempts >= limits.poison_attempts:
        evidence = f"{CRASHED}: {row.attempts} attempts on the image alone never came back"
        return _ruling(found, Ruling.FAILED, evidence, blames_image=True)
    if row.returns >= limits.max_returns:
        evidence = f"{UNDELIVERABLE}: given up {row.returns + 1} times, nothing speaks against the image"
        return _ruling(found, Ruling.FAILED, evidence)
    evidence = f"nothing speaks against the image; return {row.returns + 1} of {limits.max_returns}"
    return _ruling(found, Ruling.RETURNED, evidence)


def _left_alone(found: FoundLetter, reason: str) -> SettleDeadLetter:
    """The row is none of this message's business any more; what it says of a failure is kept as evidence."""
    row, job = found.row, found.job
    if row is None or job is None or (row.status, row.generation) != (Status.VLM_FAILED, job.generation):
        return _ruling(found, Ruling.SUPERSEDED, reason)
    said = row.last_error or ""
    blames = not said.startswith(UNDELIVERABLE)
    return _ruling(found, Ruling.SUPERSEDED, f"{reason}: {said}", blames_image=blames)


def _ruling(
    found: FoundLetter, ruling: Ruling, evidence: str, *, blames_image: bool = False
) -> SettleDeadLetter:
    return SettleDeadLetter(
        letter=found.letter,
        job=found.job,
        ruling=ruling,
        evidence=evidence,
        blames_image=blames_image,
        row=found.row,
        result=found.result,
    )


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
