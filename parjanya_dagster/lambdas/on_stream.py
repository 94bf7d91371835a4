"""Lambda: image rows changed (DynamoDB stream) → reconcile those rows.

Of a record only its key is used: a stream may be late, duplicated or out of order, and Truth is read again.
A record that fails is retried once by the event source and then left to the sweep.
"""

import logging
from functools import cache
from typing import Any

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.reconcile import reconcile_rows
from parjanya_dagster.core.truth.identity import image_key_from
from parjanya_dagster.telemetry import configure_logging
from parjanya_dagster.wiring import platform_from_environment

LOG = logging.getLogger("parjanya.on_stream")


@cache
def _platform() -> Platform:
    configure_logging()
    return platform_from_environment("lambda")


def handler(event: dict[str, Any], _context: object = None) -> dict[str, int]:
    """Reconcile the rows whose heads changed."""
    keys = {
        image_key_from(record["dynamodb"]["Keys"]["pk"]["S"])
        for record in event.get("Records", ())
        if record["dynamodb"]["Keys"]["sk"]["S"] == "head"
    }
    cycle = reconcile_rows(_platform(), sorted(keys))
    counts = dict(cycle.applied.counts) if cycle.applied else {}
    faults = cycle.applied.faults if cycle.applied else []
    LOG.info("rows_reconciled", extra={"rows": len(keys), "actions": counts, "faults": faults})
    return counts
