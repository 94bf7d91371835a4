"""Structured logging: one JSON object per line, whose fields a person and a query can rely on."""

import json
import logging
from io import StringIO

import pytest

from parjanya_dagster.telemetry import JsonLines, configure_logging


@pytest.fixture(autouse=True)
def _root_as_it_was() -> object:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_line_when_facts_are_given_carries_them_as_fields() -> None:
    """The message is the event's name, everything else a field of its own."""
    stream = StringIO()
    configure_logging(stream=stream, instance_id="i-1")

    logging.getLogger("gpu_worker").info("attempt_concluded", extra={"image_id": "x", "generation": 2})

    line = json.loads(stream.getvalue())
    assert line["event"] == "attempt_concluded"
    assert line["instance_id"] == "i-1"
    assert (line["image_id"], line["generation"], line["level"]) == ("x", 2, "info")
    assert line["at"].endswith("+00:00")


def test_library_when_chatty_is_not_heard() -> None:
    """Only our own loggers speak below warning."""
    stream = StringIO()
    configure_logging(stream=stream)

    logging.getLogger("botocore.hooks").info("noise")

    assert stream.getvalue() == ""


def test_line_when_an_exception_is_logged_names_it() -> None:
    """The trace is in the line, not below it."""
    error = ValueError("broken")
    record = logging.LogRecord("x", logging.ERROR, "f.py", 1, "failed", None, (ValueError, error, None))

    assert "ValueError: broken" in json.loads(JsonLines().format(record))["error"]
