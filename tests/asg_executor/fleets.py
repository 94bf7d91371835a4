"""A small fleet for tests: a queue, a table, a group, and real agent processes on this machine."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import dagster as dg

from parjanya_dagster.asg_executor.lease import Lease, StepAttempt
from parjanya_dagster.asg_executor.lease_table import LeaseTable
from parjanya_dagster.asg_executor.step_queue import StepQueue

PASSWORD = "ASG_TEST_PG_PASSWORD"
"""A variable that Dagster's storage names: each side resolves it itself, and no message carries its value."""

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 40.0


def wait_until(claim: Callable[[], object], *, what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for another process to make `claim` true.

    Raises:
        AssertionError: it did not, in time.
    """
    deadline = time.monotonic() + patience_s
    while not claim():
        assert time.monotonic() < deadline, f"{what}: not within {patience_s} s"
        time.sleep(0.05)


@contextmanager
def meanwhile(action: Callable[[], None]) -> Iterator[None]:
    """Do `action` on a thread while the block runs; a failure of either fails the test."""
    failures: list[BaseException] = []

    def act() -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001 -- reported by the test's own thread below
            failures.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert not failures, failures


@dataclass
class Agent:
    """One real agent process, standing in for an instance."""

    process: subprocess.Popen[bytes]
    instance_id: str
    log: Path

    def signal_all(self, number: signal.Signals) -> None:
        """Signal the supervisor and its child, as a machine that stops would stop both."""
        self.process.send_signal(signal.SIGSTOP)
        self.signal_child(number)
        self.process.send_signal(number)

    def signal_child(self, number: signal.Signals) -> None:
        """Signal the worker process alone."""
        for pid in self.children():
            os.kill(pid, number)

    def children(self) -> list[int]:
        """Return the process ids of the supervisor's children: the warm one."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def ask_to_leave(self) -> None:
        """Send SIGTERM, to a paused agent too."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Ask the agent to leave and return its exit status."""
        self.ask_to_leave()
        return self.process.wait(PATIENCE_S)


@dataclass
class TestFleet:
    """Names of one fleet's resources, and the agents that serve it."""

    __test__ = False  # pytest: a builder, in spite of its name

    endpoint: str
    directory: Path
    name: str = field(default_factory=lambda: f"t-{uuid.uuid4().hex[:8]}")
    agents: list[Agent] = field(default_factory=list)

    def create(self) -> None:
        """Create the queue, the table and an empty group."""
        (self.directory / "diary").mkdir(parents=True)
        self.queue_url = boto3.client("sqs").create_queue(
            QueueName=self.name, Attributes={"VisibilityTimeout": "30"}
        )["QueueUrl"]
        boto3.client("dynamodb").create_table(
            TableName=self.name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        boto3.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=self.name,
            MinSize=0,
            MaxSize=3,
            DesiredCapacity=0,
            NewInstancesProtectedFromScaleIn=True,
            AvailabilityZones=["us-east-1a"],
            LaunchTemplate={"LaunchTemplateName": _launch_template()},
        )

    @property
    def environment(self) -> dict[str, str]:
        """What both the run worker and the agents find in their environment."""
        return {
            "ASG_EXECUTOR_STEP_QUEUE": self.name,
            "ASG_EXECUTOR_STEPS_TABLE": self.name,
            "ASG_TEST_DIARY": str(self.directory / "diary"),
            PASSWORD: "any",
        }

    @property
    def leases(self) -> LeaseTable:
        """The fleet's table of leases."""
        return LeaseTable(boto3.client("dynamodb"), table=self.name)

    @property
    def queue(self) -> StepQueue:
        """The fleet's step queue."""
        return StepQueue(boto3.client("sqs"), queue_url=self.queue_url)

    def lease_of(self, run_id: str, step_key: str, attempt: int = 0) -> Lease:
        """Return a lease that must exist."""
        lease = self.leases.read(StepAttempt(run_id=run_id, step_key=step_key, attempt=attempt).lease_id)
        assert lease is not None
        return lease

    def start_agent(
        self,
        *options: str,
        ready: bool = True,
        preload: str = "tests.asg_executor.jobs",
        **environment: str,
    ) -> Agent:
        """Start an agent and, unless told otherwise, wait until its first child is ready.

        Args:
            environment: the agent's own; an empty INSTANCE_ID leaves it to the metadata service.
        """
        instance_id = environment.setdefault("INSTANCE_ID", f"i-{len(self.agents)}-{uuid.uuid4().hex[:6]}")
        log = self.directory / f"agent-{instance_id}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "parjanya_dagster.asg_executor.agent",
                    "--heartbeat=0.5",
                    "--receive-wait=1",
                    "--watch-every=0.5",
                    f"--preload={preload}",
                    f"--log-location={log}",
                    *options,
                ],
                env={
                    **os.environ,
                    **self.environment,
                    "PYTHONPATH": os.environ.get("PYTHONPATH", str(REPOSITORY)),
                    **environment,
                },
                stdout=stream,
                stderr=stream,
            )
        agent = Agent(process=process, instance_id=instance_id, log=log)
        self.agents.append(agent)
        if ready:
            wait_until(lambda: "child_ready" in log.read_text(), what=f"agent {instance_id} is ready")
        return agent

    def diary(self, subject: str) -> list[str]:
        """Return the lines that steps left under `subject`, oldest first: "subject pid instance device"."""
        lines = sorted((self.directory / "diary").glob(f"{subject}.*"))
        return [line.read_text() for line in lines]

    def hurry(self) -> None:
        """Let lingering steps return."""
        (self.directory / "diary" / "hurry").touch()

    def stop(self) -> None:
        """End every agent at once; a child ends itself when its supervisor is gone."""
        children = [pid for agent in self.agents if agent.process.poll() is None for pid in agent.children()]
        for agent in self.agents:
            agent.process.kill()
            agent.process.wait(PATIENCE_S)
        left = [Path(f"/proc/{pid}") for pid in children]
        wait_until(lambda: not any(process.exists() for process in left), what="the children end themselves")


def events_of(result: dg.JobExecutionResult, instance: dg.DagsterInstance) -> list[tuple[str, str, str]]:
    """Return (event type, step key, message) of everything stored about the run."""
    return [
        (
            entry.dagster_event.event_type_value,
            entry.dagster_event.step_key or "",
            entry.dagster_event.message or "",
        )
        for entry in instance.all_logs(result.run_id)
        if entry.dagster_event is not None
    ]


def _launch_template() -> str:
    name = f"t-{uuid.uuid4().hex[:8]}"
    ec2 = boto3.client("ec2")
    image = ec2.register_image(Name=name)["ImageId"]
    ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"ImageId": image})
    return name
