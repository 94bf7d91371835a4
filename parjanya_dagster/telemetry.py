"""Structured logging: one JSON object per line on standard error, the event's name and its facts.

Entry points configure it once; everything below only says `log.info("event_past_tense", extra={…})`.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

_PLAIN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON; whatever came in `extra` is a field of its own.

    Args:
        facts: fields of every line, e.g. the instance's id.
    """

    def __init__(self, **facts: str) -> None:
        super().__init__()
        self._facts = facts

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a newline."""
        line = {
            "at": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **self._facts,
            **{name: value for name, value in vars(record).items() if name not in _PLAIN},
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(*, level: int = logging.INFO, stream: TextIO | None = None, **facts: str) -> None:
    """Send every record to standard error as JSON; call it once, in an entry point.

    Args:
        level: of our own loggers; libraries speak from WARNING on.
        stream: where to; standard error if None.
        facts: fields of every line.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(**facts))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("parjanya", "parjanya_dagster", "gpu_worker", "asg_executor", "infra"):
        logging.getLogger(name).setLevel(level)
