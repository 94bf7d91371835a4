"""GET /api/v1/images: a tenant's images, newest first."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from parjanya_dagster.control.listing import images_of
from parjanya_dagster.core.truth.row import Status, Verdict
from parjanya_dagster.web.access import ApiToken, PlatformOf
from parjanya_dagster.web.drawers import Drawers
from parjanya_dagster.web.views import reasons_of, view_of

router = APIRouter(prefix="/api/v1", tags=["images"])


class ImageAnswer(BaseModel):
    """One image as it stands now; the verdict stays in force while the image is scored again."""

    image_id: str
    file_name: str
    status: Status
    generation: int
    verdict: Verdict | None
    reason_codes: tuple[str, ...]
    policy_version: str | None
    scores: dict[str, float]
    scored_by: str | None
    last_error: str | None
    uploaded_at: datetime
    entered_at: datetime


class ImagesAnswer(BaseModel):
    """A page of images; pass `next_before` as `before` for the next, null on the last."""

    images: list[ImageAnswer]
    next_before: str | None


@router.get("/images")
def get_images(
    request: Request,
    token: ApiToken,
    platform: PlatformOf,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: str | None = None,
) -> ImagesAnswer:
    """Return the tenant's images, newest first, older than the image `before`."""
    drawers: Drawers = request.app.state.drawers
    rows = images_of(platform, token.tenant_id, limit=limit, before_image_id=before)
    views = [(row, view_of(row, drawers.of(row))) for row in rows]
    answers = [
        ImageAnswer(
            image_id=view.image_id,
            file_name=view.file_name,
            status=row.status,
            generation=row.generation,
            verdict=row.decision.verdict if row.decision else None,
            reason_codes=reasons_of(row),
            policy_version=view.policy_version,
            scores=dict(view.scores),
            scored_by=row.scored_by,
            last_error=row.last_error,
            uploaded_at=view.uploaded_at,
            entered_at=row.entered_at,
        )
        for row, view in views
    ]
    return ImagesAnswer(images=answers, next_before=rows[-1].key.image_id if len(rows) == limit else None)
