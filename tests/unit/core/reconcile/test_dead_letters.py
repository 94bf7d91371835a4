"""Rulings on dead letters: poison told from infrastructure, and what is kept of each."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from parjanya_dagster.core.ports import DeadLetter
from parjanya_dagster.core.reconcile.actions import Ruling
from parjanya_dagster.core.reconcile.dead_letters import (
    document_of,
    record_from,
    record_of,
    row_after,
    ruled,
)
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.snapshot import FoundLetter
from parjanya_dagster.core.truth.result import Result
from parjanya_dagster.core.truth.row import ImageRow, Status
from tests.builders import NOON, a_job, a_result, a_row

LIMITS = Limits()


def waiting(**changes: Any) -> ImageRow:  # noqa: ANN401 - any field
    """Return a row that waits for the job of `found`."""
    return replace(a_row(intent_at=NOON, intent_id="intent-1", emissions=1), **changes)


def a_letter(body: str = "") -> DeadLetter:
    """Return a message that was given up after a hundred deliveries."""
    return DeadLetter(
        message_id="m-1", body=body, receipt="r-1", receive_count=101, sent_at=NOON - timedelta(hours=1)
    )


def found(row: ImageRow | None, *, result: Result | None = None) -> FoundLetter:
    """Return a dead letter of the first job, beside a row."""
    return FoundLetter(letter=a_letter(), job=a_job(), row=row, result=result)


def test_letter_without_evidence_returns_to_the_gap_with_back_off() -> None:
    """An outage that ate every delivery is not the image's fault."""
    action = ruled(found(waiting()), LIMITS)
    row = row_after(action, limits=LIMITS, now=NOON)

    assert action.ruling is Ruling.RETURNED
    assert row is not None
    assert row.is_gap
    assert (row.intent_id, row.returns, row.due_at) == (None, 1, NOON + LIMITS.first_postponement)


def test_letter_returns_three_times_with_growing_patience_and_then_fails_by_name() -> None:
    """No image circles for ever, and the name says that nothing speaks against it."""
    row, waits = waiting(), []
    for _ in range(3):
        after = row_after(ruled(found(row), LIMITS), limits=LIMITS, now=NOON)
        assert after is not None
        assert after.due_at is not None
        waits.append(after.due_at - NOON)
        row = replace(after, intent_at=NOON, intent_id="intent-1")

    action = ruled(found(row), LIMITS)
    failed = row_after(action, limits=LIMITS, now=NOON)

    assert waits == [timedelta(seconds=30), timedelta(seconds=60), timedelta(seconds=120)]
    assert (action.ruling, action.blames_image) == (Ruling.FAILED, False)
    assert failed is not None
    assert failed.status is Status.VLM_FAILED
    assert (failed.last_error or "").startswith("undeliverable: given up 4 times")


def test_letter_of_an_image_whose_attempts_alone_never_came_back_fails_it() -> None:
    """Two attempts recorded while the image was alone, and no outcome: that is evidence."""
    action = ruled(found(waiting(attempts=2)), LIMITS)
    failed = row_after(action, limits=LIMITS, now=NOON)

    assert (action.ruling, action.blames_image) == (Ruling.FAILED, True)
    assert failed is not None
    assert (failed.last_error or "").startswith("crashed: 2 attempts")


def test_letter_after_one_lost_attempt_returns() -> None:
    """One attempt that never came back may have been a Spot return; the next is alone again, and tells."""
    action = ruled(found(waiting(attempts=1)), LIMITS)
    after = row_after(action, limits=LIMITS, now=NOON)

    assert action.ruling is Ruling.RETURNED
    assert after is not None
    assert after.attempts == 1


def test_letter_whose_result_exists_finishes_the_row() -> None:
    """The answers are there: the worker died before it could name them."""
    result = a_result()
    action = ruled(found(waiting(attempts=2), result=result), LIMITS)
    done = row_after(action, limits=LIMITS, now=NOON)

    assert action.ruling is Ruling.FINISHED
    assert done is not None
    assert (done.status, done.result_id, done.decision) == (
        Status.ENRICHED,
        result.result_id,
        result.decision,
    )
    assert (done.scored_by, done.decided_generation) == (result.scored_by, 1)


