"""An alarm's state from its periods: each way to treat missing data, and what follows from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.local.alarm_state import AlarmState, Missing, alarm_state

OK, ALARM, INSUFFICIENT = AlarmState.OK, AlarmState.ALARM, AlarmState.INSUFFICIENT_DATA
X, O, N = 9.0, 1.0, None  # noqa: E741 - the documentation's signs: beyond the threshold, within it, no data
THRESHOLD = 5.0


@pytest.mark.parametrize(
    ("values", "missing", "ignore", "breaching", "not_breaching"),
    [
        ([O, O, O], OK, OK, OK, OK),
        ([X, X, X], ALARM, ALARM, ALARM, ALARM),
        ([X, O, X], OK, OK, OK, OK),
        ([N, N, N], INSUFFICIENT, INSUFFICIENT, ALARM, OK),
        ([N, X, N], ALARM, INSUFFICIENT, ALARM, OK),
        ([N, N, O], OK, OK, OK, OK),
        ([N, X, X], ALARM, INSUFFICIENT, ALARM, OK),
    ],
)
def test_alarm_when_three_of_three_are_needed_then_each_treatment_has_its_answer(
    values: list[float | None],
    missing: AlarmState,
    ignore: AlarmState,
    breaching: AlarmState,
    not_breaching: AlarmState,
) -> None:
    """Silence counts as what the alarm says; it was INSUFFICIENT_DATA before, which `ignore` keeps."""
    found = [
        alarm_state(
            values,
            is_breach=lambda value: value > THRESHOLD,
            datapoints_to_alarm=3,
            missing=treatment,
            current=INSUFFICIENT,
        )
        for treatment in (Missing.MISSING, Missing.IGNORE, Missing.BREACHING, Missing.NOT_BREACHING)
    ]

    assert found == [missing, ignore, breaching, not_breaching]


@given(
    st.lists(st.sampled_from([X, O]), min_size=1, max_size=6),
    st.sampled_from(Missing),
    st.sampled_from(AlarmState),
    st.data(),
)
def test_alarm_when_no_data_is_missing_then_only_the_count_decides(
    values: list[float], missing: Missing, current: AlarmState, data: st.DataObject
) -> None:
    """M out of N, whatever missing data would count as and whatever was before."""
    needed = data.draw(st.integers(1, len(values)))

    found = alarm_state(
        values,
        is_breach=lambda value: value > THRESHOLD,
        datapoints_to_alarm=needed,
        missing=missing,
        current=current,
    )

    assert found is (ALARM if values.count(X) >= needed else OK)
