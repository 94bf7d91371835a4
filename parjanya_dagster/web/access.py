"""Who is asking: a bearer token on the API, the same token in a cookie on the pages."""

from typing import Annotated, Final, cast

from fastapi import Depends, Request, status

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.tokens import authenticate
from parjanya_dagster.core.ports import Token
from parjanya_dagster.web.problems import ProblemError

COOKIE: Final = "parjanya_token"
_BEARER: Final = "bearer"


def platform_of(request: Request) -> Platform:
    """Return the platform the app was made for."""
    return cast("Platform", request.app.state.platform)


PlatformOf = Annotated[Platform, Depends(platform_of)]


def api_token(request: Request, platform: PlatformOf) -> Token:
    """Return who the request's bearer token speaks for.

    Raises:
        ProblemError: 401, there is none or it is unknown.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    token = authenticate(platform, secret.strip()) if scheme.lower() == _BEARER and secret.strip() else None
    if token is None:
        problem = "this token is not known" if secret else "the request carries no token"
        raise ProblemError(
            status.HTTP_401_UNAUTHORIZED,
            "wrong_token",
            f"{problem}: send `Authorization: Bearer pj_…`; an operator issues one with "
            "`parjanya token issue --tenant TENANT --role photographer`",
        )
    return token


def page_token(request: Request, platform: PlatformOf) -> Token | None:
    """Return who is signed in on the pages, or None."""
    secret = request.cookies.get(COOKIE)
    return authenticate(platform, secret) if secret else None


ApiToken = Annotated[Token, Depends(api_token)]
PageToken = Annotated[Token | None, Depends(page_token)]
