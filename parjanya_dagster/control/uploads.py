"""Requesting an upload: the row first, then a URL that accepts exactly these bytes, once."""

from datetime import timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.ports import PresignedPut, Token
from parjanya_dagster.core.truth.identity import ImageKey, new_image_id
from parjanya_dagster.core.truth.row import ImageRow, Original, Status

MAX_UPLOAD_BYTES: Final = 200 * 1024 * 1024
_CLOCK_SKEW: Final = timedelta(minutes=1)


class UploadRequest(BaseModel):
    """What a client says about the file it will send."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file_name: str = Field(min_length=1, max_length=255)
    content_type: str = Field(pattern=r"^[a-z]+/[a-z0-9.+-]+$", max_length=100)
    size_bytes: int = Field(gt=0, le=MAX_UPLOAD_BYTES)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    priority: str = Field(default="normal", pattern=r"^(high|normal|low)$")


class UploadTicket(BaseModel):
    """Where and how to send the file."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    image_id: str
    put: PresignedPut


def request_upload(platform: Platform, token: Token, request: UploadRequest) -> UploadTicket:
    """Write a `pending_upload` row and return the presigned PUT for it.

    Raises:
        InvalidRequestError: the token's role may not upload.
    """
    if token.role not in ("admin", "photographer"):
        raise InvalidRequestError(f"role '{token.role}' may not upload; ask for a photographer's token")
    now = platform.clock()
    # A marker that went missing is written again by whoever uses the tenant (incident 5).
    platform.control.register_tenant(token.tenant_id, now=now)
    image_id = new_image_id(now, platform.entropy(10))
    bucket = platform.names.uploads_bucket(token.tenant_id)
    key = original_key(image_id, request.file_name)
    life = platform.limits.upload_url_life
    put = platform.objects.presign_put(
        bucket,
        key,
        content_type=request.content_type,
        size_bytes=request.size_bytes,
        sha256=request.sha256,
        expires_s=int(life.total_seconds()),
    )
    row = ImageRow(
        key=ImageKey(tenant_id=token.tenant_id, image_id=image_id),
        status=Status.PENDING_UPLOAD,
        generation=1,
        entered_at=now,
        due_at=now + life + platform.limits.longest_transfer + _CLOCK_SKEW,
        priority=request.priority,
        uploader=token.subject,
        file_name=request.file_name[:255],
        content_type=request.content_type,
        original=Original(bucket=bucket, key=key, size_bytes=request.size_bytes),
    )
    if not platform.images.create(row):
        raise InvalidRequestError(f"image {image_id} exists already; ask again for a new upload")
    return UploadTicket(image_id=image_id, put=put)
