"""Starting, finding, stopping and losing the local AWS process."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it publishes no types
import pytest

from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.local.credentials import root_session
from parjanya_dagster.local.stack import LocalAws

pytestmark = pytest.mark.local_aws


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[LocalAws]:
    """A local AWS of this test's own, saving often."""
    started = LocalAws.start(tmp_path / "aws", 0, autosave_s=0.2, ends_with_parent=True)
    yield started
    started.stop()


def _queues(aws: LocalAws) -> list[str]:
    urls = root_session(aws).client("sqs", endpoint_url=aws.endpoint).list_queues().get("QueueUrls", [])
    return [url.rpartition("/")[2] for url in urls]


def _make_queue(aws: LocalAws, name: str) -> None:
    root_session(aws).client("sqs", endpoint_url=aws.endpoint).create_queue(QueueName=name)


def _wait_for(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def test_start_when_already_running_then_returns_that_one(aws: LocalAws) -> None:
    """Starting twice on one directory is the same as starting once."""
    again = LocalAws.start(aws.state_dir, 0)

    assert (again.pid, again.endpoint) == (aws.pid, aws.endpoint)
    assert again.is_ready()


def test_start_when_port_is_taken_then_says_which_and_what_to_do(aws: LocalAws, tmp_path: Path) -> None:
    """An occupied port is a clear error, not a traceback."""
    with pytest.raises(
        ConfigError, match=rf"port {aws.port} on 127.0.0.1 cannot be used .* choose another port"
    ):
        LocalAws.start(tmp_path / "other", aws.port)


def test_start_when_instance_file_is_stale_then_starts_anew(tmp_path: Path) -> None:
    """A pid that belongs to something else now is not taken for the local AWS."""
    state_dir = tmp_path / "aws"
    state_dir.mkdir()
    (state_dir / "local-aws.json").write_text(json.dumps({"pid": os.getpid(), "port": 1}))
    assert LocalAws.attach(state_dir) is None

    aws = LocalAws.start(state_dir, 0, ends_with_parent=True)

    assert aws.is_ready()
    aws.stop()


def test_stop_when_restarted_then_state_is_back(tmp_path: Path) -> None:
    """A stop loses nothing, and stopping twice is harmless."""
    aws = LocalAws.start(tmp_path, 0, ends_with_parent=True)
    _make_queue(aws, "kept")
    attached = LocalAws.attach(tmp_path)
    assert attached is not None

    aws.stop()
    aws.stop()
    assert not aws.is_running()
    assert not attached.is_running()

    again = LocalAws.start(tmp_path, 0, ends_with_parent=True)
    assert _queues(again) == ["kept"]
    again.stop()


def test_kill_when_autosaved_then_only_the_last_moments_are_lost(aws: LocalAws) -> None:
    """`kill -9` costs at most what came after the last save."""
    _make_queue(aws, "saved")
    _wait_for(lambda: "saved" in _text(aws.state_dir / "state" / "sqs.json"))

    os.kill(aws.pid, signal.SIGKILL)
    _wait_for(lambda: not aws.is_running())

    again = LocalAws.start(aws.state_dir, 0, ends_with_parent=True)
    assert _queues(again) == ["saved"]
    again.stop()


def test_state_when_only_read_then_is_not_written_again(aws: LocalAws) -> None:
    """Polling costs no disk: a save follows a change, not a clock."""
    _make_queue(aws, "one")
    saved = aws.state_dir / "state" / "sqs.json"
    _wait_for(lambda: "one" in _text(saved))
    before = saved.stat().st_mtime_ns

    sqs = root_session(aws).client("sqs", endpoint_url=aws.endpoint)
    url = sqs.get_queue_url(QueueName="one")["QueueUrl"]
    reads_end = time.monotonic() + 0.6  # three times the autosave interval
    while time.monotonic() < reads_end:
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        root_session(aws).client("autoscaling", endpoint_url=aws.endpoint).describe_auto_scaling_groups()

    assert saved.stat().st_mtime_ns == before


def test_process_when_listening_then_is_reachable_from_this_machine_only(aws: LocalAws) -> None:
    """Nothing listens on an address that the network can see."""
    listening = [
        connection.laddr
        for connection in psutil.Process(aws.pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]

    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", aws.port)]


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
