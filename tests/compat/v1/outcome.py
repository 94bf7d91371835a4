"""Outcomes of an attempt, and what each means for the message.

Deletion is a function of the outcome and of nothing else (field notes: Cortex, terraform-aws-github-runner:
both deleted messages whose handler had failed).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from tests.compat.v1.result import Result
from tests.compat.v1.row import ImageRow, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The image was scored and decided."""

    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalFailure:
    """The image itself cannot be scored; another attempt would end the same."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Something around the image failed; the message comes back after `delay_s` seconds."""

    reason: str
    delay_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """Nobody waits for this job any more."""

    reason: str


Outcome = Completed | TerminalFailure | Retry | Superseded


class Disposition(StrEnum):
    """What becomes of the message once Truth is written."""

    DELETE = "delete"
    KEEP = "keep"


def disposition_of(outcome: Outcome) -> Disposition:
    """Return what becomes of the message after the outcome is durable."""
    match outcome:
        case Completed() | TerminalFailure() | Superseded():
            return Disposition.DELETE
        case Retry():
            return Disposition.KEEP
        case _:
            assert_never(outcome)


def standing(row: ImageRow | None, generation: int) -> Superseded | None:
    """Return why a job of `generation` is superseded by the row as it is now, or None while it is wanted.

    Used before fetching, and again after a conditional write lost: a settled row or a newer generation
    means nobody waits; anything else keeps the message.
    """
    if row is None:
        return Superseded(reason="row_missing")
    if row.generation != generation:
        return Superseded(reason=f"generation {generation} is not {row.generation}")
    if row.status is not Status.PENDING_VLM_ENRICHMENT:
        return Superseded(reason=f"row is {row.status}")
    return None
