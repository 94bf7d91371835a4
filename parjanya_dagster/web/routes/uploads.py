"""POST /api/v1/uploads: ask for the place of one upload."""

from collections.abc import Mapping
from datetime import datetime

from fastapi import APIRouter, status
from pydantic import BaseModel

from parjanya_dagster.control.uploads import UploadRequest, request_upload
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.web.access import ApiToken, PlatformOf
from parjanya_dagster.web.problems import ProblemError

router = APIRouter(prefix="/api/v1", tags=["uploads"])


class UploadAnswer(BaseModel):
    """Where to send the file: PUT its bytes to `url` with exactly these `headers` before `expires_at`."""

    image_id: str
    url: str
    headers: Mapping[str, str]
    expires_at: datetime


@router.post("/uploads", status_code=status.HTTP_201_CREATED)
def post_upload(
    request: UploadRequest, token: ApiToken, platform: PlatformOf, tenant: str | None = None
) -> UploadAnswer:
    """Write a row for the upload and return a URL that accepts exactly these bytes, once.

    Args:
        request: the file's name, type, length and sha256.
        tenant: the tenant the client means; refused when the token belongs to another.
    """
    if tenant is not None and tenant != token.tenant_id:
        raise ProblemError(
            status.HTTP_404_NOT_FOUND,
            "unknown_tenant",
            f"this token belongs to tenant '{token.tenant_id}' and knows no tenant '{tenant}': use that "
            f"tenant's token, or add it with `parjanya tenant add {tenant}`",
        )
    try:
        ticket = request_upload(platform, token, request)
    except InvalidRequestError as error:
        raise ProblemError(status.HTTP_403_FORBIDDEN, "role_refused", str(error)) from error
    return UploadAnswer(
        image_id=ticket.image_id,
        url=ticket.put.url,
        headers=ticket.put.headers,
        expires_at=ticket.put.expires_at,
    )
