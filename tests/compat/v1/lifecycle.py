"""The lifecycle of an image row: the table of allowed transitions, as data.

A transition that is not in the table cannot be written: `advanced` raises, and the edges write nothing
that did not pass through it.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tests.compat.v1.errors import IllegalTransitionError
from tests.compat.v1.row import ImageRow, Status


class Event(StrEnum):
    """What happened to an image."""

    UPLOAD_SEEN = "upload_seen"
    UPLOAD_ABANDONED = "upload_abandoned"
    VALIDATED = "validated"
    REJECTED = "rejected"
    REVALIDATED = "revalidated"
    SCORED = "scored"
    FAILED = "failed"
    REPLAYED = "replayed"
    REGRADED_BY_RULES = "regraded_by_rules"
    ERASED = "erased"


TRANSITIONS: Final[dict[tuple[Status, Event], Status]] = {
    (Status.PENDING_UPLOAD, Event.UPLOAD_SEEN): Status.PENDING_VALIDATION,
    (Status.UPLOAD_FAILED, Event.UPLOAD_SEEN): Status.PENDING_VALIDATION,
    (Status.PENDING_UPLOAD, Event.UPLOAD_ABANDONED): Status.UPLOAD_FAILED,
    (Status.PENDING_VALIDATION, Event.VALIDATED): Status.PENDING_VLM_ENRICHMENT,
    (Status.PENDING_VALIDATION, Event.REJECTED): Status.REJECTED_TECHNICAL,
    (Status.REJECTED_TECHNICAL, Event.REVALIDATED): Status.PENDING_VALIDATION,
    (Status.PENDING_VLM_ENRICHMENT, Event.SCORED): Status.ENRICHED,
    # A success may replace a dead-letter failure of its own generation.
    (Status.VLM_FAILED, Event.SCORED): Status.ENRICHED,
    (Status.PENDING_VLM_ENRICHMENT, Event.FAILED): Status.VLM_FAILED,
    (Status.ENRICHED, Event.REPLAYED): Status.PENDING_VLM_ENRICHMENT,
    (Status.VLM_FAILED, Event.REPLAYED): Status.PENDING_VLM_ENRICHMENT,
    (Status.ENRICHED, Event.REGRADED_BY_RULES): Status.ENRICHED,
    **{(status, Event.ERASED): Status.ERASED for status in Status if status is not Status.ERASED},
}

_NEW_GENERATION: Final = frozenset({Event.REPLAYED, Event.REGRADED_BY_RULES})

VALIDATION_PATIENCE: Final = timedelta(seconds=180)
"""Longer than an ingest Lambda may run: a row still in validation after it has lost its Lambda."""


def advanced(row: ImageRow, event: Event, *, now: datetime) -> ImageRow:
    """Return `row` after `event`: new status and date, and nothing left of the status it was in.

    Raises:
        IllegalTransitionError: the table does not allow `event` in the row's status.
    """
    status = TRANSITIONS.get((row.status, event))
    if status is None:
        raise IllegalTransitionError(f"{row.key}: '{event}' is not allowed in status '{row.status}'")
    return replace(
        row,
        status=status,
        generation=row.generation + (event in _NEW_GENERATION),
        entered_at=now,
        due_at=first_due_at(status, now=now),
        intent_at=None,
        intent_id=None,
        emissions=0,
        attempts=0,
        quarantined=False,
        # A batch reports the decision of one generation; its members are on record there.
        batches=None if event in _NEW_GENERATION else row.batches,
    )


def first_due_at(status: Status, *, now: datetime) -> datetime | None:
    """Return when the reconciler should first look at a row that enters `status` now.

    None for settled rows, and for `pending_upload`, whose date depends on the upload's own URL.
    """
    if status is Status.PENDING_VLM_ENRICHMENT:
        return now
    if status is Status.PENDING_VALIDATION:
        return now + VALIDATION_PATIENCE
    return None
