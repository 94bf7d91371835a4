"""What the demo asserts from Truth, and how it names what is stuck."""

from collections import Counter
from datetime import timedelta

from parjanya_dagster.cli.proof import intent_faults, row_faults
from parjanya_dagster.cli.waiting import await_verdicts, diagnosis_of
from parjanya_dagster.core.errors import DeniedError
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import NOON, a_job, a_result, a_row


def test_rows_with_verdict_and_fingerprint_are_proven() -> None:
    """An accepted photo and a named technical rejection are both an outcome."""
    fakes = a_fake_platform()
    scored = a_row(1, status=Status.ENRICHED)
    fakes.images.put_result(scored.key, a_result())
    refused = a_row(2, status=Status.REJECTED_TECHNICAL, last_error="truncated")

    assert row_faults(fakes.platform(), [scored, refused], with_dagster=False) == []


def test_row_without_verdict_or_fingerprint_is_a_fault() -> None:
    """A failure, a nameless rejection and a verdict without evidence are all named."""
    fakes = a_fake_platform()
    rows = [
        a_row(1, status=Status.VLM_FAILED, last_error="engine: out of memory"),
        a_row(2, status=Status.REJECTED_TECHNICAL),
        a_row(3, status=Status.ENRICHED),
    ]

    faults = row_faults(fakes.platform(), rows, with_dagster=False)

    assert [fault.partition(": ")[2] for fault in faults] == [
        "vlm_failed (engine: out of memory)",
        "rejected_technical",
        "its verdict names no result with a fingerprint",
    ]


def test_dagster_that_scored_nothing_is_a_fault_and_so_is_a_run_without_dagster() -> None:
    """Each mode of the demo proves its own way of scoring."""
    fakes = a_fake_platform()
    headless, dagster = (
        a_row(1, status=Status.ENRICHED),
        a_row(2, status=Status.ENRICHED, scored_by="dagster:run:step"),
    )
    for row in (headless, dagster):
        fakes.images.put_result(row.key, a_result())

    assert "scored nothing" in row_faults(fakes.platform(), [headless], with_dagster=True)[0]
    assert row_faults(fakes.platform(), [headless, dagster], with_dagster=True) == []
    assert "expected headless" in row_faults(fakes.platform(), [dagster], with_dagster=False)[0]


def test_intent_that_is_left_is_a_fault() -> None:
    """A message, a dead letter or a stamp that stays behind is work that nobody owns."""
    fakes = a_fake_platform()
    row = a_row(intent_at=NOON, intent_id="intent-1")
    fakes.images.add(row)
    fakes.queue.send([a_job(row)])

    stamps, messages = intent_faults(fakes.platform())

    assert str(row.key) in stamps
    assert messages == "queue: 1 messages left"


def test_queue_that_cannot_be_read_is_a_fault() -> None:
    """Blind is never zero: an unreadable queue proves nothing."""
    fakes = a_fake_platform()
    fakes.calls.fail("queue.depth", DeniedError("sqs:GetQueueAttributes"))

    assert "blind" in intent_faults(fakes.platform())[0]


def test_waiting_ends_when_all_are_settled_and_keeps_the_order() -> None:
    """The rows come back as the photos were given."""
    fakes = a_fake_platform()
    rows = [a_row(number, status=Status.REJECTED_TECHNICAL, last_error="truncated") for number in (2, 1)]
    fakes.images.add(*rows)
    seen: list[Counter[Status]] = []

    found = await_verdicts(fakes.platform(), [row.key for row in rows], deadline_s=0, on_reading=seen.append)

    assert found == rows
    assert seen == [Counter({Status.REJECTED_TECHNICAL: 2})]


def test_diagnosis_tells_missing_intent_from_intent_that_nobody_realises() -> None:
    """The one question that narrows every incident is answered."""
    fakes = a_fake_platform(now=NOON + timedelta(minutes=5))
    waiting, asked = a_row(1), a_row(2, intent_at=NOON, intent_id="intent-1")

    lines = diagnosis_of(fakes.platform(), [waiting, asked])

    assert lines[0] == "2 in pending_vlm_enrichment, the longest for 300 s"
    assert "Intent is missing" in lines[-2]
    assert "Execution does not realise it" in lines[-1]


def test_diagnosis_of_settled_rows_is_empty() -> None:
    """Nothing stuck, nothing to say."""
    assert diagnosis_of(a_fake_platform().platform(), [a_row(status=Status.ENRICHED)]) == []
