"""The pages: sign in with a token, and look at the tenant's images."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Query, Request, Response, status
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.templating import Jinja2Templates

from parjanya_dagster.control.listing import images_of
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.tokens import authenticate
from parjanya_dagster.control.why import waits_of
from parjanya_dagster.core.names import PREVIEWS
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.web.access import COOKIE, PageToken, PlatformOf
from parjanya_dagster.web.drawers import Drawers
from parjanya_dagster.web.headers import content_policy
from parjanya_dagster.web.problems import ProblemError
from parjanya_dagster.web.routes.diagnose import MAY_DIAGNOSE
from parjanya_dagster.web.views import Show, show_of, view_of

router = APIRouter(include_in_schema=False)

WINDOW: Final = 500
"""Newest images that the page counts and filters; more are reached by paging."""
PAGE: Final = 60

_PREVIEW_LIFE_S: Final = 300
_SIGNED_IN_S: Final = 12 * 3600
_MAX_FORM_BYTES: Final = 4_096
_NAMES: Final = {
    Show.ACCEPTED: "Accepted",
    Show.REVIEW: "Review",
    Show.REJECTED: "Rejected",
    Show.TECHNICAL: "Technical reject",
    Show.FAILED: "Failed",
    Show.PENDING: "In progress",
}
_MINUTE_S: Final = 60
_templates: Final = Jinja2Templates(directory=Path(__file__).parents[1] / "templates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One page of images out of the window that was read.

    Args:
        counts: images of the window by where they stand.
        older: image to continue before, or None at the end.
    """

    rows: tuple[ImageRow, ...]
    counts: Counter[Show]
    older: str | None


def board_of(window: list[ImageRow], show: Show | None, *, window_is_full: bool) -> Board:
    """Return the images of a window that are shown; of an erased one there is nothing to show."""
    there = [row for row in window if row.status is not Status.ERASED]
    matching = [row for row in there if show is None or show_of(row) is show]
    page = matching[:PAGE]
    last = page[-1] if len(matching) > PAGE else (window[-1] if window_is_full else None)
    return Board(
        rows=tuple(page),
        counts=Counter(show_of(row) for row in there),
        older=last.key.image_id if last else None,
    )


@router.get("/healthz")
def get_health() -> Response:
    """Answer that the process serves."""
    return JSONResponse({"status": "ok"})


@router.get("/")
def get_start(request: Request, token: PageToken) -> Response:
    """Show the sign-in, or the images to whoever is signed in."""
    if token:
        return RedirectResponse("/images", status.HTTP_303_SEE_OTHER)
    return _templates.TemplateResponse(request, "sign_in.html", {"refused": False})


@router.post("/sign-in")
async def post_sign_in(request: Request, platform: PlatformOf) -> Response:
    """Put a token into a cookie that scripts cannot read and other sites cannot send."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            raise ProblemError(status.HTTP_413_CONTENT_TOO_LARGE, "too_large", "a token is shorter than that")
    secret = parse_qs(body.decode("utf-8", errors="replace")).get("token", [""])[0].strip()
    if not secret or authenticate(platform, secret) is None:
        context = {"refused": True}
        return _templates.TemplateResponse(request, "sign_in.html", context, status.HTTP_401_UNAUTHORIZED)
    answer = RedirectResponse("/images", status.HTTP_303_SEE_OTHER)
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=_SIGNED_IN_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/sign-out")
def post_sign_out() -> Response:
    """Forget the token."""
    answer = RedirectResponse("/", status.HTTP_303_SEE_OTHER)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/images")
def get_images_page(
    request: Request,
    token: PageToken,
    platform: PlatformOf,
    show: Show | None = None,
    before: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Show the tenant's images."""
    if token is None:
        return RedirectResponse("/", status.HTTP_303_SEE_OTHER)
    drawers: Drawers = request.app.state.drawers
    window = images_of(platform, token.tenant_id, limit=WINDOW, before_image_id=before)
    board = board_of(window, show, window_is_full=len(window) == WINDOW)
    waits = waits_of(platform, board.rows)
    context = {
        "tenant": token.tenant_id,
        "subject": token.subject,
        "may_diagnose": token.role in MAY_DIAGNOSE,
        "show": show,
        "shows": list(Show),
        "names": _NAMES,
        "took": _took,
        "before": before,
        "board": board,
        "views": [view_of(row, drawers.of(row), waits.get(row.key)) for row in board.rows],
        "window": board.counts.total(),
        "window_is_full": len(window) == WINDOW,
        "pending": board.counts[Show.PENDING] > 0 or any(not row.status.is_settled for row in window),
    }
    answer = _templates.TemplateResponse(request, "images.html", context)
    answer.headers["Content-Security-Policy"] = content_policy(
        image_origin=_storage_origin(platform, token.tenant_id)
    )
    return answer


@router.get("/previews/{image_id}")
def get_preview(image_id: str, token: PageToken, platform: PlatformOf) -> Response:
    """Redirect to the preview of one of the tenant's own images."""
    key = ImageKey(tenant_id=token.tenant_id, image_id=image_id) if token else None
    row = platform.images.get(key) if key else None
    if row is None or row.previews is None:
        return HTMLResponse("no such preview", status.HTTP_404_NOT_FOUND)
    bucket = platform.names.uploads_bucket(row.key.tenant_id)
    url = platform.objects.presign_get(bucket, row.previews.display_key, expires_s=_PREVIEW_LIFE_S)
    answer = RedirectResponse(url, status.HTTP_307_TEMPORARY_REDIRECT)
    # the redirect may be reused while its URL is good for a while yet
    answer.headers["Cache-Control"] = f"private, max-age={_PREVIEW_LIFE_S - 60}"
    return answer


def _storage_origin(platform: Platform, tenant_id: str) -> str:
    """Return the origin that previews are redirected to, so that the page may show images from it."""
    bucket = platform.names.uploads_bucket(tenant_id)
    parts = urlsplit(platform.objects.presign_get(bucket, PREVIEWS, expires_s=1))
    return f"{parts.scheme}://{parts.netloc}"


def _took(seconds: float) -> str:
    """Return a duration in words."""
    return f"{seconds:.1f} s" if seconds < _MINUTE_S else f"{seconds / _MINUTE_S:.0f} min"
