"""An instance metadata service (IMDSv2) on loopback: a test says what EC2 would tell the instance."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_TOKEN = "a-token"


class MetadataService:
    """The facts of one instance, by their path below /latest/meta-data/; a test may add notices any time."""

    def __init__(self, *, instance_id: str, group: str) -> None:
        self.facts = {
            "instance-id": instance_id,
            "tags/instance/aws:autoscaling:groupName": group,
            "autoscaling/target-lifecycle-state": "InService",
        }
        self.endpoint = ""


@contextmanager
def served(service: MetadataService) -> Iterator[MetadataService]:
    """Serve `service` for the block, as version 2 does: nothing without a token."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self._answer(_TOKEN if self.path == "/latest/api/token" else None)

        def do_GET(self) -> None:
            if self.headers.get("X-aws-ec2-metadata-token") != _TOKEN:
                self.send_error(401)
                return
            self._answer(service.facts.get(self.path.removeprefix("/latest/meta-data/")))

        def _answer(self, body: str | None) -> None:
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        service.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        yield service
        server.shutdown()
        thread.join()
