"""What the demo learns of Dagster's runs."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from parjanya_dagster.cli.runs import await_runs

Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve the given answers one after the other, the last one again and again; return the URL."""
    servers: list[ThreadingHTTPServer] = []

    def start(*answers: dict[str, Any]) -> str:
        left = list(answers)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                body = json.dumps(left.pop(0) if len(left) > 1 else left[0]).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def runs(*statuses: str) -> dict[str, Any]:
    """Return the webserver's answer for runs of these statuses."""
    results = [{"runId": f"r{n}", "jobName": "score", "status": status} for n, status in enumerate(statuses)]
    return {"data": {"runsOrError": {"__typename": "Runs", "results": results}}}


def test_runs_that_succeeded_are_no_fault(serve: Serve) -> None:
    """Runs in progress are waited for."""
    assert await_runs(serve(runs("STARTED"), runs("SUCCESS")), since=0.0, deadline_s=30) == []


def test_run_that_failed_is_named_with_its_page(serve: Serve) -> None:
    """A demo whose run failed behind good verdicts is no success."""
    url = serve(runs("SUCCESS", "FAILURE"))

    [fault] = await_runs(url, since=0.0, deadline_s=30)

    assert "r1" in fault
    assert f"{url}/runs/r1" in fault


def test_run_that_never_ends_is_a_fault(serve: Serve) -> None:
    """Waiting has a deadline."""
    assert len(await_runs(serve(runs("QUEUED")), since=0.0, deadline_s=0)) == 1


def test_answer_that_tells_of_no_runs_is_a_fault(serve: Serve) -> None:
    """An error of the webserver is passed on, not taken for 'no runs'."""
    [fault] = await_runs(serve({"errors": [{"message": "boom"}]}), since=0.0, deadline_s=0)

    assert "boom" in fault


def test_webserver_that_does_not_answer_is_a_fault() -> None:
    """Blind is not success."""
    [fault] = await_runs("http://127.0.0.1:9", since=0.0, deadline_s=0)

    assert "cannot be asked" in fault
