"""Keep-alive."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.reconcile.keep_alive import is_worth_keeping

START = timedelta(minutes=4)
LONGEST = timedelta(minutes=15)


@pytest.mark.parametrize(
    ("gaps_min", "idle_min", "kept"),
    [
        ([], 0, False),
        ([1, 1], 0, False),
        ([1, 1, 1], 0, True),
        ([6, 6, 6], 0, False),
        ([6, 6, 6], 3, True),
        ([1, 1, 1, 60, 60, 60], 0, False),
        ([1, 1, 1, 1, 1, 60, 60, 60], 0, True),
        ([1, 1, 1, 1, 1, 60, 60, 60], 2, False),
        ([1, 1, 600], 0, True),
        ([16, 16, 16], 15, False),
    ],
)
def test_last_instance_is_kept_while_waiting_is_expected_to_cost_less_than_starting(
    gaps_min: list[float], idle_min: float, *, kept: bool
) -> None:
    """KEDA issue 7327: what was observed decides, not a fixed cool-down."""
    gaps_s = [each * 60 for each in gaps_min]

    assert is_worth_keeping(gaps_s, idle=timedelta(minutes=idle_min), start=START, longest=LONGEST) is kept


@given(
    st.lists(st.floats(0, 1e6), max_size=9),
    st.timedeltas(LONGEST, LONGEST * 100),
    st.timedeltas(timedelta(0)),
)
def test_last_instance_is_never_kept_beyond_the_maximum(
    gaps_s: list[float], idle: timedelta, start: timedelta
) -> None:
    """Whatever was observed, idle cost is bounded."""
    assert not is_worth_keeping(gaps_s, idle=idle, start=start, longest=LONGEST)
