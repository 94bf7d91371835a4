"""The agent: what runs on every instance of the fleet, under systemd or by hand.

    python -m parjanya_dagster.asg_executor.agent --queue steps --table steps

It reads its AWS endpoint, region and credentials from the environment that boto3 reads, and needs the run's
Dagster storage and code to be reachable and importable from here.
"""

import argparse
import json
import logging
import os
import signal
import sys
import time
import uuid
from collections.abc import Sequence
from types import FrameType

import boto3

from parjanya_dagster.asg_executor.aws_edge import CLIENT_CONFIG
from parjanya_dagster.asg_executor.boot_hook import BootHook
from parjanya_dagster.asg_executor.errors import AsgExecutorError, ConfigError
from parjanya_dagster.asg_executor.instance import (
    FleetMember,
    Identity,
    InstanceMetadata,
    Pulse,
    departure_notice,
    read_identity,
)
from parjanya_dagster.asg_executor.lease_table import LeaseTable
from parjanya_dagster.asg_executor.step_queue import StepQueue, resolve_queue_url
from parjanya_dagster.asg_executor.supervisor import AgentLimits, Supervisor
from parjanya_dagster.asg_executor.warm_child import WarmChild

_NOTICE_EVERY_S = 5.0
_PLAIN_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

_EPILOG = """
environment:
  AWS_ENDPOINT_URL, AWS_REGION, ...   as boto3 reads them
  INSTANCE_ID, AUTO_SCALING_GROUP     who this is; without them IMDSv2 is asked, and without that the
                                      agent serves as a machine that no group owns
  ASG_EXECUTOR_STEP_QUEUE, ASG_EXECUTOR_STEPS_TABLE, ASG_EXECUTOR_CODE_VERSION, ASG_EXECUTOR_BOOT_HOOK
                                      defaults of the options, shared with the executor

exit status:
  0  left as asked: SIGTERM, SIGINT, a Spot interruption or a scale-in
  2  wrong options
  3  a step wanted another code version: deploy this instance again
  4  the worker process could not be started three times in a row, or once while the group waited for
     the boot: replace this instance

Under systemd use KillMode=mixed and TimeoutStopSec above --grace. A SIGTERM or SIGINT lets a running step
finish within --grace; after that the step's lease is marked interrupted and the
executor retries it.
"""


