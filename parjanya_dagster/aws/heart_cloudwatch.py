"""Heartbeats as a CloudWatch metric: `Parjanya/Heartbeat` by prefix and plane.

Each plane has an alarm of its own that takes missing data for a breach, so the metric says nothing but
"a cycle that could see has ended"; a plane that stops is noticed by its silence.
"""

from datetime import datetime
from typing import Any, Final, Protocol

from parjanya_dagster.aws.errors import translated

NAMESPACE: Final = "Parjanya"
METRIC: Final = "Heartbeat"


class MetricWriter(Protocol):
    """What this edge needs of CloudWatch's client."""

    def put_metric_data(self, **request: Any) -> Any:  # noqa: ANN401 - boto3's own arguments
        """Write data points."""
        ...


class CloudWatchHeart:
    """See `Heart`."""

    def __init__(self, client: MetricWriter, *, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def beat(self, plane: str, *, now: datetime) -> None:
        """See `Heart`."""
        point = {
            "MetricName": METRIC,
            "Dimensions": [{"Name": "Plane", "Value": plane}, {"Name": "Prefix", "Value": self._prefix}],
            "Timestamp": now,
            "Value": 1.0,
            "Unit": "Count",
        }
        with translated(f"putting the heartbeat of {plane} as a metric"):
            self._client.put_metric_data(Namespace=NAMESPACE, MetricData=[point])
