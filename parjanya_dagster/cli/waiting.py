"""Waiting for verdicts: watch rows until they settle, and say what is stuck when they do not."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Status

_POLL_S: Final = 0.5
_READ: Final = 100


def await_verdicts(
    platform: Platform,
    keys: Sequence[ImageKey],
    *,
    deadline_s: float,
    on_reading: Callable[[Counter[Status]], None],
) -> list[ImageRow]:
    """Return the rows in the order of `keys`, as soon as all are settled or `deadline_s` has passed.

    Args:
        on_reading: told after each reading how many rows stand where.
    """
    rows: dict[ImageKey, ImageRow] = {}
    deadline = time.monotonic() + deadline_s
    while True:
        moving = [key for key in keys if key not in rows or not rows[key].status.is_settled]
        for start in range(0, len(moving), _READ):
            rows |= {row.key: row for row in platform.images.get_many(moving[start : start + _READ])}
        on_reading(Counter(row.status for row in rows.values()))
        settled = sum(row.status.is_settled for row in rows.values())
        if settled == len(keys) or time.monotonic() > deadline:
            return [rows[key] for key in keys if key in rows]
        time.sleep(_POLL_S)


def diagnosis_of(platform: Platform, rows: Sequence[ImageRow]) -> list[str]:
    """Return what is stuck, the evidence, and where to look; empty when nothing is.

    One question narrows it: is Intent missing, or is it present and Execution does not realise it?
    """
    stuck = [row for row in rows if not row.status.is_settled]
    if not stuck:
        return []
    now = platform.clock()
    lines = []
    for status, count in Counter(row.status for row in stuck).items():
        longest = max(now - row.entered_at for row in stuck if row.status is status)
        lines.append(f"{count} in {status}, the longest for {_age(longest)}")
    depth, size = platform.queue.depth(), platform.fleet.size()
    lines.append(f"queue: {_blind(depth) if isinstance(depth, Blind) else depth.value}")
    lines.append(f"fleet: {_blind(size) if isinstance(size, Blind) else size.value}")
    lines.append(
        f"heartbeats: { {plane: _age(now - at) for plane, at in platform.control.heartbeats().items()} }"
    )
    return [*lines, *dict.fromkeys(_cause(row) for row in stuck)]


def _cause(row: ImageRow) -> str:
    if row.quarantined:
        return f"quarantined after too many tries ({row.last_error})"
    match row.status:
        case Status.PENDING_UPLOAD:
            return "Truth: a file or its event did not arrive at the ingest Lambda: aws/local-aws.log"
        case Status.PENDING_VALIDATION:
            return "Execution: the ingest Lambda began and did not finish: aws/local-aws.log"
        case _ if row.intent_at is None:
            return "Intent is missing: the reconcile Lambda sent no job: aws/local-aws.log"
        case _:
            return "Intent is present, Execution does not realise it: logs/fleet.log and fleet/*.log"


def _blind(signal: Blind) -> str:
    return f"BLIND, {signal.reason}"


def _age(age: timedelta) -> str:
    return f"{age.total_seconds():.0f} s"
