"""The web app: an API to upload and list, and one page to look at a tenant's images."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.staticfiles import StaticFiles

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.web import problems
from parjanya_dagster.web.drawers import Drawers
from parjanya_dagster.web.headers import HEADERS
from parjanya_dagster.web.routes import diagnose, images, pages, uploads

LOOPBACK: Final = ("127.0.0.1", "localhost")

_STATIC: Final = Path(__file__).parent / "static"


def create_app(platform: Platform, *, allowed_hosts: Sequence[str] = LOOPBACK) -> FastAPI:
    """Return the application.

    Args:
        platform: what it reads and writes.
        allowed_hosts: Host headers it answers to; a foreign page that rebinds its name to us is refused.
    """
    app = FastAPI(title="Parjanya", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    app.state.platform = platform
    app.state.drawers = Drawers(platform.images)
    app.include_router(uploads.router)
    app.include_router(images.router)
    app.include_router(pages.router)
    app.include_router(diagnose.router)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.middleware("http")(_add_headers)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts))
    problems.install(app)
    return app


async def _add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    if request.url.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-cache"  # revalidated by its ETag
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
