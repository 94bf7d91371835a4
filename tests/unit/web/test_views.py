"""What a person sees of an image."""

from dataclasses import replace
from datetime import timedelta

import pytest

from parjanya_dagster.core.reconcile.why import Answer, Owner
from parjanya_dagster.core.truth.row import ImageRow, Status, Verdict
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from parjanya_dagster.web.drawers import Drawer, Drawers
from parjanya_dagster.web.views import Show, show_of, view_of
from tests.builders import NOON, a_decision, a_result, a_row, some_facts

BARE = Drawer(facts=None, result=None)


@pytest.mark.parametrize(
    ("row", "show"),
    [
        (a_row(status=Status.ENRICHED), Show.ACCEPTED),
        (a_row(status=Status.ENRICHED, decision=a_decision(Verdict.REVIEW)), Show.REVIEW),
        (a_row(status=Status.ENRICHED, decision=a_decision(Verdict.REJECT)), Show.REJECTED),
        (a_row(status=Status.REJECTED_TECHNICAL), Show.TECHNICAL),
        (a_row(status=Status.VLM_FAILED), Show.FAILED),
        (a_row(status=Status.PENDING_UPLOAD), Show.PENDING),
        (a_row(decision=a_decision(Verdict.REJECT)), Show.REJECTED),
    ],
)
def test_image_stands_where_its_status_and_the_decision_in_force_say(row: ImageRow, show: Show) -> None:
    """A decision stays in force while the image is scored again."""
    assert show_of(row) is show


def test_answers_are_shown_as_scores_chances_and_labels() -> None:
    """An ordinal question is a score, yes and no a chance, and any other question its likeliest label."""
    answers = {
        "photograph": {"probabilities": {"yes": 0.8, "no": 0.2}, "score": None},
        "content_class": {"probabilities": {"slide": 0.3, "photo": 0.7}, "score": None},
        "sharpness": {"probabilities": {"bad": 0.5, "good": 0.5}, "score": 0.5},
    }
    drawer = Drawer(facts=some_facts(), result=a_result(answers=answers))

    view = view_of(a_row(status=Status.ENRICHED), drawer)

    assert view.chances == (("photograph", 0.8),)
    assert view.labels == (("content_class", "photo", 0.7),)
    assert view.scores == (("sharpness", 0.5),)


def test_rejection_and_failure_are_told_by_code_and_detail() -> None:
    """Codes are what scripts see; the detail behind the colon is for people."""
    rejected = view_of(a_row(status=Status.REJECTED_TECHNICAL, last_error="truncated,empty"), BARE)
    failed = view_of(a_row(status=Status.VLM_FAILED, last_error="engine: out of memory"), BARE)

    assert (rejected.reasons, rejected.note) == (("truncated", "empty"), "")
    assert (failed.reasons, failed.note) == (("engine",), "out of memory")


def test_quarantined_image_says_that_it_was_set_aside() -> None:
    """Every wait has a reason."""
    view = view_of(a_row(quarantined=True, last_error="quarantined: emitted 5 times"), BARE)

    assert view.note == "set aside: quarantined: emitted 5 times"


def test_seconds_are_counted_from_the_upload_to_the_status_it_settled_in() -> None:
    """A pending image has none yet."""
    row = a_row(status=Status.ENRICHED)

    assert view_of(row, BARE).took_s == pytest.approx(3600, abs=0.1)
    assert view_of(a_row(), BARE).took_s is None


def test_state_changes_with_everything_that_is_shown() -> None:
    """A card that is out of date is recognised by its state."""
    pending, scored = a_row(), a_row(status=Status.ENRICHED)
    replayed = replace(scored, status=Status.PENDING_VLM_ENRICHMENT, generation=2)
    previewless = replace(pending, previews=None)

    states = {view_of(row, BARE).state for row in (pending, scored, replayed, previewless)}

    assert len(states) == 4


def test_settled_image_is_read_once_and_a_moving_one_every_time() -> None:
    """A page that refreshes costs reads for what moves only."""
    fakes = a_fake_platform(now=NOON + timedelta(minutes=1))
    drawers = Drawers(fakes.images)
    settled, moving = a_row(1, status=Status.ENRICHED), a_row(2)
    fakes.images.put_result(settled.key, a_result())

    for _ in range(2):
        assert drawers.of(settled).result == a_result()
        assert drawers.of(moving) == BARE

    assert fakes.calls.count("images.results") == 1
    assert fakes.calls.count("images.facts") == 3


def test_view_of_a_wait_tells_its_end_where_there_is_one_and_is_the_same_card() -> None:
    """A wait without a date ends by a person; and a queue that moves makes no card out of date."""
    why = Answer(
        subject="acme#1",
        status="waits",
        owner=Owner.RECONCILE,
        reason="it is held back",
        since=NOON,
        deadline=NOON,
        then="its job is sent",
    )

    dated, endless = (view_of(a_row(), BARE, each) for each in (why, replace(why, deadline=None)))

    assert dated.wait == f"It is held back. By {NOON:%-d %b %H:%M:%S} UTC: its job is sent."
    assert endless.wait == "It is held back. Then: its job is sent."
    assert dated.state == endless.state == view_of(a_row(), BARE).state
