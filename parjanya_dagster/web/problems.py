"""Errors over HTTP: one JSON shape, whose message says what was wrong and what to do."""

import html
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from parjanya_dagster.core.errors import EdgeError

API = "/api/"


class ProblemError(Exception):
    """A request that is answered with an error.

    Args:
        status_code: the HTTP status.
        code: a word a program may branch on.
        message: what was wrong and what to do, for a person.
    """

    def __init__(self, status_code: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.code = code
        self.message = message


def install(app: FastAPI) -> None:
    """Answer every error of `app` in this shape: JSON under /api, a short page elsewhere."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(EdgeError, _on_edge)


def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - registered for this type only
    return _answer(request, error.status_code, error.code, error.message)


def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    fields = [{"field": _name_of(fault["loc"]), "problem": fault["msg"]} for fault in error.errors()]
    named = "; ".join(f"{each['field']}: {each['problem']}" for each in fields)
    message = f"the request has {len(fields)} fault(s), correct them and send it again: {named}"
    return _answer(request, status.HTTP_422_UNPROCESSABLE_CONTENT, "invalid_fields", message, fields=fields)


def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
    message = (
        f"{error.detail}: {request.method} {request.url.path}; the API is described at /api/v1/openapi.json"
    )
    return _answer(request, error.status_code, "no_such_route", message)


def _on_edge(request: Request, error: Exception) -> Response:
    message = f"storage did not answer ({error}); nothing was lost, try again in a moment"
    answer = _answer(request, status.HTTP_503_SERVICE_UNAVAILABLE, "unavailable", message)
    answer.headers["Retry-After"] = "5"
    return answer


def _name_of(location: Sequence[Any]) -> str:
    return ".".join(str(part) for part in location if part not in {"body", "query", "path"}) or "body"


def _answer(request: Request, status_code: int, code: str, message: str, **more: object) -> Response:
    if request.url.path.startswith(API):
        return JSONResponse({"error": code, "message": message, **more}, status_code=status_code)
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Parjanya</title>"
        "<link rel=stylesheet href=/static/parjanya.css>"
        f"<body class=centred><main class=panel><h1>{status_code}</h1><p>{html.escape(message)}</p>"
        "<p><a href=/>Back to the start</a></p></main>"
    )
    return HTMLResponse(page, status_code=status_code)
