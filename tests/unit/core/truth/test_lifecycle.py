"""The lifecycle's table."""

import pytest

from parjanya_dagster.core.errors import IllegalTransitionError
from parjanya_dagster.core.truth.lifecycle import TRANSITIONS, VALIDATION_PATIENCE, Event, advanced
from parjanya_dagster.core.truth.row import Status
from tests.builders import NOON, a_row


@pytest.mark.parametrize(("status", "event"), [(s, e) for s in Status for e in Event])
def test_advanced_with_any_pair_follows_the_table_or_refuses(status: Status, event: Event) -> None:
    """Nothing but the table decides what may follow what."""
    row = a_row(status=status)
    if (status, event) in TRANSITIONS:
        assert advanced(row, event, now=NOON).status is TRANSITIONS[status, event]
    else:
        with pytest.raises(IllegalTransitionError, match=event.value):
            advanced(row, event, now=NOON)


def test_advanced_when_replayed_starts_a_generation_without_intent() -> None:
    """A replay is one update: generation + 1, nothing outstanding, the last decision still in force."""
    row = a_row(status=Status.ENRICHED, emissions=2, attempts=1)

    replayed = advanced(row, Event.REPLAYED, now=NOON)

    assert replayed.generation == row.generation + 1
    assert (replayed.intent_at, replayed.emissions, replayed.attempts) == (None, 0, 0)
    assert replayed.decision == row.decision
    assert replayed.is_gap


def test_advanced_when_upload_is_seen_gives_ingestion_its_time() -> None:
    """A row in validation is only stuck once its Lambda must have ended."""
    row = advanced(a_row(status=Status.PENDING_UPLOAD), Event.UPLOAD_SEEN, now=NOON)

    assert row.due_at == NOON + VALIDATION_PATIENCE


def test_row_that_is_settled_is_never_a_gap() -> None:
    """Settled rows leave the sparse index whatever else they carry."""
    gaps = {status for status in Status if a_row(status=status).is_gap}

    assert gaps == {Status.PENDING_UPLOAD, Status.PENDING_VALIDATION, Status.PENDING_VLM_ENRICHMENT}


def test_row_that_is_quarantined_is_no_gap() -> None:
    """A refused row never fills a bounded read."""
    assert not a_row(quarantined=True).is_gap
