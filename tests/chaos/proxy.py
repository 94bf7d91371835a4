"""A proxy between a process and AWS that harms it at a named point: kills, cuts off, stalls, or lies.

The product needs no hook for any of this: every touch of the world is a call, and every call passes here.
"""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, urlsplit

_READS: Final = ("Get", "Batch", "Query", "Describe", "Receive", "List", "Head")
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as it passes.

    Args:
        name: `service.Operation`, for S3 with what the key begins with: `s3.PutObject previews`.
        number: how many calls of this name came before it, plus one.
    """

    name: str
    number: int

    @property
    def is_write(self) -> bool:
        """It may change the world."""
        return not self.name.partition(".")[2].startswith(_READS)

    def __str__(self) -> str:
        return f"{self.name} #{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Answer in AWS's place, without asking it."""

    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Close the connection without an answer."""


Harm = Answered | Cut | None
"""What becomes of a call; None lets it pass, perhaps late, or after the process was killed."""


@dataclass
class Proxy:
    """A running proxy.

    Args:
        before: asked before a call is passed on.
        after: asked when AWS has answered, before the process learns of it.
        calls: everything that passed, in order.
    """

    url: str
    before: Callable[[Call], Harm] = lambda _call: None
    after: Callable[[Call], Harm] = lambda _call: None
    calls: list[Call] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def passing(self, name: str) -> Call:
        """Note a call and return it."""
        with self.lock:
            call = Call(name=name, number=1 + sum(each.name == name for each in self.calls))
            self.calls.append(call)
            return call


@contextmanager
def proxied(port: int) -> Iterator[Proxy]:  # noqa: C901 - a handler of http.server closes over its proxy
    """Serve a proxy to the local AWS on `port`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            call = proxy.passing(_name_of(self.command, self.path, dict(self.headers), body))
            if self._is_harmed(proxy.before(call)):
                return
            # The host stays what was signed.
            upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                content = answer.read()
            except OSError:
                self.close_connection = True
                return
            finally:
                upstream.close()
            if not self._is_harmed(proxy.after(call)):
                self._answer(answer.status, answer.getheaders(), content)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _pass_on  # noqa: N815 - http.server's own names

        def log_message(self, *arguments: object) -> None:
            """Stay quiet."""

        def _is_harmed(self, harm: Harm) -> bool:
            match harm:
                case None:
                    return False
                case Answered(status=status):
                    self._answer(status, [("Content-Type", "text/plain")], b"harmed")
                case Cut():
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
            return True

        def _answer(self, status: int, headers: Sequence[tuple[str, str]], content: bytes) -> None:
            try:
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in {*_HOP_BY_HOP, "date", "server"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)
            except OSError:  # the process was killed while it waited for this
                self.close_connection = True

    server = _Server(("127.0.0.1", 0), Handler)
    proxy = Proxy(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    """Quiet about clients that die: they are killed on purpose."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """See `socketserver`."""


def _name_of(method: str, path: str, headers: dict[str, str], body: bytes) -> str:
    target = next((value for name, value in headers.items() if name.lower() == "x-amz-target"), "")
    if target:
        service, _, operation = target.partition(".")
        return f"{'dynamodb' if service.startswith('DynamoDB') else 'sqs'}.{operation}"
    action = parse_qs(body.decode("latin-1")).get("Action", [""])[0] if method == "POST" else ""
    if action:
        return f"autoscaling.{action}"
    _, _, key = urlsplit(path).path.lstrip("/").partition("/")
    operation = {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
    return f"s3.{operation.get(method, method)} {key.partition('/')[0]}".strip()
