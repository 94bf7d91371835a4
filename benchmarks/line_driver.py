"""The whole line as scripts and chaos tests drive it: real processes, and what must be true at the end.

Local AWS with everything deployed, its functions, the fleet with headless workers, and a client.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Final

import psutil  # type: ignore[import-untyped]  # it publishes no types
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from benchmarks.line_client import Client
from parjanya_dagster.cli.proof import await_proof
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import publish_policy
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.core.belief.signals import Blind, FleetSize
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.names import Names
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.local.credentials import Profile, local_environment, root_session
from parjanya_dagster.local.deployment import deploy_locally
from parjanya_dagster.local.stack import LocalAws
from parjanya_dagster.local.worker_process import ending_with_parent
from parjanya_dagster.policies.shipped import shipped_policy
from parjanya_dagster.wiring import platform_from_environment

PREFIX: Final = "parjanya-line"
TENANT: Final = "line"
_FUNCTIONS: Final = ("on-upload", "on-stream", "on-schedule")
_CALLS: Final = Config(connect_timeout=2, read_timeout=30, retries={"total_max_attempts": 1})
_READ: Final = 100
_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a line's clocks run; the default is what is deployed.

    Args:
        settings: PARJANYA_* of functions and workers, on top of the deployed ones.
        visibility_s: the queue's visibility timeout; None leaves the template's.
        sweep_every_s: seconds between sweeps on top of the schedule's, one a minute; None for none.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    visibility_s: int | None = None
    sweep_every_s: float | None = None


class Line:
    """One line in a directory of its own; made by `running_line`."""

    def __init__(self, home: Path, pace: Pace) -> None:
        self._home = home
        self._pace = pace
        self._fleet: subprocess.Popen[bytes] | None = None
        self.aws = LocalAws.start(home / "aws", 0, ends_with_parent=True)
        self.names: Names = deploy_locally(self.aws, prefix=PREFIX)
        self._functions = root_session(self.aws).client(
            "lambda", endpoint_url=self.aws.endpoint, config=_CALLS
        )
        self._quicken()
        _set_environment(local_environment(self.aws, Profile.OPERATOR, prefix=PREFIX))
        self.platform: Platform = platform_from_environment("cli")
        publish_policy(self.platform, shipped_policy().canonical)
        add_tenant(self.platform, TENANT)
        self.client = Client(self.platform, TENANT)

    def rows(self) -> list[ImageRow]:
        """Return the heads of everything uploaded, as they are now."""
        keys = list(self.client.keys)
        slices = [keys[at : at + _READ] for at in range(0, len(keys), _READ)]
        return [row for each in slices for row in self.platform.images.get_many(each)]

    def settled(self) -> int:
        """Return how many images have a durable outcome."""
        return sum(row.status.is_settled for row in self.rows())

    def fleet_size(self) -> FleetSize:
        """Return the group's size."""
        size = self.platform.fleet.size()
        if isinstance(size, Blind):
            raise UnavailableError(size.reason)
        return size.value

    def messages(self) -> int:
        """Return how many messages the intents queue holds, in whatever state."""
        depth = self.platform.queue.depth()
        if isinstance(depth, Blind):
            raise UnavailableError(depth.reason)
        return depth.value.total

    def purge(self) -> None:
        """Delete every message of the intents queue."""
        sqs = root_session(self.aws).client("sqs", endpoint_url=self.aws.endpoint)
        sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=self.names.intents_queue)["QueueUrl"])

    def sweep(self) -> None:
        """Invoke the schedule's function now."""
        self._functions.invoke(FunctionName=f"{PREFIX}-on-schedule", Payload=b"{}")

    def start_workers(self) -> None:
        """Start the fleet, which runs a headless worker for each instance in service."""
        settings = [f"{name}={value}" for name, value in self._pace.settings.items()]
        command = [
            *(sys.executable, "-m", "parjanya_dagster.local.fleet", "--prefix", PREFIX),
            *("--aws-dir", str(self._home / "aws"), "--directory", str(self._home / "fleet")),
            *("--", "/usr/bin/env", *settings, sys.executable, "-m", "gpu_worker", "headless"),
        ]
        with (self._home / "fleet.log").open("ab") as log:
            self._fleet = subprocess.Popen(ending_with_parent(command), stdout=log, stderr=log)

    def workers(self) -> list[psutil.Process]:
        """Return the fleet's worker processes."""
        try:
            return psutil.Process(self._fleet.pid).children(recursive=True) if self._fleet else []
        except psutil.NoSuchProcess:
            return []

    def kill_workers(self) -> None:
        """`kill -9` of the fleet and of every worker."""
        if self._fleet is None:
            return
        for process in [psutil.Process(self._fleet.pid), *self.workers()]:
            process.kill()
        self._fleet.wait()
        self._fleet = None

    def stop_workers(self) -> None:
        """Ask the fleet to end its workers, and itself; kill them if they do not."""
        try:
            if self._fleet is not None:
                self._fleet.terminate()
                self._fleet.wait(_PATIENCE_S)
                self._fleet = None
        finally:
            self.kill_workers()

    def stop_aws(self) -> None:
        """Stop the local AWS gracefully; its functions end with it."""
        self.aws.stop()

    def start_aws(self) -> None:
        """Start the local AWS on the state it left, at the address it had."""
        self.aws = LocalAws.start(self._home / "aws", self.aws.port, ends_with_parent=True)

    def faults(self) -> list[str]:
        """Return what is not as it must be once every image has its outcome."""
        rows = self.rows()
        faults = await_proof(self.platform, rows, with_dagster=False)
        for row in rows:
            results = self.platform.images.results(row.key)
            in_effect = [each.decision for each in results if each.result_id == row.result_id]
            if row.status is Status.ENRICHED and in_effect != [row.decision]:
                faults.append(f"{row.key}: {len(in_effect)} results in effect")
            if row.status is Status.ENRICHED and row.decided_generation != row.generation:
                faults.append(f"{row.key}: decided {row.decided_generation}, stands at {row.generation}")
        return faults

    def results(self) -> int:
        """Return how many results were written, those in effect and those that lost."""
        return sum(len(self.platform.images.results(key)) for key in self.client.keys)

    def _quicken(self) -> None:
        for name in _FUNCTIONS if self._pace.settings else ():
            known = self._functions.get_function_configuration(FunctionName=f"{PREFIX}-{name}")["Environment"]
            wanted = {**known["Variables"], **self._pace.settings}
            self._functions.update_function_configuration(
                FunctionName=f"{PREFIX}-{name}", Environment={"Variables": wanted}
            )
        if self._pace.visibility_s is not None:
            sqs = root_session(self.aws).client("sqs", endpoint_url=self.aws.endpoint)
            url = sqs.get_queue_url(QueueName=self.names.intents_queue)["QueueUrl"]
            sqs.set_queue_attributes(
                QueueUrl=url, Attributes={"VisibilityTimeout": str(self._pace.visibility_s)}
            )


