"""Builders: valid values with defaults, so that a test states only what matters to it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from parjanya_dagster.core.belief.signals import FleetSize, QueueDepth, Reading
from parjanya_dagster.core.intent.job import Job, job_for
from parjanya_dagster.core.names import PREVIEWS, original_key
from parjanya_dagster.core.reconcile.snapshot import Snapshot
from parjanya_dagster.core.truth.identity import ImageKey, new_image_id
from parjanya_dagster.core.truth.lifecycle import first_due_at
from parjanya_dagster.core.truth.result import IngestFacts, Result
from parjanya_dagster.core.truth.row import Decision, ImageRow, Original, Previews, Status, Verdict
from parjanya_dagster.simulation.fakes.platform import SIMULATED, START

NOON: Final = START
NAMES: Final = SIMULATED
TENANT: Final = "acme"
FINGERPRINT: Final = "cpu-1:test"

_PREVIEWED: Final = frozenset({Status.PENDING_VLM_ENRICHMENT, Status.ENRICHED, Status.VLM_FAILED})
_DECIDED: Final = frozenset({Status.ENRICHED})


def a_key(number: int = 1, *, tenant_id: str = TENANT) -> ImageKey:
    """Return the key of the tenant's image `number`; later numbers are newer."""
    at = NOON - timedelta(hours=1) + timedelta(milliseconds=number)
    return ImageKey(tenant_id=tenant_id, image_id=new_image_id(at, number.to_bytes(10, "big")))


def an_original(of: ImageKey | None = None, /, **changes: Any) -> Original:  # noqa: ANN401 - any field
    """Return the confirmed object of an image, in its tenant's bucket."""
    key = of or a_key()
    original = Original(
        bucket=NAMES.uploads_bucket(key.tenant_id),
        key=original_key(key.image_id, "photo.jpg"),
        version_id="version-1",
        etag="9e107d9d372bb6826bd81d3542a419d6",
        sha256="d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592",
        size_bytes=4_812_345,
    )
    return replace(original, **changes)


def a_decision(verdict: Verdict = Verdict.ACCEPT, *reason_codes: str, policy: str = "v1") -> Decision:
    """Return a decision."""
    return Decision(verdict=verdict, reason_codes=reason_codes or ("good",), policy_version=policy)


def a_row(
    number: int = 1,
    *,
    tenant_id: str = TENANT,
    status: Status = Status.PENDING_VLM_ENRICHMENT,
    **changes: Any,  # noqa: ANN401 - any field
) -> ImageRow:
    """Return the row of image `number` as it looks on entering `status` at noon."""
    key: ImageKey = changes.pop("key", None) or a_key(number, tenant_id=tenant_id)
    row = ImageRow(
        key=key,
        status=status,
        generation=1,
        entered_at=NOON,
        uploader="ada",
        file_name="photo.jpg",
        content_type="image/jpeg",
        due_at=first_due_at(status, now=NOON),
        original=an_original(key),
    )
    if status in _PREVIEWED:
        row = replace(row, previews=previews_of(key))
    if status in _DECIDED:
        row = replace(
            row,
            decision=a_decision(),
            decided_generation=1,
            result_id="1-first",
            scored_by="headless:i-0123456789abcdef0",
        )
    return replace(row, **changes)


def previews_of(key: ImageKey) -> Previews:
    """Return the preview keys of an image."""
    stem = f"{PREVIEWS}{key.image_id}"
    return Previews(display_key=f"{stem}/1536.jpg", model_key=f"{stem}/model.png")


def a_job(row: ImageRow | None = None, *, intent_id: str = "intent-1", now: datetime = NOON) -> Job:
    """Return the job of a row that waits to be scored."""
    return job_for(row or a_row(), names=NAMES, intent_id=intent_id, now=now)


def some_facts(**changes: Any) -> IngestFacts:  # noqa: ANN401 - any field
    """Return facts of ingestion."""
    facts = IngestFacts(
        technical={"format": "JPEG", "width": 6000, "height": 4000, "sharpness_p50": 8.125},
        exif={"make": "Canon", "iso": 400, "exposure_time_s": 0.004, "lens_model": None},
        at=NOON,
    )
    return replace(facts, **changes)


def a_result(result_id: str = "1-first", **changes: Any) -> Result:  # noqa: ANN401 - any field
    """Return the result of an attempt."""
    result = Result(
        result_id=result_id,
        generation=1,
        answers={
            "medium": {"probabilities": {"photograph": 0.9, "other": 0.1}, "label_mass": 1.0},
            "focus": {
                "probabilities": {"sharp": 0.75, "soft": 0.25},
                "score": 0.75,
                "spread": 0.4330127018922193,
            },
        },
        fingerprint=FINGERPRINT,
        decision=a_decision(),
        scored_by="headless:i-0123456789abcdef0",
        at=NOON,
    )
    return replace(result, **changes)


def a_queue(
    visible: int = 0, in_flight: int = 0, delayed: int = 0, *, at: datetime = NOON
) -> Reading[QueueDepth]:
    """Return a reading of a queue; empty by default."""
    return Reading(value=QueueDepth(visible=visible, in_flight=in_flight, delayed=delayed), at=at)


def a_fleet(desired: int = 0, *, in_service: int | None = None, at: datetime = NOON) -> Reading[FleetSize]:
    """Return a reading of the fleet; all of `desired` in service by default."""
    in_service = desired if in_service is None else in_service
    return Reading(value=FleetSize(desired=desired, in_service=in_service, min_size=0, max_size=4), at=at)


def a_snapshot(*gaps: ImageRow, **changes: Any) -> Snapshot:  # noqa: ANN401 - any field
    """Return a snapshot with these gaps, empty queues and no fleet."""
    snapshot = Snapshot(gaps=gaps, queue=a_queue(), dead_letters=a_queue(), fleet=a_fleet())
    return replace(snapshot, **changes)
