"""The job: the intent to score one image, as it travels in one SQS message.

It carries everything a worker needs to find the image and to know whether it is still wanted. It can
only be built for an object that ingest confirmed in the tenant's own uploads bucket, or in a bucket that an
operator registered as a source of this tenant (incident 4).
"""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from parjanya_dagster.core.errors import InvalidIntentError
from parjanya_dagster.core.names import NO_SOURCES, Names, TenantSources
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status

MESSAGE_VERSION: Final = 1
"""What this process sends. It reads the next version too, as this one plus fields that it may ignore.

Source: docs/adr/0010-versions.md
"""


class Job(BaseModel):
    """One message on the intents queue."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = Field(default=MESSAGE_VERSION, ge=1, le=MESSAGE_VERSION + 1)
    intent_id: str
    tenant_id: str
    image_id: str
    generation: int
    lane: Lane
    priority: str
    sent_at: datetime
    source_bucket: str
    source_key: str
    source_version_id: str | None
    preview_key: str | None
    model_key: str | None
    output_table: str
    questions: tuple[str, ...] | None = None
    """What a replay asks anew; None asks everything, and so does a reader that does not know the field."""
    preview_bucket: str | None = None
    """Where the previews lie; None is beside the original. A reader that does not know the field misses them
    for an adopted original, and reads the original instead."""
    fleet: str | None = None
    """The fleet that a replay named; None is the usual one. The queue a job lies on decides, not this."""

    @property
    def key(self) -> ImageKey:
        """The row this job is about."""
        return ImageKey(tenant_id=self.tenant_id, image_id=self.image_id)

    @property
    def message_group(self) -> str:
        """Fair-queue group: a tenant's burst in one lane delays nobody else."""
        return f"{self.tenant_id}.{self.lane}"

    @property
    def previews_in(self) -> str:
        """The bucket of both previews."""
        return self.preview_bucket or self.source_bucket


def job_for(
    row: ImageRow, *, names: Names, intent_id: str, now: datetime, sources: TenantSources = NO_SOURCES
) -> Job:
    """Return the job for a row that waits to be scored.

    Args:
        sources: registered sources, of this tenant at least; only adopted rows need any.

    Raises:
        InvalidIntentError: the row is not pending enrichment, has no confirmed object, or its object lies
            neither in the tenant's uploads bucket nor in one of its sources; the message names the bucket.
    """
    if row.status is not Status.PENDING_VLM_ENRICHMENT:
        raise InvalidIntentError(f"{row.key}: no job for a row in status '{row.status}'")
    if row.original is None:
        raise InvalidIntentError(f"{row.key}: no object was confirmed for this row")
    uploads = names.uploads_bucket(row.key.tenant_id)
    is_adopted = sources.admit(row.key.tenant_id, row.original.bucket)
    if row.original.bucket != uploads and not is_adopted:
        raise InvalidIntentError(
            f"{row.key}: its object lies in bucket '{row.original.bucket}', the tenant's is '{uploads}', "
            "and nobody registered the other as its source",
        )
    return Job(
        intent_id=intent_id,
        tenant_id=row.key.tenant_id,
        image_id=row.key.image_id,
        generation=row.generation,
        lane=row.lane,
        priority=row.priority,
        sent_at=now,
        source_bucket=row.original.bucket,
        source_key=row.original.key,
        source_version_id=row.original.version_id,
        preview_key=row.previews.display_key if row.previews else None,
        model_key=row.previews.model_key if row.previews else None,
        output_table=names.images_table,
        questions=row.questions,
        preview_bucket=None if row.original.bucket == uploads else uploads,
        fleet=row.fleet,
    )


def job_from_json(body: str) -> Job:
    """Return the job in a message body.

    Raises:
        InvalidIntentError: not a job of a version this reader knows.
    """
    try:
        return Job.model_validate_json(body)
    except ValidationError as error:
        raise InvalidIntentError(
            f"not a job this version can read, which are versions up to {MESSAGE_VERSION + 1}: {error}"
        ) from error
