"""Outcomes and what becomes of the message."""

import pytest

from parjanya_dagster.core.execution.outcome import (
    Completed,
    Disposition,
    Outcome,
    Retry,
    Superseded,
    TerminalFailure,
    disposition_of,
    standing,
)
from parjanya_dagster.core.truth.row import Status
from tests.builders import a_result, a_row


@pytest.mark.parametrize(
    ("outcome", "disposition"),
    [
        (Completed(result=a_result()), Disposition.DELETE),
        (TerminalFailure(code="oom", detail=""), Disposition.DELETE),
        (Superseded(reason="done"), Disposition.DELETE),
        (Retry(reason="throttled", delay_s=5), Disposition.KEEP),
    ],
)
def test_disposition_follows_from_the_outcome_alone(outcome: Outcome, disposition: Disposition) -> None:
    """Field notes: Cortex and terraform-aws-github-runner deleted messages whose handler had failed."""
    assert disposition_of(outcome) is disposition


def test_standing_of_a_wanted_job_is_none() -> None:
    """A pending row of the same generation still waits for this job."""
    assert standing(a_row(), 1) is None


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.PENDING_VLM_ENRICHMENT])
def test_standing_on_any_other_status_is_superseded(status: Status) -> None:
    """A duplicate delivery costs one read."""
    assert standing(a_row(status=status), 1) is not None


@pytest.mark.parametrize("generation", [0, 2])
def test_standing_of_another_generation_is_superseded(generation: int) -> None:
    """A zombie's job matches nothing."""
    assert standing(a_row(), generation) is not None


def test_standing_without_a_row_is_superseded() -> None:
    """An erased image is not scored."""
    assert standing(None, 1) == Superseded(reason="row_missing")
