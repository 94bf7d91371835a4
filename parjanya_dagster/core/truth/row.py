"""The image row's head: where one image stands, and what it points to.

It is small (≤ 1 KB) so that a replay is one conditional update: results are items of their own, written
first and then named here, so nothing stale can be read and nothing is lost.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from parjanya_dagster.core.truth.identity import ImageKey

SCHEMA_VERSION = 1


class Status(StrEnum):
    """Where a row stands."""

    PENDING_UPLOAD = "pending_upload"
    UPLOAD_FAILED = "upload_failed"
    PENDING_VALIDATION = "pending_validation"
    REJECTED_TECHNICAL = "rejected_technical"
    PENDING_VLM_ENRICHMENT = "pending_vlm_enrichment"
    ENRICHED = "enriched"
    VLM_FAILED = "vlm_failed"
    ERASED = "erased"

    @property
    def is_settled(self) -> bool:
        """Nothing is waiting to be done to a row of this status."""
        return self not in (
            Status.PENDING_UPLOAD,
            Status.PENDING_VALIDATION,
            Status.PENDING_VLM_ENRICHMENT,
        )


BEFORE_UPLOAD: Final = frozenset({Status.PENDING_UPLOAD, Status.UPLOAD_FAILED})
"""Statuses of rows that do not know of an object; a tombstone knows, and stays one."""


class Lane(StrEnum):
    """Which traffic a row belongs to; fresh uploads are never starved by regrades."""

    FRESH = "fresh"
    REGRADE = "regrade"


class Verdict(StrEnum):
    """What a policy decided."""

    ACCEPT = "accept"
    REJECT = "reject"
    REVIEW = "review"


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The uploaded object, pinned to one version.

    Args:
        etag: as S3 gave it, without quotes.
        sha256: lower-case hex, or None until ingest has read the bytes.
        size_bytes: length of the object.
    """

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Previews:
    """Keys in the tenant's uploads bucket: ≤ 1536 px for people, and one at the model's own grid."""

    display_key: str
    model_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a policy version concluded about one image."""

    verdict: Verdict
    reason_codes: tuple[str, ...]
    policy_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A person's verdict; it stands above the policy's until it is taken back."""

    verdict: Verdict
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """The two batches a decided image joined: one of its tenant, one of its photographer."""

    tenant: str
    photographer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """The head of an image row.

    Args:
        generation: ≥ 1; every replay adds one. A row rebuilt from an object takes clock milliseconds.
        entered_at: when `status` was entered.
        due_at: when the reconciler should look at this row; None when it waits for nothing or is quarantined.
        intent_at: when the outstanding job was sent; None without one.
        emissions: jobs sent for this generation.
        attempts: attempts recorded for this status and generation, written before the work.
        last_error: `code: detail` of the last failure, ≤ 300 characters.
        returns: dead letters of this generation that came back without evidence against the image.
        postponed: refusals in a row that moved `due_at`; the next wait is longer.
        fleet: the extra fleet that scores it, as a replay said; None is the usual one. Kept until another
            replay names another.
        questions: what a replay asks anew, by id; the rest is carried over from `result_id`. None asks all.
        decided_generation: generation of `decision`, which stays in force during a replay.
        result_id: the result item behind `decision`.
        override: a person's verdict, if one was given.
        batches: where the image is reported; None until it joined.
        scored_by: `dagster:<run>:<step>` or `headless:<instance>`.
    """

    key: ImageKey
    status: Status
    generation: int
    entered_at: datetime
    lane: Lane = Lane.FRESH
    priority: str = "normal"
    uploader: str | None = None
    file_name: str | None = None
    content_type: str | None = None
    due_at: datetime | None = None
    intent_at: datetime | None = None
    intent_id: str | None = None
    emissions: int = 0
    attempts: int = 0
    quarantined: bool = False
    returns: int = 0
    postponed: int = 0
    fleet: str | None = None
    questions: tuple[str, ...] | None = None
    last_error: str | None = None
    original: Original | None = None
    previews: Previews | None = None
    decided_generation: int | None = None
    decision: Decision | None = None
    result_id: str | None = None
    scored_by: str | None = None
    override: Override | None = None
    batches: Batches | None = None
    schema: int = SCHEMA_VERSION

    @property
    def has_outstanding_intent(self) -> bool:
        """A job of this generation was sent and no outcome is durable yet."""
        return self.status is Status.PENDING_VLM_ENRICHMENT and self.intent_at is not None

    @property
    def is_gap(self) -> bool:
        """The row waits for something the reconciler has to start."""
        return not self.status.is_settled and not self.quarantined and not self.has_outstanding_intent
