"""A client that keeps cookies and speaks to the app in process, without a socket."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
from fastapi import FastAPI


class Browser:
    """Requests in process; each runs to its end before the call returns."""

    def __init__(self, app: FastAPI, *, origin: str = "http://127.0.0.1:8080") -> None:
        self._app = app
        self._origin = origin
        self.cookies = httpx.Cookies()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx' own
        """Return the answer to one request; redirects are not followed."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url=self._origin, cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, **options)
                self.cookies = client.cookies
                return answer

        return asyncio.run(ask())

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Return the answer to a GET."""
        return self.request("GET", path, headers=headers)

    def post(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx' own
        """Return the answer to a POST."""
        return self.request("POST", path, **options)
