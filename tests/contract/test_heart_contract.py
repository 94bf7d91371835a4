"""Heartbeats where alarms listen: one metric by prefix and plane."""

from datetime import timedelta

from parjanya_dagster.aws.clock import utc_now
from parjanya_dagster.aws.heart_cloudwatch import METRIC, NAMESPACE, CloudWatchHeart
from parjanya_dagster.simulation.fakes.heart import FakeHeart
from tests.contract.endpoints import Endpoint


def test_beat_is_heard_by_its_own_plane_only(endpoint: Endpoint | None) -> None:
    """One plane's health never masks the other's silence."""
    now = utc_now()
    if endpoint is None:
        fake = FakeHeart()
        fake.beat("lambda", now=now)
        assert fake.beats == {"lambda": [now]}
        return
    cloudwatch, prefix = endpoint.clients.cloudwatch, endpoint.names.prefix
    CloudWatchHeart(cloudwatch, prefix=prefix).beat("lambda", now=now)

    def heard(plane: str) -> float:
        answer = cloudwatch.get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=METRIC,
            Dimensions=[{"Name": "Plane", "Value": plane}, {"Name": "Prefix", "Value": prefix}],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
            Period=60,
            Statistics=["SampleCount"],
        )
        return float(sum(point["SampleCount"] for point in answer["Datapoints"]))

    assert heard("lambda") >= 1
    assert heard("dagster") == 0
