"""Selections, and plans that are carried out as they were reviewed."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.reconcile.replay import (
    EVERYTHING,
    FROM_THE_FILE,
    RULES_ALONE,
    Boundary,
    Refusal,
)
from parjanya_dagster.core.reconcile.replay_plan import (
    Entry,
    ReplayPlan,
    Selection,
    moved_since,
    planned,
    slices,
)
from parjanya_dagster.core.truth.identity import created_at_of
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status, Verdict
from tests.builders import NOON, a_decision, a_key, a_row

ENRICHED = a_row(status=Status.ENRICHED)
UPLOADED = created_at_of(ENRICHED.key.image_id)
MOMENT = timedelta(milliseconds=1)


def a_plan(*rows: ImageRow, boundary: Boundary = EVERYTHING, fleet: str | None = None) -> ReplayPlan:
    """Return the plan for these rows."""
    letters = {"letter": a_key()}
    return planned("replay", rows, boundary, lane=Lane.REGRADE, now=NOON, letters=letters, fleet=fleet)


@pytest.mark.parametrize(
    ("criteria", "matches"),
    [
        ({}, True),
        ({"keys": (ENRICHED.key,)}, True),
        ({"keys": (a_key(2),)}, False),
        ({"tenants": ("acme", "zeta")}, True),
        ({"tenants": ("zeta",)}, False),
        ({"statuses": frozenset({Status.ENRICHED})}, True),
        ({"statuses": frozenset({Status.VLM_FAILED})}, False),
        ({"policy_version": "v1"}, True),
        ({"policy_version": "v2"}, False),
        ({"verdict": Verdict.ACCEPT}, True),
        ({"verdict": Verdict.REJECT}, False),
        ({"since": UPLOADED, "until": UPLOADED + MOMENT}, True),
        ({"since": UPLOADED + MOMENT}, False),
        ({"until": UPLOADED}, False),
        ({"failure": "oom"}, False),
    ],
)
def test_row_when_every_criterion_holds_matches(criteria: dict[str, Any], *, matches: bool) -> None:
    """Criteria narrow each other down; the window is that of the upload."""
    assert Selection(**criteria).matches(ENRICHED) is matches


def test_failure_when_asked_for_is_that_of_a_row_that_failed() -> None:
    """A row that waits again keeps the words of its last failure, and has not failed."""
    failed = a_row(status=Status.VLM_FAILED, last_error="oom: 400 tokens do not fit")

    assert Selection(failure="oom").matches(failed)
    assert not Selection(failure="dead_letter").matches(failed)
    assert not Selection(failure="oom").matches(replace(failed, status=Status.PENDING_VLM_ENRICHMENT))


def test_selection_when_nothing_was_said_means_everything() -> None:
    """So that a command can ask back."""
    assert Selection().is_everything
    assert not Selection(tenants=("acme",)).is_everything
    assert not Selection(policy_version="v1").matches(a_row())


@given(st.permutations(range(1, 6)), st.sampled_from([EVERYTHING, RULES_ALONE]))
def test_digest_names_rows_generations_and_boundary_in_any_order(order: list[int], to: Boundary) -> None:
    """The same list has the same name, and another one another."""
    rows = [a_row(number, status=Status.ENRICHED) for number in order]
    plan = a_plan(*rows, boundary=to)

    assert plan == a_plan(*sorted(rows, key=lambda row: row.key), boundary=to)
    others = [
        a_plan(*rows[1:], boundary=to),
        a_plan(replace(rows[0], generation=2), *rows[1:], boundary=to),
        a_plan(*rows, boundary=Boundary(questions=("focus",))),
        a_plan(*rows, boundary=to, fleet="large"),
    ]
    assert plan.digest not in {other.digest for other in others}


def test_plan_when_written_to_a_file_and_read_is_the_same() -> None:
    """What was reviewed is what is run."""
    plan = a_plan(ENRICHED, a_row(2, status=Status.VLM_FAILED), fleet="large")

    assert ReplayPlan.from_document(json.loads(json.dumps(plan.to_document()))) == plan


def test_plan_from_before_there_were_fleets_is_read() -> None:
    """A review may take longer than an upgrade."""
    document = a_plan(ENRICHED).to_document()
    del document["fleet"]

    assert ReplayPlan.from_document(document) == a_plan(ENRICHED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": []}, "changed after its preview"),
        ({"boundary": "none"}, "changed after its preview"),
        ({"fleet": "large"}, "changed after its preview"),
        ({"version": 2}, "version 2"),
        ({"lane": "fast"}, "not a plan"),
        ({"rows": [["acme"]]}, "not a plan"),
    ],
)
def test_plan_when_its_file_was_edited_is_refused(change: dict[str, Any], message: str) -> None:
    """A list that nobody reviewed is not carried out."""
    with pytest.raises(InvalidRequestError, match=message):
        ReplayPlan.from_document(a_plan(ENRICHED).to_document() | change)


@pytest.mark.parametrize("document", [None, [], {}, "plan"])
def test_plan_when_the_file_holds_something_else_is_refused(document: object) -> None:
    """Any file at all gets an answer for a person."""
    with pytest.raises(InvalidRequestError, match="not a plan"):
        ReplayPlan.from_document(document)


HELD_BACK = a_row(quarantined=True)
REJECTED = a_row(status=Status.REJECTED_TECHNICAL)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (ENRICHED, ENRICHED, None),
        (ENRICHED, None, Refusal.MISSING),
        (ENRICHED, replace(ENRICHED, generation=2), Refusal.REPLAYED_ALREADY),
        (ENRICHED, replace(ENRICHED, generation=3), Refusal.CHANGED),
        (ENRICHED, replace(ENRICHED, status=Status.ERASED), Refusal.CHANGED),
        (a_row(status=Status.VLM_FAILED), ENRICHED, Refusal.CHANGED),
        (HELD_BACK, HELD_BACK, None),
        (HELD_BACK, a_row(), Refusal.REPLAYED_ALREADY),
        (ENRICHED, replace(ENRICHED, decision=a_decision(Verdict.REJECT)), None),
    ],
)
def test_entry_when_its_row_moved_since_is_left_alone(
    before: ImageRow, now: ImageRow | None, expected: Refusal | None
) -> None:
    """A late success, a replay by somebody else, an erasure: what was not reviewed is not touched."""
    entry = Entry(key=before.key, generation=before.generation, status=before.status)

    assert moved_since(entry, now, EVERYTHING) is expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (Status.REJECTED_TECHNICAL, None),
        (Status.PENDING_VALIDATION, Refusal.REPLAYED_ALREADY),
        (Status.ENRICHED, Refusal.REPLAYED_ALREADY),
        (Status.ERASED, Refusal.CHANGED),
    ],
)
def test_entry_when_its_file_is_read_again_already_is_passed_over(
    now: Status, expected: Refusal | None
) -> None:
    """Its generation stays, so its status tells: nothing but a replay takes a row out of rejection."""
    entry = Entry(key=REJECTED.key, generation=REJECTED.generation, status=REJECTED.status)

    assert moved_since(entry, replace(REJECTED, status=now), FROM_THE_FILE) is expected


def test_entries_when_sliced_stay_whole_and_in_order() -> None:
    """Every entry is dealt with once."""
    entries = a_plan(*(a_row(number, status=Status.ENRICHED) for number in range(1, 8))).entries

    parts = list(slices(entries, 3))

    assert [len(part) for part in parts] == [3, 3, 1]
    assert [entry for part in parts for entry in part] == list(entries)
