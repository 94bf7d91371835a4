"""The job: the intent to score one image, as it travels in one SQS message.

It carries everything a worker needs to find the image and to know whether it is still wanted. It can
only be built for an object that ingest confirmed in the tenant's own uploads bucket (incident 4).
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tests.compat.v1.errors import InvalidIntentError
from tests.compat.v1.identity import ImageKey
from tests.compat.v1.names import Names
from tests.compat.v1.row import ImageRow, Lane, Status


class Job(BaseModel):
    """One message on the intents queue."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
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

    @property
    def key(self) -> ImageKey:
        """The row this job is about."""
        return ImageKey(tenant_id=self.tenant_id, image_id=self.image_id)

    @property
    def message_group(self) -> str:
        """Fair-queue group: a tenant's burst in one lane delays nobody else."""
        return f"{self.tenant_id}.{self.lane}"


def job_for(row: ImageRow, *, names: Names, intent_id: str, now: datetime) -> Job:
    """Return the job for a row that waits to be scored.

    Raises:
        InvalidIntentError: the row is not pending enrichment, has no confirmed object, or its object lies
            outside the tenant's uploads bucket; the message names the bucket.
    """
    if row.status is not Status.PENDING_VLM_ENRICHMENT:
        raise InvalidIntentError(f"{row.key}: no job for a row in status '{row.status}'")
    if row.original is None:
        raise InvalidIntentError(f"{row.key}: no object was confirmed for this row")
    expected = names.uploads_bucket(row.key.tenant_id)
    if row.original.bucket != expected:
        raise InvalidIntentError(
            f"{row.key}: its object lies in bucket '{row.original.bucket}', the tenant's is '{expected}'",
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
    )


def job_from_json(body: str) -> Job:
    """Return the job in a message body.

    Raises:
        InvalidIntentError: not a job of a version this reader knows.
    """
    try:
        return Job.model_validate_json(body)
    except ValidationError as error:
        raise InvalidIntentError(f"not a job this version can read: {error}") from error