class Departure:
    """Why this agent must leave: a signal, or the instance's own notice, looked for every few seconds."""

    def __init__(self, metadata: InstanceMetadata | None) -> None:
        self._metadata = metadata
        self._reason: str | None = None
        self._looked_at = 0.0

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Remember the signal; the loop acts on it."""
        self._reason = self._reason or signal.Signals(number).name

    def __call__(self) -> str | None:
        """Return the reason, or None."""
        due = time.monotonic() - self._looked_at >= _NOTICE_EVERY_S
        if self._reason is None and self._metadata is not None and due:
            self._looked_at = time.monotonic()
            self._reason = departure_notice(self._metadata)
        return self._reason


class JsonLines(logging.Formatter):
    """One JSON object per line: the event, its facts, and who says so."""

    def __init__(self, identity: Identity) -> None:
        super().__init__()
        self._identity = identity

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line; whatever came in `extra` is a field of its own."""
        facts = {name: value for name, value in vars(record).items() if name not in _PLAIN_RECORD}
        line = {
            "at": f"{record.created:.3f}",
            "level": record.levelname,
            "event": record.getMessage(),
            "instance_id": self._identity.instance_id,
            **facts,
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options; prints help or a usage error and exits otherwise."""
    parser = argparse.ArgumentParser(
        prog="python -m parjanya_dagster.asg_executor.agent",
        description="Execute Dagster steps on this instance: one at a time, in one warm process.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    env = os.environ.get
    add("--queue", default=env("ASG_EXECUTOR_STEP_QUEUE"), help="step queue: name or URL")
    add(
        "--table",
        default=env("ASG_EXECUTOR_STEPS_TABLE"),
        help="DynamoDB table of leases and pulses (key: pk)",
    )
    add(
        "--between-steps",
        default="",
        metavar="MODULE:ATTRIBUTE",
        help="factory of the work done while no step waits",
    )
    add(
        "--preload",
        action="append",
        default=[],
        metavar="MODULE",
        help="import at start, so the first step is warm",
    )
    add(
        "--idle-after",
        type=float,
        default=20.0,
        metavar="S",
        help="idle seconds before protection is given up (20)",
    )
    add(
        "--heartbeat",
        type=float,
        default=2.0,
        metavar="S",
        help="seconds between two renewals of a lease (2)",
    )
    add(
        "--grace",
        type=float,
        default=20.0,
        metavar="S",
        help="seconds a step may still run when asked to leave (20)",
    )
    add("--receive-wait", type=int, default=2, metavar="S", help="long poll of the step queue, 0-20 (2)")
    add(
        "--watch-every", type=float, default=2.0, metavar="S", help="seconds between two looks while idle (2)"
    )
    add(
        "--code-version",
        default=env("ASG_EXECUTOR_CODE_VERSION", ""),
        help="refuse steps stamped with another one",
    )
    add(
        "--boot-hook",
        default=env("ASG_EXECUTOR_BOOT_HOOK", ""),
        metavar="NAME",
        help="the group's launch lifecycle hook, answered once the worker process is ready",
    )
    add(
        "--log-location",
        default="",
        help="URL or path of this agent's log, linked from steps; {instance_id} is filled in",
    )
    options = parser.parse_args(arguments)
    for name in ("queue", "table"):
        if not getattr(options, name):
            parser.error(f"--{name} is missing: name the one that the executor is configured with")
    return options


def build_supervisor(options: argparse.Namespace, identity: Identity, departure: Departure) -> Supervisor:
    """Wire a supervisor from the options.

    Raises:
        EdgeError: the step queue cannot be found.
    """
    sqs = boto3.client("sqs", config=CLIENT_CONFIG)
    dynamodb = boto3.client("dynamodb", config=CLIENT_CONFIG)
    owner = f"{identity.instance_id}/{uuid.uuid4().hex[:8]}"
    location = options.log_location.replace("{instance_id}", identity.instance_id)
    child_options = [
        f"--table={options.table}",
        f"--owner={owner}",
        f"--instance-id={identity.instance_id}",
        f"--log-location={location}",
        f"--between-steps={options.between_steps}",
        *(f"--preload={module}" for module in options.preload),
    ]
    member = FleetMember(boto3.client("autoscaling", config=CLIENT_CONFIG), identity=identity)
    return Supervisor(
        queue=StepQueue(sqs, queue_url=resolve_queue_url(sqs, options.queue)),
        leases=LeaseTable(dynamodb, table=options.table),
        member=member,
        boot_hook=BootHook(member, name=options.boot_hook),
        pulse=Pulse(dynamodb, table=options.table, identity=identity),
        child=WarmChild(child_options),
        limits=AgentLimits(
            heartbeat_s=options.heartbeat,
            idle_after_s=options.idle_after,
            grace_s=options.grace,
            receive_wait_s=options.receive_wait,
            watch_every_s=options.watch_every,
            code_version=options.code_version,
        ),
        owner=owner,
        departure=departure,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the agent; return its exit status."""
    options = parse_options(arguments)
    metadata = InstanceMetadata()
    identity = read_identity(os.environ, metadata)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(identity))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # A stand-in for an instance (INSTANCE_ID in the environment) has no metadata service to ask.
    on_ec2 = identity.group is not None and "INSTANCE_ID" not in os.environ
    departure = Departure(metadata if on_ec2 else None)
    signal.signal(signal.SIGTERM, departure.on_signal)
    signal.signal(signal.SIGINT, departure.on_signal)
    try:
        return int(build_supervisor(options, identity, departure).run())
    except (ConfigError, AsgExecutorError) as error:
        logging.getLogger("asg_executor.agent").error("agent_failed", extra={"error": str(error)})  # noqa: TRY400 -- the message is for a person
        return 1


if __name__ == "__main__":
    sys.exit(main())
