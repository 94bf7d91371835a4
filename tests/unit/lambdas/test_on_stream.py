"""The stream's function: keys are a hint, images count for the backlog only."""

from typing import Any

import pytest

from parjanya_dagster.aws.truth_items import head_item
from parjanya_dagster.control.counters import Change, counts
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.lambdas.on_stream import change_of, take
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import a_key, a_row


def record(before: ImageRow | None, after: ImageRow | None, *, sk: str = "head") -> dict[str, Any]:
    """Return a stream record as DynamoDB writes it."""
    row = after or before
    assert row is not None
    images = {"OldImage": before and head_item(before), "NewImage": after and head_item(after)}
    keys = {"pk": {"S": str(row.key)}, "sk": {"S": sk}}
    return {"dynamodb": {"Keys": keys, **{name: image for name, image in images.items() if image}}}


def event(*records: dict[str, Any]) -> dict[str, Any]:
    """Return an event of some records."""
    return {"Records": list(records)}


def test_new_gap_gets_its_job_and_is_counted() -> None:
    """From the write to the job there is one function call."""
    world = a_fake_platform()
    world.images.add(a_row())
    before = a_row(status=Status.PENDING_VALIDATION)

    done = take(world.platform(), event(record(before, a_row()), record(None, a_row(2), sk="facts")))

    assert done["emit:never_sent"] == 1
    assert len(world.queue.jobs) == 1
    by_status = counts(world.platform())["acme"]
    assert by_status == {"pending_vlm_enrichment": 1, "pending_validation": -1}


def test_event_that_is_late_changes_nothing_but_a_number() -> None:
    """What an event says of a row is never believed: the row is read again."""
    world = a_fake_platform()
    world.images.add(a_row(status=Status.ENRICHED))
    world.calls.clear()

    assert take(world.platform(), event(record(None, a_row()))) == {}
    assert world.calls.writes == ["records.add"]
    assert "queue.depth" not in world.calls.names


def test_counter_that_does_not_answer_is_no_reason_to_repeat_the_event() -> None:
    """A repetition would count twice; the audit counts right."""
    world = a_fake_platform()
    world.images.add(a_row())
    world.calls.fail("records.add", UnavailableError("throttled"))

    assert take(world.platform(), event(record(None, a_row())))["emit:never_sent"] == 1


def test_rows_that_cannot_be_read_fail_the_event() -> None:
    """The source repeats it once; after that the sweep finds the row."""
    world = a_fake_platform()
    world.calls.fail("images.get_many", UnavailableError("throttled"))

    with pytest.raises(UnavailableError):
        take(world.platform(), event(record(None, a_row())))


def test_event_without_heads_is_nothing() -> None:
    """Facts and results change no wait."""
    world = a_fake_platform()

    assert take(world.platform(), {}) == {}
    assert not world.calls.writes


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, a_row(), (None, Status.PENDING_VLM_ENRICHMENT)),
        (a_row(), None, (Status.PENDING_VLM_ENRICHMENT, None)),
        (a_row(), a_row(quarantined=True), (Status.PENDING_VLM_ENRICHMENT, None)),
        (a_row(quarantined=True), a_row(status=Status.ERASED), (None, Status.ERASED)),
    ],
)
def test_change_says_what_waited_and_what_waits(
    before: ImageRow | None, after: ImageRow | None, expected: tuple[Status | None, Status | None]
) -> None:
    """A row in quarantine waits for a person, and is no backlog."""
    changed = change_of(record(before, after)["dynamodb"])

    assert changed == Change(key=a_key(), before=expected[0], after=expected[1])
