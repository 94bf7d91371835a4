"""Keep-alive: whether an idle instance is worth keeping for the next demand.

A fixed cool-down means a cold start every time on sparse work, or an idle GPU on work that is sparser still
(KEDA issue 7327). Here the gaps that were observed decide.
"""

from collections.abc import Sequence
from datetime import timedelta
from statistics import median
from typing import Final

_ENOUGH: Final = 3


def is_worth_keeping(
    gaps_s: Sequence[float], *, idle: timedelta, start: timedelta, longest: timedelta
) -> bool:
    """Return whether waiting on for the next demand is expected to cost less than starting for it.

    Both are paid at the same price per instance-hour, so that times compare as costs do: waiting costs the
    expected rest of the gap, starting costs the start-up time. The expected rest is the median of what is
    left of those observed gaps that were longer than the present one is already; with fewer than three of
    them nothing is known, and the instance goes.

    Args:
        gaps_s: observed seconds between two demands; source: `CapacityMemory.gaps_s`.
        idle: how long there has been no demand.
        start: learned start-up time of the instance that would be needed instead.
        longest: never keep for longer than this.
    """
    if idle >= longest:
        return False
    rests = [gap - idle.total_seconds() for gap in gaps_s if gap > idle.total_seconds()]
    return len(rests) >= _ENOUGH and median(rests) < start.total_seconds()
