"""Settling: Truth first, then the message. Outcomes become durable here, and lost writes are understood.

The result item is written before the head names it, and the head only on condition that it still stands
where the attempt began: two workers with the same job may both score, only one is named.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from gpu_worker.effects import Settlement
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.execution.outcome import (
    Completed,
    Outcome,
    Retry,
    Superseded,
    TerminalFailure,
    standing,
)
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.truth.lifecycle import Event, advanced
from parjanya_dagster.core.truth.row import ImageRow, Status

_WRITES: Final = 3
_LOST_AGAIN: Final = Retry(reason="write_lost", delay_s=5)


def settle(platform: Platform, settlement: Settlement, *, scored_by: str) -> Outcome:
    """Make one outcome durable; return it, or what the head showed when the write lost.

    Args:
        scored_by: `dagster:<run>:<step>` or `headless:<instance>`.

    Raises:
        EdgeError: Truth did not answer; the message must be kept.
    """
    outcome = settlement.outcome
    match outcome:
        case Completed():
            platform.images.put_result(settlement.row.key, outcome.result)
            return _write_head(platform, settlement, outcome, scored_by)
        case TerminalFailure():
            return _write_head(platform, settlement, outcome, scored_by)
        case Retry():
            if settlement.has_recorded_attempt:
                row = settlement.row
                platform.images.write(row, replace(row, attempts=max(0, row.attempts - 1)))
            return outcome
        case Superseded():
            return outcome
        case _:
            assert_never(outcome)


def record_attempt(platform: Platform, job: Job, row: ImageRow) -> ImageRow | Outcome:
    """Write to the head that a suspect is about to be scored; return the head, or why that is not wanted.

    Raises:
        EdgeError: Truth did not answer.
    """
    for _ in range(_WRITES):
        after = replace(row, attempts=row.attempts + 1)
        if platform.images.write(row, after):
            return after
        now_row = platform.images.get(job.key)
        superseded = standing(now_row, job.generation)
        if superseded is not None or now_row is None:
            return superseded or _LOST_AGAIN
        row = now_row
    return _LOST_AGAIN


def head_after(
    row: ImageRow, outcome: Completed | TerminalFailure, *, scored_by: str, now: datetime
) -> ImageRow:
    """Return the head that an outcome makes of a row.

    Raises:
        IllegalTransitionError: the row is not one that waits for this outcome.
    """
    if isinstance(outcome, TerminalFailure):
        failed = advanced(row, Event.FAILED, now=now)
        return replace(failed, last_error=f"{outcome.code}: {outcome.detail}"[:300], scored_by=scored_by)
    return replace(
        advanced(row, Event.SCORED, now=now),
        decision=outcome.result.decision,
        decided_generation=outcome.result.generation,
        result_id=outcome.result.result_id,
        scored_by=scored_by,
        last_error=None,
    )


def why_lost(row: ImageRow | None, generation: int, outcome: Outcome) -> Superseded | None:
    """Return why a write that lost needs no repetition, or None when it may be tried on the row as it is now.

    A success replaces a dead-letter failure of its own generation.
    """
    replaces_failure = (
        isinstance(outcome, Completed)
        and row is not None
        and row.generation == generation
        and row.status is Status.VLM_FAILED
    )
    return None if replaces_failure else standing(row, generation)


def _write_head(
    platform: Platform, settlement: Settlement, outcome: Completed | TerminalFailure, scored_by: str
) -> Outcome:
    job = settlement.job
    row: ImageRow | None = settlement.row
    for _ in range(_WRITES):
        if row is None:
            break
        after = head_after(row, outcome, scored_by=scored_by, now=platform.clock())
        if platform.images.write(row, after):
            return outcome
        row = platform.images.get(job.key)
        superseded = why_lost(row, job.generation, outcome)
        if superseded is not None:
            return superseded
    return _LOST_AGAIN
