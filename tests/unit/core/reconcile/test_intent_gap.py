"""The intent gap."""

from datetime import timedelta

from parjanya_dagster.core.reconcile.intent_gap import intent_gap
from parjanya_dagster.core.truth.row import Status
from tests.builders import NOON, a_row

GRACE = timedelta(seconds=90)


def test_intent_gap_counts_rows_that_wait_for_a_job() -> None:
    """Incident 2: rows without intent are a number, with samples, by tenant."""
    rows = [
        a_row(1, due_at=NOON - timedelta(seconds=120)),
        a_row(2, tenant_id="zeta"),
        a_row(3, intent_at=NOON),
        a_row(4, status=Status.PENDING_VALIDATION),
        a_row(5, quarantined=True),
    ]

    gap = intent_gap(rows, grace=GRACE, now=NOON)

    assert (gap.total, dict(gap.by_tenant)) == (2, {"acme": 1, "zeta": 1})
    assert gap.is_overdue
    assert gap.oldest_s == 120
    assert gap.samples[0] == str(rows[0].key)


def test_intent_gap_of_nothing_is_zero() -> None:
    """No gap, no age."""
    gap = intent_gap([], grace=GRACE, now=NOON)

    assert (gap.total, gap.oldest_s, gap.is_overdue) == (0, 0.0, False)
