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
import uuid
from collections.abc import Sequence

import boto3

from parjanya_dagster.asg_executor.agent_options import parse_options
from parjanya_dagster.asg_executor.aws_edge import CLIENT_CONFIG
from parjanya_dagster.asg_executor.boot_hook import BootHook
from parjanya_dagster.asg_executor.devices import count_gpus, devices_of_children
from parjanya_dagster.asg_executor.errors import AsgExecutorError, ConfigError
from parjanya_dagster.asg_executor.instance import (
    FleetMember,
    Identity,
    InstanceMetadata,
    Pulse,
    read_identity,
)
from parjanya_dagster.asg_executor.lease_table import LeaseTable
from parjanya_dagster.asg_executor.notices import Departure
from parjanya_dagster.asg_executor.slot import Slot
from parjanya_dagster.asg_executor.step_queue import StepQueue, resolve_queue_url
from parjanya_dagster.asg_executor.supervisor import AgentLimits, Supervisor
from parjanya_dagster.asg_executor.warm_child import WarmChild

_PLAIN_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


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


def build_supervisor(options: argparse.Namespace, identity: Identity, departure: Departure) -> Supervisor:
    """Wire a supervisor from the options.

    Raises:
        EdgeError: the step queue cannot be found.
    """
    sqs = boto3.client("sqs", config=CLIENT_CONFIG)
    dynamodb = boto3.client("dynamodb", config=CLIENT_CONFIG)
    owner = f"{identity.instance_id}/{uuid.uuid4().hex[:8]}"
    location = options.log_location.replace("{instance_id}", identity.instance_id)
    leases = LeaseTable(dynamodb, table=options.table)
    devices = devices_of_children(options.children, os.environ, gpus=count_gpus())
    child_options = [
        f"--table={options.table}",
        f"--owner={owner}",
        f"--instance-id={identity.instance_id}",
        f"--log-location={location}",
        f"--between-steps={options.between_steps}",
        *(f"--preload={module}" for module in options.preload),
    ]
    slots = [
        Slot(
            WarmChild(child_options, number=number, device=device),
            leases,
            owner=owner,
            heartbeat_s=options.heartbeat,
        )
        for number, device in enumerate(devices)
    ]
    member = FleetMember(boto3.client("autoscaling", config=CLIENT_CONFIG), identity=identity)
    return Supervisor(
        queue=StepQueue(sqs, queue_url=resolve_queue_url(sqs, options.queue)),
        leases=leases,
        member=member,
        boot_hook=BootHook(member, name=options.boot_hook),
        pulse=Pulse(dynamodb, table=options.table, identity=identity),
        slots=slots,
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
    metadata = InstanceMetadata.named_by(os.environ)
    identity = read_identity(os.environ, metadata)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(identity))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("botocore").setLevel(logging.WARNING)
    # A stand-in for an instance (INSTANCE_ID in the environment) has no metadata service to ask.
    on_ec2 = not os.environ.get("INSTANCE_ID") and metadata.read("instance-id") is not None
    departure = Departure(
        metadata if on_ec2 else None,
        heeds_rebalance=options.heed_rebalance,
        notice_every_s=options.notice_every,
    )
    signal.signal(signal.SIGTERM, departure.on_signal)
    signal.signal(signal.SIGINT, departure.on_signal)
    try:
        return int(build_supervisor(options, identity, departure).run())
    except (ConfigError, AsgExecutorError) as error:
        logging.getLogger("asg_executor.agent").error("agent_failed", extra={"error": str(error)})  # noqa: TRY400 -- the message is for a person
        return 1


if __name__ == "__main__":
    sys.exit(main())
