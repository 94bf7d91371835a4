"""Why: every status has an owner, a reason, a since, and a deadline where the wait ends by itself."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.why import Answer, Owner, Surroundings, why_image
from parjanya_dagster.core.reconcile.why_tenant import why_tenant
from parjanya_dagster.core.truth.row import ImageRow, Override, Status, Verdict
from parjanya_dagster.core.truth.trail import TrailEntry
from tests.builders import NOON, TENANT, a_queue, a_row
from tests.evidence_builders import a_dead_letter, a_group, a_sent_row, denied

LIMITS = Limits()
MINUTE = timedelta(minutes=1)


def around(**changes: Any) -> Surroundings:  # noqa: ANN401 - any field
    """Return surroundings with a quiet queue, no fleet and two planes that just looked."""
    quiet = Surroundings(
        queue=a_queue(), fleet=a_group(), heartbeats={"lambda": NOON - MINUTE, "dagster": NOON}
    )
    return replace(quiet, **changes)


def why(row: ImageRow, *, now: datetime = NOON, **changes: Any) -> Answer:  # noqa: ANN401 - any surroundings
    """Ask why a row is where it is."""
    return why_image(row, around(**changes), LIMITS, now)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("quarantined", [False, True])
def test_every_status_has_an_answer_and_every_wait_an_owner(status: Status, quarantined: bool) -> None:  # noqa: FBT001 - a parameter
    """Nothing waits without somebody who has to act, and nothing settled waits."""
    answer = why(a_row(status=status, quarantined=quarantined))

    assert answer.reason
    assert answer.then
    assert answer.since == NOON
    assert answer.status == status
    if quarantined:
        assert (answer.owner, answer.deadline) == (Owner.PERSON, None)
    elif status.is_settled:
        assert (answer.owner, answer.deadline) == (Owner.NOBODY, None)
    else:
        assert answer.owner is not Owner.NOBODY


def test_upload_waits_for_its_uploader_while_the_url_is_valid() -> None:
    """Then the sweep looks for the object once more, at the row's own date."""
    row = a_row(status=Status.PENDING_UPLOAD, due_at=NOON + 76 * MINUTE)

    early, late = why(row), why(row, now=NOON + 20 * MINUTE)

    assert (early.owner, early.deadline) == (Owner.UPLOADER, NOON + 76 * MINUTE)
    assert "upload URL valid until 2026-03-01 12:15:00 UTC" in early.evidence
    assert "asked for by ada" in early.evidence
    assert late.owner is Owner.RECONCILE
    assert "expired" in late.reason
    assert "asked for" not in " ".join(why(replace(row, uploader=None)).evidence)


def test_validation_is_ingests_until_it_is_overdue() -> None:
    """Which attempt it is, and who takes over."""
    row = a_row(status=Status.PENDING_VALIDATION, attempts=2)

    early, late = why(row), why(row, now=NOON + 4 * MINUTE)

    assert (early.owner, early.reason) == (Owner.INGEST, "ingestion number 2 is under way")
    assert early.deadline == NOON + 3 * MINUTE
    assert (late.owner, late.reason) == (Owner.RECONCILE, "ingestion number 2 did not end in time")
    assert late.deadline == NOON + 4 * MINUTE
    assert why(replace(row, due_at=None)).deadline is None


def test_gap_says_whether_it_is_due_or_held_back() -> None:
    """A refused row waits longer each time, and says until when."""
    due, held = a_row(), a_row(due_at=NOON + MINUTE, postponed=2, returns=1, last_error="send: throttled")

    assert (why(due).reason, why(due).deadline) == ("no job was sent for it yet", NOON + MINUTE)
    answer = why(held)
    assert answer.owner is Owner.RECONCILE
    assert answer.reason == "it is held back after 2 refusals in a row"
    assert answer.deadline == NOON + 2 * MINUTE
    assert answer.evidence[:2] == (
        "last error: send: throttled",
        "1 dead letter of this generation came back",
    )
    assert "plane lambda last looked 60 s ago" in answer.evidence
    assert "no plane has ever looked" in why(due, heartbeats={}).evidence
    assert why(replace(due, due_at=None)).deadline is None


@pytest.mark.parametrize(
    ("fleet", "owner", "says"),
    [
        (a_group(0), Owner.RECONCILE, "no instance is asked for"),
        (a_group(2, 0), Owner.FLEET, "2 instances asked for, none in service"),
        (a_group(1), Owner.WORKER, "one of 7 on the queue (2 being worked on) of 1 instance"),
    ],
)
def test_job_on_the_queue_waits_for_whoever_is_next(fleet: Any, owner: Owner, says: str) -> None:  # noqa: ANN401 - a signal
    """Nobody asked, nobody came, or somebody works: each is another owner."""
    answer = why(a_sent_row(at=NOON - MINUTE), fleet=fleet, queue=a_queue(visible=5, in_flight=2))

    assert answer.owner is owner
    assert says in answer.reason
    assert answer.since == NOON - MINUTE
    assert answer.deadline == NOON - MINUTE + LIMITS.retention - LIMITS.retention_margin
    assert answer.evidence[0] == "job intent-1 sent 60 s ago, number 1 of this generation"


