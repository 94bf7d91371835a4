"""Real processes: started with an identity, ended whole, and never leaked by a realiser that was killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it publishes no types

from parjanya_dagster.local.fleet import worker_starter
from parjanya_dagster.local.worker_process import WorkerProcess, end_orphans

_SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def _wait_for(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def _is_up(directory: Path, instance_id: str) -> bool:
    log = directory / f"{instance_id}.log"
    return log.exists() and "up" in log.read_text()


def test_worker_when_started_then_knows_who_it_is(tmp_path: Path) -> None:
    """A worker learns its instance and group from its environment and its command line."""
    script = "import os, sys; print(os.environ['INSTANCE_ID'], os.environ['AUTO_SCALING_GROUP'], sys.argv[1])"
    start = worker_starter(
        command=[sys.executable, "-c", script, "--name={instance_id}"],
        group="a-gpu",
        environment=dict(os.environ),
        directory=tmp_path,
    )

    worker = start("i-1")
    _wait_for(lambda: worker.exit_status is not None)

    assert (tmp_path / "i-1.log").read_text().split() == ["i-1", "a-gpu", "--name=i-1"]
    assert not (tmp_path / "i-1.pid").exists()


def test_worker_when_asked_to_end_then_its_children_end_too(tmp_path: Path) -> None:
    """Nothing that a worker started outlives it."""
    script = f"import subprocess, time; subprocess.Popen({_SLEEPER!r}); time.sleep(60)"
    worker = WorkerProcess.start(
        "i-1", command=[sys.executable, "-c", script], environment=dict(os.environ), directory=tmp_path
    )
    _wait_for(lambda: _is_up(tmp_path, "i-1"))
    leader = psutil.Process(worker._child.pid)
    [child] = leader.children()

    worker.ask_to_end()
    _wait_for(lambda: worker.exit_status is not None)

    _wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    assert worker.exit_status == -signal.SIGTERM


def test_orphan_when_found_by_pid_file_then_is_ended(tmp_path: Path) -> None:
    """A realiser that was killed leaves pid files, and the next one ends what they name."""
    worker = WorkerProcess.start("i-1", command=_SLEEPER, environment=dict(os.environ), directory=tmp_path)
    _wait_for(lambda: _is_up(tmp_path, "i-1"))

    assert end_orphans(tmp_path, grace_s=5) == ["i-1"]

    _wait_for(lambda: worker.exit_status is not None)
    assert list(tmp_path.glob("*.pid")) == []


def test_pid_file_when_pid_was_reused_then_nobody_is_harmed(tmp_path: Path) -> None:
    """A pid alone is not an identity: its time of birth must match."""
    with subprocess.Popen(_SLEEPER, stdout=subprocess.DEVNULL) as stranger:
        (tmp_path / "i-1.pid").write_text(f'{{"pid": {stranger.pid}, "created": 1.0}}')

        assert end_orphans(tmp_path, grace_s=1) == []

        assert stranger.poll() is None
        stranger.terminate()
