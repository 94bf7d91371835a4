"""The plan alone, over synthetic snapshots: rows a second, and that it plans nothing over what it made."""

import time
from dataclasses import replace
from datetime import timedelta
from statistics import median
from typing import Any, Final

from benchmarks.tables import Table
from parjanya_dagster.core.belief.signals import FleetSize, QueueDepth, Reading
from parjanya_dagster.core.reconcile.actions import EmitIntent
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.plan import plan
from parjanya_dagster.core.reconcile.snapshot import Snapshot
from parjanya_dagster.core.truth.row import ImageRow
from parjanya_dagster.simulation.fakes.platform import START
from tests.builders import a_row

TENANTS: Final = 50
REPEATS: Final = 5
NOW: Final = START + timedelta(minutes=2)


def measure_plan(sizes: list[int]) -> list[Table]:
    """Return a table of the plan's speed, with every row of a snapshot allowed into one cycle."""
    return [Table(title="The plan alone", rows=[_planned(rows) for rows in sizes])]


def _planned(rows: int) -> dict[str, Any]:
    waiting = tuple(a_row(at, tenant_id=f"tenant-{at % TENANTS}") for at in range(rows))
    limits = Limits(max_actions=rows, max_window=rows)
    before = _snapshot(gaps=waiting)
    spent_s = []
    for _ in range(REPEATS):
        began_s = time.process_time()
        actions = plan(before, limits=limits, capacity=CapacityLimits(), now=NOW)
        spent_s.append(time.process_time() - began_s)
    sent = [each.row for each in actions if isinstance(each, EmitIntent)]
    again = plan(_snapshot(outstanding=_stamped(sent)), limits=limits, capacity=CapacityLimits(), now=NOW)
    if len(sent) != rows or any(isinstance(each, EmitIntent) for each in again):
        raise SystemExit(f"{len(sent)} of {rows} rows were planned, and then again: {again[:3]}")
    return {"rows": rows, "ms, median": median(spent_s) * 1e3, "rows/s": rows / median(spent_s)}


def _snapshot(*, gaps: tuple[ImageRow, ...] = (), outstanding: tuple[ImageRow, ...] = ()) -> Snapshot:
    queued = QueueDepth(visible=len(outstanding), in_flight=0, delayed=0)
    wanted = 4 if outstanding else 0
    return Snapshot(
        gaps=gaps,
        outstanding=outstanding,
        queue=Reading(value=queued, at=NOW),
        dead_letters=Reading(value=QueueDepth(visible=0, in_flight=0, delayed=0), at=NOW),
        fleet=Reading(value=FleetSize(desired=wanted, in_service=0, min_size=0, max_size=4), at=NOW),
    )


def _stamped(rows: list[ImageRow]) -> tuple[ImageRow, ...]:
    return tuple(replace(row, intent_at=NOW, intent_id="sent", emissions=1) for row in rows)
