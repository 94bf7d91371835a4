"""Metrics: documents that CloudWatch accepts, with the few dimensions and the many values that were meant."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.drain import drain
from gpu_worker.limits import Stage
from gpu_worker.metrics import MOST_VALUES, NO_BUCKET, OUTCOMES, Attempt, documents
from gpu_worker.phases import Phase, seconds_of
from gpu_worker.state import Held
from parjanya_dagster.telemetry import JsonLines
from tests.builders import NOON, a_job
from tests.unit.gpu_worker.line import QUICK, Line
from tests.unit.gpu_worker.scripted_engine import a_scorer

UNITS = {"Seconds", "Count"}
MANY = st.lists(
    st.builds(
        Attempt,
        bucket=st.sampled_from(("", "576", "1024")),
        outcome=st.sampled_from(OUTCOMES),
        seconds=st.dictionaries(st.sampled_from(list(Phase)), st.floats(0, 1e6)),
    ),
    max_size=250,
)


def require_embedded_metrics(line: dict[str, Any]) -> None:
    """Hold a line of the log to the published schema of the embedded metric format.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    assert len(json.dumps(line).encode()) < 256 * 1024, "CloudWatch Logs cuts longer events"
    assert isinstance(line["_aws"]["Timestamp"], int)
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert 1 <= len(directive["Namespace"]) <= 256
        assert 1 <= len(directive["Metrics"]) <= 100
        for names in directive["Dimensions"]:
            assert len(names) <= 30
            assert all(isinstance(line[name], str) and 1 <= len(line[name]) <= 1024 for name in names)
        for metric in directive["Metrics"]:
            assert metric.keys() == {"Name", "Unit"}
            assert metric["Unit"] in UNITS
            value = line[metric["Name"]]
            values = value if isinstance(value, list) else [value]
            assert 1 <= len(values) <= MOST_VALUES
            assert all(isinstance(each, int | float) for each in values)


@given(MANY)
def test_documents_of_any_attempts_are_embedded_metrics_that_lose_nothing(attempts: list[Attempt]) -> None:
    """Every image's time and outcome is in exactly one document, under its own bucket."""
    found = list(documents(attempts, fleet="default", engine="cpu", at=NOON))

    for document in found:
        require_embedded_metrics(document)
    for bucket in {attempt.bucket for attempt in attempts}:
        mine = [each for each in found if each["bucket"] == (bucket or NO_BUCKET)]
        members = [attempt for attempt in attempts if attempt.bucket == bucket]
        for outcome in OUTCOMES:
            counted = sum(each.get(outcome, 0) for each in mine)
            assert counted == sum(attempt.outcome == outcome for attempt in members)
        for phase in Phase:
            values = [value for each in mine for value in each.get(f"{phase}_s", [])]
            assert values == [round(each.seconds[phase], 6) for each in members if phase in each.seconds]


def test_dimensions_are_few_by_nature() -> None:
    """A dimension per image or instance would cost more than the GPU: each combination is billed."""
    [document] = documents([Attempt(bucket="576", outcome="completed")], fleet="a", engine="b", at=NOON)

    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [
        ["fleet", "engine"],
        ["fleet", "engine", "bucket"],
    ]


def test_phases_of_an_image_add_up_to_its_time_since_it_was_sent() -> None:
    """No second is counted twice or lost, and decoding is told from fetching."""
    spent = [(Stage.READING, 1.0), (Stage.QUEUED, 2.0), (Stage.FETCHING, 4.0), (Stage.READY, 8.0)]
    held = Held(
        receipt="r",
        job=a_job(now=NOON - timedelta(seconds=100)),
        receive_count=1,
        stage=Stage.SETTLING,
        since=NOON,
        leased_at=NOON,
        spent=(*spent, (Stage.SCORING, 16.0)),
        decode_s=1.5,
        bucket="576",
    )

    seconds = seconds_of(held, NOON + timedelta(seconds=32))

    assert seconds == {
        Phase.QUEUE: 69.0,
        Phase.READ: 1.0,
        Phase.FETCH: 4.5,
        Phase.DECODE: 1.5,
        Phase.WAIT: 8.0,
        Phase.ENGINE: 16.0,
        Phase.SETTLE: 32.0,
    }
    assert sum(seconds.values()) == 132.0


def test_clock_of_the_sender_that_is_ahead_takes_nothing_away() -> None:
    """Another machine sent the job: its clock may say that it has not been sent yet."""
    held = Held(
        receipt="r",
        job=a_job(now=NOON + timedelta(seconds=100)),
        receive_count=1,
        stage=Stage.READING,
        since=NOON,
        leased_at=NOON,
    )

    assert seconds_of(held, NOON) == {Phase.QUEUE: 0.0, Phase.READ: 0.0}


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """What the worker's log holds, as it stands on standard error."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines(instance_id="i-1"))
    logger = logging.getLogger("gpu_worker")
    level_before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(level_before)


def test_drain_writes_lines_that_are_embedded_metrics(lines: StringIO) -> None:
    """The log is what CloudWatch reads: a line of it is the document, with the log's own fields beside."""
    line = Line()
    line.add_many(5)

    report = drain(
        line.platform,
        a_scorer(),
        scored_by="headless:test",
        until=lambda: not line.queue.jobs,
        deadline_s=20,
        limits=QUICK,
    )

    measured = [json.loads(each) for each in lines.getvalue().splitlines() if "images_measured" in each]
    for each in measured:
        require_embedded_metrics(each)
    assert sum(each["completed"] for each in measured) == 5
    assert {(each["fleet"], each["engine"], each["bucket"]) for each in measured} == {
        ("default", "scripted", "32x64")
    }
    assert set(report.phases) <= set(Phase)
    assert report.phases[Phase.ENGINE] > 0
