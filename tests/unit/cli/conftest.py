"""An upload API over fakes that answers on a real socket, and the storage behind it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from parjanya_dagster.cli.sending import UploadApi
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.tokens import issue_token
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from parjanya_dagster.web.app import create_app
from tests.builders import TENANT
from tests.web.browser import Browser

STORAGE = "https://fake.invalid"
SIGNED = ("Content-Type", "If-None-Match", "x-amz-checksum-sha256")


@dataclass(kw_only=True)
class Site:
    """The web app and the storage on one port.

    Args:
        outages: next answers that are a 503 instead, by method.
    """

    fakes: FakePlatform
    secret: str
    url: str = ""
    outages: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def api(self, **changes: str) -> UploadApi:
        """Return the API as a client of tenant `acme` sees it."""
        return UploadApi(**{"url": self.url, "tenant_id": TENANT, "secret": self.secret, **changes})


@pytest.fixture
def site() -> Iterator[Site]:
    """Return a running site with tenant `acme`."""
    fakes = a_fake_platform(plane="web")
    add_tenant(fakes.platform(), TENANT)
    secret = issue_token(fakes.platform(), tenant_id=TENANT, role="photographer", subject="ada")
    site = Site(fakes=fakes, secret=secret)
    app = create_app(fakes.platform(), allowed_hosts=["*"])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self._body()
            if not self._is_away("POST"):
                headers = {name: value for name, value in self.headers.items() if name != "Host"}
                answer = Browser(app).post(self.path, content=body, headers=headers)
                self._answer(answer.status_code, answer.text.replace(STORAGE, site.url).encode())

        def do_PUT(self) -> None:
            body = self._body()
            headers = {name: self.headers[name] for name in SIGNED if name in self.headers}
            if not self._is_away("PUT"):
                self._answer(site.fakes.objects.http_put(STORAGE + self.path, body, headers), b"")

        def log_message(self, *arguments: Any) -> None:  # noqa: ANN401 - of the base class
            """Stay quiet."""

        def _body(self) -> bytes:
            site.requests.append(self.command)
            return self.rfile.read(int(self.headers["Content-Length"]))

        def _is_away(self, method: str) -> bool:
            site.outages[method] = site.outages.get(method, 0) - 1
            if site.outages[method] >= 0:
                self._answer(503, b"{}")
            return site.outages[method] >= 0

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()
