"""Lambda: image rows changed (DynamoDB stream) → reconcile those rows.

Of a record only its key is used: a stream may be late, duplicated or out of order, and Truth is read again.
The one exception are the counters of the backlog, which nothing is decided by (see `control.counters`).
A record that fails is retried once by the event source and then left to the sweep.
"""

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from parjanya_dagster.control.counters import Change, note_changes
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.reconcile import reconcile_rows
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.core.truth.identity import image_key_from
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.telemetry import configure_logging
from parjanya_dagster.wiring import platform_from_environment

LOG = logging.getLogger("parjanya.on_stream")


@cache
def _platform() -> Platform:
    configure_logging()
    return platform_from_environment("lambda")


def handler(event: dict[str, Any], _context: object = None) -> dict[str, int]:
    """Take an event of the images table's stream."""
    return take(_platform(), event)


def take(platform: Platform, event: Mapping[str, Any]) -> dict[str, int]:
    """Reconcile the rows whose heads changed, then count what their changes mean for the backlog.

    Raises:
        EdgeError: the rows cannot be read; the event source repeats the event once.
    """
    changes = [
        change_of(record["dynamodb"])
        for record in event.get("Records", ())
        if record["dynamodb"]["Keys"]["sk"]["S"] == "head"
    ]
    cycle = reconcile_rows(platform, [change.key for change in changes])
    counts = dict(cycle.applied.counts) if cycle.applied else {}
    faults = list(cycle.applied.faults) if cycle.applied else []
    try:
        # Last, and never a reason to repeat the event: a repetition would count twice.
        note_changes(platform, changes)
    except EdgeError as error:
        faults.append(f"counters: {error}")
    LOG.info("rows_reconciled", extra={"rows": len(changes), "actions": counts, "faults": faults})
    return counts


def change_of(record: Mapping[str, Any]) -> Change:
    """Return how a head changed, from the `dynamodb` part of a stream record."""
    return Change(
        key=image_key_from(record["Keys"]["pk"]["S"]),
        before=_waiting(record.get("OldImage")),
        after=_waiting(record.get("NewImage")),
    )


def _waiting(image: Mapping[str, Any] | None) -> Status | None:
    """Return the status in an image of a head; None without one, or when it waits for a person."""
    if not image or image.get("quarantined", {}).get("BOOL"):
        return None
    return Status(image["status"]["S"])
