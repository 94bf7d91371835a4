"""Observing: ports → Snapshot.

An event's keys are only a hint about which rows to read; nothing else of an event is used. Indexes lag, so
what they name is read again, consistently, before anything is planned.
"""

from collections.abc import Sequence

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.reconcile.plan import DEMAND, QUEUES
from parjanya_dagster.core.reconcile.snapshot import Snapshot
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Lane


def observe_rows(platform: Platform, keys: Sequence[ImageKey]) -> Snapshot:
    """Return a snapshot of a few rows, and of Belief."""
    unique = sorted(set(keys))
    return Snapshot(
        gaps=tuple(platform.images.get_many(unique)) if unique else (),
        queue=platform.queue.depth(),
        dead_letters=platform.queue.dead_letter_depth(),
        fleet=platform.fleet.size(),
        whole=False,
    )


def observe_world(platform: Platform) -> Snapshot:
    """Return a snapshot of everything that diverges; its cost is the divergence's, not the table's."""
    now = platform.clock()
    limits = platform.limits
    due = [
        key
        for lane in (Lane.FRESH, Lane.REGRADE)
        for key in platform.images.due_gaps(lane, due_before=now, limit=limits.max_actions)
    ]
    sent = platform.images.outstanding(sent_before=now - limits.queue_settling, limit=limits.max_actions)
    rows = {row.key: row for row in platform.images.get_many(sorted({*due, *sent}))}
    return Snapshot(
        gaps=tuple(row for row in _named(rows, due) if row.is_gap),
        outstanding=tuple(row for row in _named(rows, sent) if row.has_outstanding_intent),
        queue=platform.queue.depth(),
        dead_letters=platform.queue.dead_letter_depth(),
        fleet=platform.fleet.size(),
        steps=platform.steps.open_steps(),
        empty_queues=platform.control.empty_readings(QUEUES),
        empty_demand=platform.control.empty_readings(DEMAND),
        whole=True,
    )


def _named(rows: dict[ImageKey, ImageRow], keys: Sequence[ImageKey]) -> list[ImageRow]:
    return [rows[key] for key in dict.fromkeys(keys) if key in rows]
