"""Settling: the order of writes, and what a write that lost turns into."""

from dataclasses import replace

import pytest

from gpu_worker.effects import Settlement
from gpu_worker.settle import record_attempt, settle
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.execution.outcome import Completed, Outcome, Retry, Superseded, TerminalFailure
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NOON, a_job, a_result, a_row

COMPLETED = Completed(result=a_result("1-attempt"))


def _settlement(row: ImageRow, outcome: Outcome = COMPLETED, *, recorded: bool = False) -> Settlement:
    return Settlement(
        receipt="r1",
        job=a_job(replace(row, status=Status.PENDING_VLM_ENRICHMENT, generation=1)),
        row=row,
        outcome=outcome,
        has_recorded_attempt=recorded,
    )


def _fakes(row: ImageRow) -> FakePlatform:
    fakes = a_fake_platform()
    fakes.images.add(row)
    return fakes


def _stamped(**changes: object) -> ImageRow:
    return replace(a_row(intent_at=NOON, intent_id="intent-1", emissions=1), **changes)  # type: ignore[arg-type]  # any field


def test_success_when_settled_writes_the_result_before_the_head_names_it() -> None:
    """A crash in between leaves an unnamed result, never a head that names nothing."""
    fakes = _fakes(_stamped())

    outcome = settle(fakes.platform(), _settlement(_stamped()), scored_by="headless:test")

    assert outcome == COMPLETED
    assert fakes.calls.writes == ["images.put_result", "images.write"]
    row = fakes.images.rows[_stamped().key]
    assert (row.status, row.result_id, row.scored_by) == (Status.ENRICHED, "1-attempt", "headless:test")
    assert (row.intent_at, row.due_at, row.emissions) == (None, None, 0)


def test_success_when_its_job_outran_the_stamp_leaves_no_stamp_behind() -> None:
    """A stamp that lands between our read and our write must not survive on a settled row."""
    unstamped = a_row()
    fakes = _fakes(_stamped())  # the sender stamped after our read

    settle(fakes.platform(), _settlement(unstamped), scored_by="headless:test")

    row = fakes.images.rows[unstamped.key]
    assert (row.status, row.intent_at, row.intent_id) == (Status.ENRICHED, None, None)


def test_success_when_its_row_failed_meanwhile_replaces_the_failure() -> None:
    """A success may replace a dead-letter failure of its own generation."""
    fakes = _fakes(_stamped(status=Status.VLM_FAILED, last_error="dead_letter: 20 deliveries"))

    outcome = settle(fakes.platform(), _settlement(_stamped()), scored_by="headless:test")

    assert outcome == COMPLETED
    row = fakes.images.rows[_stamped().key]
    assert (row.status, row.last_error) == (Status.ENRICHED, None)


@pytest.mark.parametrize(
    "now", [_stamped(status=Status.ENRICHED), _stamped(generation=2), _stamped(status=Status.ERASED)]
)
def test_write_when_it_lost_to_a_settled_or_newer_row_is_superseded(now: ImageRow) -> None:
    """Nobody waits any more: the message goes, the row stays as it is."""
    fakes = _fakes(now)

    outcome = settle(fakes.platform(), _settlement(_stamped()), scored_by="headless:test")

    assert isinstance(outcome, Superseded)
    assert fakes.images.rows[now.key] == now


def test_failure_when_settled_is_durable_with_its_reason() -> None:
    """A terminal failure is written before its message may go."""
    fakes = _fakes(_stamped())

    settle(
        fakes.platform(),
        _settlement(_stamped(), TerminalFailure(code="object_missing", detail="bucket/key")),
        scored_by="headless:test",
    )

    row = fakes.images.rows[_stamped().key]
    assert (row.status, row.last_error) == (Status.VLM_FAILED, "object_missing: bucket/key")


def test_failure_when_its_row_failed_already_is_superseded() -> None:
    """Two workers that give up on one image write one failure."""
    fakes = _fakes(_stamped(status=Status.VLM_FAILED))
    failure = TerminalFailure(code="engine_error", detail="test")

    outcome = settle(fakes.platform(), _settlement(_stamped(), failure), scored_by="headless:test")

    assert isinstance(outcome, Superseded)


def test_retry_when_an_attempt_was_recorded_takes_it_back() -> None:
    """Only faults of the image count toward poison: an outage does not."""
    fakes = _fakes(_stamped(attempts=1))
    retry = Retry(reason="engine_failed", delay_s=3)

    outcome = settle(
        fakes.platform(), _settlement(_stamped(attempts=1), retry, recorded=True), scored_by="headless:test"
    )

    assert outcome == retry
    assert fakes.images.rows[_stamped().key].attempts == 0


def test_truth_when_it_does_not_answer_is_the_callers_to_see() -> None:
    """An outcome that is not durable is never reported as one."""
    fakes = _fakes(_stamped())
    fakes.calls.fail("images.write", UnavailableError("timeout"))

    with pytest.raises(UnavailableError):
        settle(fakes.platform(), _settlement(_stamped()), scored_by="headless:test")


def test_attempt_when_recorded_stands_in_the_head_before_the_work() -> None:
    """A crash while the suspect is scored alone leaves its evidence."""
    fakes = _fakes(_stamped())

    recorded = record_attempt(fakes.platform(), a_job(), _stamped())

    assert isinstance(recorded, ImageRow)
    assert fakes.images.rows[recorded.key].attempts == recorded.attempts == 1


def test_attempt_when_its_row_has_moved_on_is_refused() -> None:
    """Nobody waits for this suspect any more."""
    fakes = _fakes(_stamped(generation=2))

    assert isinstance(record_attempt(fakes.platform(), a_job(), _stamped()), Superseded)