@pytest.mark.parametrize(
    ("why", "row"),
    [
        ("row_missing", None),
        ("row is enriched", a_row(status=Status.ENRICHED)),
        ("row is erased", a_row(status=Status.ERASED)),
        ("generation 1 is not 2", waiting(generation=2)),
        ("in quarantine", waiting(quarantined=True)),
        ("another job", waiting(intent_id="intent-2")),
        ("or for none", a_row()),
    ],
)
def test_letter_whose_job_nobody_waits_for_leaves_the_row_alone(why: str, row: ImageRow | None) -> None:
    """A duplicate, a job of an older generation, or one that was settled and not deleted."""
    action = ruled(found(row), LIMITS)

    assert action.ruling is Ruling.SUPERSEDED
    assert why in action.evidence
    assert not action.blames_image
    assert row_after(action, limits=LIMITS, now=NOON) is None


@pytest.mark.parametrize(
    ("error", "blames"), [("engine_error: CUDA assert", True), ("undeliverable: given up 4 times", False)]
)
def test_letter_of_an_image_that_failed_already_keeps_what_it_failed_of(error: str, *, blames: bool) -> None:
    """A terminal failure of the engine is evidence; a failure for want of delivery is none."""
    action = ruled(found(a_row(status=Status.VLM_FAILED, last_error=error)), LIMITS)

    assert (action.ruling, action.blames_image) == (Ruling.SUPERSEDED, blames)
    assert error in action.evidence


def test_letter_that_is_no_job_is_kept_as_it_came() -> None:
    """What nobody can read, somebody must see."""
    action = ruled(FoundLetter(letter=a_letter("x" * 5000), fault="not a job"), LIMITS)
    record = record_of(action, now=NOON)

    assert row_after(action, limits=LIMITS, now=NOON) is None
    assert (record.ruling, record.image, record.body) == (Ruling.UNREADABLE, None, "x" * 2000)
    assert record.is_open
    assert record_from(document_of(record)) == record


def test_record_survives_its_document_and_sorts_by_time_of_sending() -> None:
    """What is written is what is read, whoever looked at it; a redelivery has the same id."""
    record = record_of(ruled(found(waiting()), LIMITS), now=NOON)
    seen = replace(record, acknowledged_by="ada", acknowledged_at=NOON)
    later = replace(record, sent_at=NOON)

    assert record_from(document_of(record)) == record
    assert record_from(document_of(seen)) == seen
    assert record.is_open
    assert not seen.is_open
    assert record.record_id < later.record_id
    assert (record.image, record.generation, record.receive_count) == (str(a_row().key), 1, 101)


def test_record_of_what_needs_nobody_is_closed_from_the_start() -> None:
    """A duplicate is no work for a person."""
    assert not record_of(ruled(found(None), LIMITS), now=NOON).is_open


@pytest.mark.parametrize(
    ("ruling", "row", "overtaken"),
    [
        (Ruling.RETURNED, a_row(), False),
        (Ruling.RETURNED, a_row(status=Status.ENRICHED), True),
        (Ruling.RETURNED, a_row(status=Status.VLM_FAILED), True),
        (Ruling.RETURNED, a_row(generation=2), False),
        (Ruling.RETURNED, a_row(generation=2, decided_generation=1), True),
        (Ruling.RETURNED, a_row(status=Status.ENRICHED, generation=2), True),
        (Ruling.RETURNED, None, False),
        (Ruling.FAILED, a_row(status=Status.VLM_FAILED), False),
        (Ruling.FAILED, a_row(status=Status.ENRICHED), False),
        (Ruling.FAILED, a_row(generation=2), False),
        (Ruling.FAILED, a_row(status=Status.ENRICHED, generation=2), True),
    ],
)
def test_letter_is_overtaken_when_its_image_came_to_an_outcome(
    ruling: Ruling, row: ImageRow | None, *, overtaken: bool
) -> None:
    """A return is over with any outcome of its generation; a failure stays until a later generation ends."""
    record = replace(record_of(ruled(found(waiting()), LIMITS), now=NOON), ruling=ruling)

    assert record.is_overtaken(row) is overtaken


def test_letter_that_is_no_job_is_overtaken_by_nothing() -> None:
    """No image can speak for it."""
    action = ruled(FoundLetter(letter=a_letter("?"), fault="not a job"), LIMITS)

    assert not record_of(action, now=NOON).is_overtaken(a_row(status=Status.ENRICHED))
