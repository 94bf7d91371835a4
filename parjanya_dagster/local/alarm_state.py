"""The state of a CloudWatch alarm from the datapoints of its periods, missing ones included. Pure.

Source: "Configuring how CloudWatch alarms treat missing data" (user guide). The periods slide with the
clock instead of being aligned to it, and no older datapoint stands in for a missing one: an alarm whose
missing data breach fires exactly `EvaluationPeriods` periods after the last datapoint.
"""

import operator
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


class AlarmState(StrEnum):
    """What an alarm says."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class Missing(StrEnum):
    """What a period without data counts as."""

    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"
    IGNORE = "ignore"
    MISSING = "missing"


def alarm_state(
    values: Sequence[float | None],
    *,
    is_breach: Callable[[float], bool],
    datapoints_to_alarm: int,
    missing: Missing,
    current: AlarmState,
) -> AlarmState:
    """Return the state that an alarm should be in.

    Args:
        values: the statistic of each evaluated period; None where there is no data.
        is_breach: whether a value is beyond the threshold.
        datapoints_to_alarm: breaching periods that make an alarm, 1 ≤ n ≤ len(values).
        missing: what None counts as.
        current: the state it is in.
    """
    known = [is_breach(value) for value in values if value is not None]
    absent = len(values) - len(known)
    breaching = sum(known) + (absent if missing is Missing.BREACHING else 0)
    if breaching >= datapoints_to_alarm:
        return AlarmState.ALARM
    if missing in {Missing.BREACHING, Missing.NOT_BREACHING} or not absent:
        return AlarmState.OK
    if not known:
        return current if missing is Missing.IGNORE else AlarmState.INSUFFICIENT_DATA
    if sum(known) + absent < datapoints_to_alarm or not all(known):
        return AlarmState.OK
    return current if missing is Missing.IGNORE else AlarmState.ALARM
