"""The whole line with real processes and quick clocks: what it survives, checked from Truth at the end.

`benchmarks/line.py` runs the same scenarios at full size and with the deployed limits.
"""

from pathlib import Path
from typing import Final

import pytest

from benchmarks.line_driver import Pace, running_line
from benchmarks.line_scenarios import Measured, Scenario, purge, restart, zero

pytestmark = [
    pytest.mark.local_aws,
    pytest.mark.end_to_end,
    # botocore leaves the socket to the collector when the other side breaks off in the middle of an answer
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
    ),
]

QUICK: Final = Pace(
    settings={
        "PARJANYA_QUEUE_QUIET_S": "4",
        "PARJANYA_VISIBILITY_S": "6",
        "PARJANYA_LONGEST_MICRO_BATCH_S": "2",
        "PARJANYA_WORKER_IDLE_AFTER_S": "2",
        "PARJANYA_WORKER_WATCH_EVERY_S": "0.5",
    },
    visibility_s=6,
    sweep_every_s=1.0,
)


def _run(scenario: Scenario, home: Path, images: int) -> Measured:
    with running_line(home, QUICK) as line:
        measured = scenario(line, images)
    assert measured.faults == []
    return measured


def test_queue_when_purged_under_waiting_images_then_all_get_one_verdict(tmp_path: Path) -> None:
    """Incident 2: an empty queue over a backlog is repaired by the sweeps alone."""
    measured = _run(purge, tmp_path, 24)

    assert measured.counts["messages after sending again"] == 24, "nothing was sent a third time"
    assert measured.counts["results written"] == 24


def test_everything_when_stopped_and_started_in_the_middle_then_all_get_one_verdict(tmp_path: Path) -> None:
    """Uploads, functions and workers are cut off wherever they are; nothing is lost or decided twice."""
    measured = _run(restart, tmp_path, 32)

    assert measured.counts["results in effect"] == 32


def test_group_when_nothing_is_left_then_is_empty_and_one_upload_wakes_it(tmp_path: Path) -> None:
    """GPUs exist only while there is work, and one image is work."""
    measured = _run(zero, tmp_path, 6)

    assert measured.counts["instances at the last verdict"] == 1
    assert measured.counts["results written"] == 7