def test_job_under_blindness_says_what_cannot_be_read() -> None:
    """Blind is never zero: no queue depth is made up."""
    answer = why(a_sent_row(), queue=denied("queue.depth"), fleet=denied("fleet.size"))

    assert "queue.depth cannot be read" in answer.reason
    assert "fleet.size cannot be read" in answer.reason


def test_job_tells_attempts_errors_and_its_dead_letter() -> None:
    """What happened to it before is part of why it waits."""
    row = a_sent_row(attempts=1, last_error="engine: lost")

    answer = why(row, dead_letter=a_dead_letter())

    assert "1 attempt recorded on this image alone" in answer.evidence
    assert "last error: engine: lost" in answer.evidence
    assert answer.evidence[-1].endswith("return 1 of 3; not acknowledged")
    acknowledged = why(row, dead_letter=a_dead_letter(acknowledged_by="ada"))
    assert acknowledged.evidence[-1].endswith("acknowledged by ada")


def test_quarantine_says_what_was_tried() -> None:
    """A person reads why it was set aside, and how to end it."""
    answer = why(a_row(quarantined=True, emissions=5, last_error="quarantined: 5 jobs brought no outcome"))

    assert answer.reason == "quarantined: 5 jobs brought no outcome"
    assert "5 jobs of generation 1" in answer.evidence
    assert "parjanya replay" in answer.then
    assert "no reason was noted" in why(a_row(quarantined=True, original=None)).reason


def test_settled_says_by_whom_under_which_policy_and_who_replayed_it() -> None:
    """The end of the story names its authors."""
    entry = TrailEntry(entry_id="1", who="ada", action="replay --tenant acme", begun_at=NOON)
    override = Override(verdict=Verdict.REJECT, by="eve", reason="rights", at=NOON)
    row = a_row(status=Status.ENRICHED, generation=2, override=override)

    answer = why(row, trail=(entry,))

    assert answer.reason == "it was scored and decided: accept under policy v1 (good)"
    assert answer.evidence == (
        "a person's verdict stands above it: reject by eve, rights",
        "scored by headless:i-0123456789abcdef0",
        "generation 2",
        "'replay --tenant acme' by ada at 2026-03-01 12:00:00 UTC",
    )
    bare = why(a_row(status=Status.ENRICHED, decision=None, scored_by=None))
    assert (bare.reason, bare.evidence) == ("it was scored and decided: no decision", ())


def test_failure_says_its_error_and_the_way_back() -> None:
    """What ended it, and what could begin it again."""
    answer = why(a_row(status=Status.VLM_FAILED, last_error="crashed: twice"), dead_letter=a_dead_letter())

    assert answer.reason == "crashed: twice"
    assert "parjanya replay" in answer.then
    assert len(answer.evidence) == 1


def test_document_holds_plain_values() -> None:
    """What --json prints: text and null, times as ISO."""
    document = why(a_row()).document()

    assert document["owner"] == "reconcile"
    assert document["since"] == NOON.isoformat()
    assert document["deadline"] == (NOON + MINUTE).isoformat()
    assert why(a_row(status=Status.ERASED)).document()["deadline"] is None


def tenant(*rows: ImageRow, is_registered: bool = True) -> Answer:
    """Ask why a tenant's images are where they are."""
    return why_tenant(TENANT, rows, is_registered=is_registered, around=around(), limits=LIMITS, now=NOON)


def test_tenant_waits_as_its_oldest_image_does() -> None:
    """The oldest wait speaks for all; one that only a person can end does not hide the line's state."""
    old, set_aside = (
        a_sent_row(1, entered_at=NOON - 9 * MINUTE),
        a_row(2, quarantined=True, entered_at=NOON - 99 * MINUTE),
    )

    answer = tenant(a_row(3), old, set_aside, a_row(4, status=Status.ENRICHED))

    assert (answer.subject, answer.status, answer.owner) == (f"tenant:{TENANT}", "waiting", Owner.RECONCILE)
    assert answer.reason.startswith("3 of its newest 4 images wait; the oldest: its job is one of 0")
    assert answer.evidence[:2] == ("3 pending_vlm_enrichment, 1 enriched", f"oldest: {old.key}")


def test_tenant_at_rest_or_without_images_is_quiet() -> None:
    """Nothing waits: nobody has to act."""
    assert tenant(a_row(status=Status.ENRICHED)).reason == "nothing waits among its newest 1 image"
    assert (tenant().reason, tenant().since, tenant().owner) == ("it has no images", None, Owner.NOBODY)


def test_tenant_without_its_marker_is_passed_over() -> None:
    """Incident 5 of one tenant: the answer is the command."""
    answer = tenant(a_row(), is_registered=False)

    assert (answer.status, answer.owner) == ("unregistered", Owner.PERSON)
    assert f"parjanya tenant add {TENANT}" in answer.then