@contextmanager
def running_line(home: Path, pace: Pace | None = None) -> Iterator[Line]:
    """Start a line and sweep as its pace says; at the end stop everything, and put the environment back."""
    pace = pace or Pace()
    done = Event()
    with ExitStack() as stack:
        stack.callback(_set_environment, dict(os.environ))
        stack.callback(_stop_aws, home)  # should a line not come up
        line = Line(home, pace)
        stack.callback(line.stop_aws)
        stack.callback(line.stop_workers)
        sweeper = Thread(target=_sweep, args=(line, pace.sweep_every_s, done))
        sweeper.start()
        stack.callback(sweeper.join)
        stack.callback(done.set)
        yield line


def wait_until(holds: Callable[[], bool], what: str, *, within_s: float = 300.0) -> float:
    """Return the seconds until `holds`.

    Raises:
        TimeoutError: it did not in time.
    """
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"{what} within {within_s:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - began


def count_by_verdict(rows: Sequence[ImageRow]) -> dict[str, int]:
    """Return how many rows got which verdict; by status where they have none."""
    return dict(Counter(str(row.decision.verdict if row.decision else row.status) for row in rows))


def _sweep(line: Line, every_s: float | None, done: Event) -> None:
    while every_s is not None and not done.wait(every_s):
        try:
            line.sweep()
        except (BotoCoreError, ClientError):  # the line is being stopped and started
            continue


def _stop_aws(home: Path) -> None:
    running = LocalAws.attach(home / "aws")
    if running is not None:
        running.stop()


def _set_environment(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
