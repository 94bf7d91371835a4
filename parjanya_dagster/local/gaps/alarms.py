# ruff: noqa: SLF001 - private names of another project, asserted at start by application.py
"""CloudWatch: alarms that notice silence, return to OK, and look at their own metric only.

The local process evaluates an alarm when a datapoint comes, over all dimensions: a heartbeat that stops
would never be noticed.
"""

import time
from typing import Any, Final

from parjanya_dagster.local.alarm_state import COMPARISONS, AlarmState, Missing, alarm_state

INTERVAL_S: Final = 0.5
POINTS_READ: Final = 2_000
"""Of a metric's latest datapoints: a metric is kept for two weeks, an alarm looks at minutes."""

Record = dict[str, Any]


class Alarms:
    """A ticker over all metric alarms."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self._service = modules["ministack.services.cloudwatch"]
        self._scope = modules["ministack.core.responses"].request_scope
        self._next = 0.0

    def install(self) -> None:
        """Replace the evaluation, which also runs when a datapoint comes."""
        self._service._evaluate_alarm = self._evaluate

    def tick(self) -> bool:
        """Evaluate every alarm if it is time, and return whether one changed its state."""
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + INTERVAL_S
        changed = False
        for (account, region, _), alarm in list(self._service._alarms.all_items()):
            with self._scope(account, region):
                changed |= self._evaluate(alarm)
        return changed

    def _evaluate(self, alarm: Record) -> bool:
        compare = COMPARISONS.get(alarm.get("ComparisonOperator", ""))
        if compare is None:
            return False
        threshold = float(alarm.get("Threshold", 0))
        values = self._values(alarm, now=time.time())
        old = AlarmState(alarm["StateValue"])
        new = alarm_state(
            values,
            is_breach=lambda value: compare(value, threshold),
            datapoints_to_alarm=alarm.get("DatapointsToAlarm") or len(values),
            missing=Missing(alarm.get("TreatMissingData", "missing")),
            current=old,
        )
        if new is old:
            return False
        reason = f"Datapoints, newest first: {values}; breaching: {alarm['ComparisonOperator']} {threshold}"
        alarm["StateValue"] = new.value
        alarm["StateReason"] = reason
        alarm["StateUpdatedTimestamp"] = int(time.time())
        self._service._record_history(alarm["AlarmName"], old.value, new.value, reason)
        self._service._dispatch_alarm_actions(alarm, old.value, new.value, reason)
        self._service._evaluate_parent_alarms(alarm)
        return True

    def _values(self, alarm: Record, *, now: float) -> list[float | None]:
        """Return the statistic of each period, the newest first; None where nothing was put."""
        dimensions = self._service._dims_from_list(alarm.get("Dimensions") or [])
        key = (alarm.get("Namespace"), alarm.get("MetricName"), self._service._dims_key(dimensions))
        points = (self._service._metrics.get(key) or [])[-POINTS_READ:]
        statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
        period_s = float(alarm.get("Period", 60))
        periods: list[list[Record]] = [[] for _ in range(int(alarm.get("EvaluationPeriods", 1)))]
        for point in points:
            age = int(max(0.0, now - point["Timestamp"]) // period_s)
            if age < len(periods):
                periods[age].append(point)
        return [self._value(period, statistic) for period in periods]

    def _value(self, points: list[Record], statistic: str) -> float | None:
        statistics = self._service._calc_stats(points)
        value: float | None = self._service._stat_value(statistics, statistic, points) if statistics else None
        return value
