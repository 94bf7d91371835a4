"""The local AWS process and Dagster's daemon, killed in the middle: what they forgot comes back from S3."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any, Final

import psutil  # type: ignore[import-untyped]  # it publishes no types
import pytest

from benchmarks.line_driver import Line, running_line, wait_until
from parjanya_dagster.core.names import image_id_of_key
from parjanya_dagster.core.truth.identity import ImageKey
from tests.chaos.test_line import QUICK
from tests.end_to_end.conftest import PARJANYA, environment_of, home, photos

__all__ = ["home", "photos"]

pytestmark = [pytest.mark.local_aws, pytest.mark.end_to_end]

IMAGES: Final = 24
WITHIN_S: Final = 240.0


def test_local_aws_killed_in_the_middle_then_every_stored_photo_gets_one_verdict(tmp_path: Path) -> None:
    """Rows that the process forgot are rebuilt from the objects, which it did not."""
    with running_line(tmp_path, QUICK) as line:
        line.start_workers()
        uploads = line.client.uploading(IMAGES)
        wait_until(lambda: line.settled() >= IMAGES // 4, "the first verdicts did not come")
        line.kill_workers()
        os.kill(line.aws.pid, signal.SIGKILL)
        wait_until(lambda: not line.aws.is_running(), "the process outlived kill -9")
        line.start_aws()
        line.start_workers()
        uploads.result(timeout=WITHIN_S)

        wait_until(lambda: settled_of_stored(line) == IMAGES, "not every stored photo was settled")
        faults = line.faults()

    assert faults == []


def settled_of_stored(line: Line) -> int:
    """Return how many originals have a row with a durable outcome."""
    bucket = line.names.uploads_bucket("line")
    stored = [image_id_of_key(info.key) for info in line.platform.objects.originals(bucket)]
    keys = [ImageKey(tenant_id="line", image_id=image_id) for image_id in stored if image_id]
    return sum(row.status.is_settled for row in line.platform.images.get_many(keys))


def test_dagster_daemon_killed_in_the_middle_then_every_photo_gets_a_verdict(
    home: Path, photos: Path
) -> None:
    """Sensors stop, the queue is drained all the same; `up` starts the daemon again, and its plane beats."""
    command(home, "up")
    command(home, "tenant", "add", "acme")
    killed = kill(home, "dagster-daemon")
    command(home, "upload", str(photos), "--tenant", "acme")

    verdicts(home, lambda images: bool(images) and all(each["verdict"] for each in images))
    poll(lambda: heartbeat_s(home, "lambda") < 120, "the plane without Dagster does not look")
    command(home, "up")

    assert pid_of(home, "dagster-daemon") not in (None, killed)
    poll(lambda: heartbeat_s(home, "dagster") < 30, "the second plane does not beat again")


def heartbeat_s(home: Path, plane: str) -> float:
    """Return the age of a plane's heartbeat, in seconds; infinite before its first."""
    return float(report(home)["heartbeat_age_s"].get(plane, inf))


def kill(home: Path, name: str) -> int:
    """`kill -9` of a process and everything it started; return its pid."""
    pid = pid_of(home, name)
    assert pid is not None
    process = psutil.Process(pid)
    for each in [process, *process.children(recursive=True)]:
        each.kill()
    return pid


def pid_of(home: Path, name: str) -> int | None:
    """Return the pid of one of a home's processes, or None."""
    (pid,) = [each["pid"] for each in report(home)["processes"] if each["name"] == name]
    return int(pid) if pid else None


def report(home: Path) -> dict[str, Any]:
    """Return what `status` says."""
    parsed: dict[str, Any] = json.loads(command(home, "status", "--json"))
    return parsed


def verdicts(home: Path, holds: Callable[[list[dict[str, Any]]], bool]) -> None:
    """Wait until a condition holds of the tenant's images."""

    def images() -> list[dict[str, Any]]:
        said = command(home, "images", "--tenant", "acme", "--json")
        return [json.loads(line) for line in said.splitlines()]

    poll(lambda: holds(images()), "not every photo got a verdict")


def poll(holds: Callable[[], bool], what: str) -> None:
    """Return once `holds`."""
    give_up_at = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < give_up_at, what
        time.sleep(0.5)


def command(home: Path, *arguments: str) -> str:
    """Run a command of a home and return what it said."""
    ended = subprocess.run(
        [*PARJANYA, *arguments], env=environment_of(home), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
