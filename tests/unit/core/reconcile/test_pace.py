"""The token bucket: no more than the rate, however the clock runs."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.reconcile.pace import Pace
from tests.builders import NOON


@given(
    per_minute=st.floats(0.5, 6000),
    idle_s=st.lists(st.floats(0, 300), max_size=5),
    count=st.integers(1, 60),
)
def test_tokens_when_taken_as_they_come_never_outrun_the_rate(
    per_minute: float, idle_s: list[float], count: int
) -> None:
    """Waiting as told always ends, and pauses save up a second's worth at most."""
    now = NOON
    pace = Pace.starting(per_minute, now=now)
    for taken in range(count):
        if taken < len(idle_s):
            now += timedelta(seconds=idle_s[taken])
        pace = pace.refilled(now)
        for _ in range(3):
            if pace.wait_s:
                now += timedelta(seconds=pace.wait_s)
                pace = pace.refilled(now)
        assert pace.wait_s == 0
        pace = pace.taken()

    burst = max(1.0, per_minute / 60)
    assert count <= (now - NOON).total_seconds() * per_minute / 60 + burst + 1e-3


def test_pace_when_the_clock_goes_back_adds_nothing() -> None:
    """A clock that was set is no reason to hurry."""
    pace = Pace.starting(60, now=NOON).taken()

    assert pace.refilled(NOON - timedelta(minutes=5)).wait_s == 1
