"""Replay: what it does to a row, by its boundary: how much of what is known stays.

Whatever the boundary, it is one conditional update of the head. The decision in force stays in force until
the next one, and no answer is lost: results are items of their own.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.names import USUAL_FLEET
from parjanya_dagster.core.truth.lifecycle import Event, advanced
from parjanya_dagster.core.truth.result import Result
from parjanya_dagster.core.truth.row import Decision, ImageRow, Lane, Status

_ALL: Final = "all"
_NONE: Final = "none"
_VALIDATION: Final = "validation"
_SOME: Final = "questions:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """How far back a replay goes.

    Args:
        asks: whether anything is asked again; False keeps all answers and only decides again.
        questions: what is asked anew, by id; the rest is carried over. None asks everything.
        validates: whether the file itself is read again first, and asked about only if it is sound now.
    """

    asks: bool = True
    questions: tuple[str, ...] | None = None
    validates: bool = False

    def __str__(self) -> str:
        if self.validates:
            return _VALIDATION
        if not self.asks:
            return _NONE
        return _ALL if self.questions is None else _SOME + ",".join(self.questions)

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Return the boundary written as `all`, `none`, `validation` or `questions:<id>,<id>`.

        Raises:
            InvalidRequestError: it is none of these.
        """
        if text in (_ALL, _NONE, _VALIDATION):
            return cls(asks=text != _NONE, validates=text == _VALIDATION)
        questions = tuple(sorted({name for name in text.removeprefix(_SOME).split(",") if name}))
        if not text.startswith(_SOME) or not questions:
            raise InvalidRequestError(
                f"a replay's boundary is all, none, validation or questions:a,b; not '{text}'"
            )
        return cls(questions=questions)


EVERYTHING: Final = Boundary()
RULES_ALONE: Final = Boundary(asks=False)
FROM_THE_FILE: Final = Boundary(validates=True)


class Refusal(StrEnum):
    """Why a replay leaves a row alone."""

    MISSING = "missing"
    ERASED = "erased"
    NEVER_SCORED = "never_scored"
    NOT_REJECTED = "not_rejected"
    BEING_SCORED = "being_scored"
    NO_ANSWERS = "no_answers"
    OTHER_QUESTIONS = "other_questions"
    IMAGE_EVIDENCE = "image_evidence"
    OBJECT_MISSING = "object_missing"
    FOREIGN_BUCKET = "foreign_bucket"
    REPLAYED_ALREADY = "replayed_already"
    CHANGED = "changed"


def is_held_back(row: ImageRow) -> bool:
    """The row waits and is quarantined: reconciliation gave it up, and only a person lets it go on."""
    return row.quarantined and not row.status.is_settled


def refusal(row: ImageRow, boundary: Boundary) -> Refusal | None:
    """Return why a replay to `boundary` has nothing to do with a row as it stands, or None."""
    if boundary.validates:
        return None if row.status is Status.REJECTED_TECHNICAL else Refusal.NOT_REJECTED
    if is_held_back(row):
        return None if boundary.asks else Refusal.NO_ANSWERS
    if row.status is Status.PENDING_VLM_ENRICHMENT:
        return Refusal.BEING_SCORED
    if row.status not in (Status.ENRICHED, Status.VLM_FAILED):
        return Refusal.ERASED if row.status is Status.ERASED else Refusal.NEVER_SCORED
    if not boundary.asks and (row.status is not Status.ENRICHED or row.result_id is None):
        return Refusal.NO_ANSWERS
    return None


def replayed(
    row: ImageRow, boundary: Boundary, *, lane: Lane, now: datetime, fleet: str | None = None
) -> ImageRow:
    """Return the row moved to a boundary that asks: in the gap, where reconciliation finds it.

    A row that is held back stands at its boundary already: it is let back into the gap as it is, with its
    generation, and everything counted against it forgotten. One whose file is read again keeps its generation
    too: nothing was ever asked in it.

    Args:
        fleet: the extra fleet that scores it from now on, `default` for the usual one; None leaves it where
            the last replay sent it.

    Raises:
        IllegalTransitionError: see `refusal`.
    """
    if fleet is not None:
        row = replace(row, fleet=None if fleet == USUAL_FLEET else fleet)
    if boundary.validates:
        # Its date is that of any row in validation: past the stream's, whose function is too small to decode.
        return replace(advanced(row, Event.REVALIDATED, now=now), lane=lane)
    if is_held_back(row):
        return replace(
            row,
            lane=lane,
            due_at=now,
            intent_at=None,
            intent_id=None,
            emissions=0,
            attempts=0,
            returns=0,
            postponed=0,
            quarantined=False,
        )
    # What is to be carried over needs a result to be carried over from.
    questions = boundary.questions if row.result_id is not None else None
    return replace(advanced(row, Event.REPLAYED, now=now), lane=lane, questions=questions)


def decided_again(
    row: ImageRow, result: Result, decision: Decision, *, now: datetime
) -> tuple[ImageRow, Result]:
    """Return the row of the next generation with the same answers and a new decision, and its result.

    Repeated for the same row, answers and policy version, the result has the same id: a crash before the row
    names it leaves nothing behind that the repetition doesn't use.

    Raises:
        IllegalTransitionError: see `refusal`.
    """
    generation = row.generation + 1
    origin = f"{result.result_id}/{decision.policy_version}"
    again = replace(
        result,
        result_id=f"{generation}-rules-{hashlib.sha256(origin.encode()).hexdigest()[:16]}",
        generation=generation,
        decision=decision,
        at=now,
    )
    head = replace(
        advanced(row, Event.REGRADED_BY_RULES, now=now),
        decision=decision,
        decided_generation=generation,
        result_id=again.result_id,
    )
    return head, again


def answers_count(
    result: Result, *, questions: Sequence[str], prompt_pack: str, fingerprints: Sequence[str]
) -> bool:
    """Whether a result's answers are those that a policy judges: its questions, its pack, its fingerprints.

    Args:
        fingerprints: those that the policy accepts; empty accepts any.
    """
    return (
        result.prompt_pack in (None, prompt_pack)
        and set(questions) <= result.answers.keys()
        and (not fingerprints or result.fingerprint in fingerprints)
    )
