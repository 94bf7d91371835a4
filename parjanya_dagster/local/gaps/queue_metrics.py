# ruff: noqa: SLF001 - private names of another project, asserted at start by application.py
"""SQS: the depth of queues as CloudWatch metrics, without which no alarm on dead letters fires."""

import time
from typing import Any, Final

INTERVAL_S: Final = 2.0  # AWS puts these once a minute
NAMESPACE: Final = "AWS/SQS"

_METRICS: Final = {
    "ApproximateNumberOfMessagesVisible": "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed": "ApproximateNumberOfMessagesDelayed",
}


class QueueMetrics:
    """Puts the metrics that alarms look at; counting every queue would cost with its depth."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self._queues = modules["ministack.services.sqs"]
        self._watch = modules["ministack.services.cloudwatch"]
        self._scope = modules["ministack.core.responses"].request_scope
        self._next = 0.0

    def tick(self) -> bool:
        """Put one datapoint per alarm if it is time; it changes nothing that must be saved."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + INTERVAL_S
            for (account, region, _), alarm in list(self._watch._alarms.all_items()):
                if alarm.get("Namespace") == NAMESPACE:
                    with self._scope(account, region):
                        self._put(alarm)
        return False

    def _put(self, alarm: dict[str, Any]) -> None:
        dimensions = self._watch._dims_from_list(alarm.get("Dimensions") or [])
        url = self._queues._queue_name_to_url.get(dimensions.get("QueueName"))
        attribute = _METRICS.get(alarm["MetricName"])
        if url is None or attribute is None:
            return
        queue = self._queues._queues[url]
        self._queues._refresh_counts(queue)
        self._watch.record_metric(
            NAMESPACE,
            alarm["MetricName"],
            float(queue["attributes"][attribute]),
            unit="Count",
            dimensions=dimensions,
        )
