"""Lambda: every minute → reconcile everything that diverges, whatever the stream did or did not say."""

import logging
from functools import cache
from typing import Any

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.telemetry import configure_logging
from parjanya_dagster.wiring import platform_from_environment

LOG = logging.getLogger("parjanya.on_schedule")


@cache
def _platform() -> Platform:
    configure_logging()
    return platform_from_environment("lambda")


def handler(_event: dict[str, Any], _context: object = None) -> dict[str, int]:
    """Take the schedule's event."""
    return sweep(_platform())


def sweep(platform: Platform) -> dict[str, int]:
    """Run one cycle over everything that diverges; return what was done, by name."""
    cycle = reconcile_world(platform)
    counts = dict(cycle.applied.counts) if cycle.applied else {}
    LOG.info(
        "world_reconciled",
        extra={
            "actions": counts,
            "faults": cycle.applied.faults if cycle.applied else [],
            "left": cycle.applied.left if cycle.applied else 0,
            "blind": cycle.applied.blind if cycle.applied else [],
        },
    )
    return counts
