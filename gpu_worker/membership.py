"""The instance this worker runs on: its protection from scale-in, and the notices that it must leave.

A worker on any other machine belongs to no group; then everything here does nothing.
"""

import os
import time
from collections.abc import Mapping
from typing import Final

import boto3

from parjanya_dagster.asg_executor.aws_edge import CLIENT_CONFIG
from parjanya_dagster.asg_executor.instance import (
    FleetMember,
    InstanceMetadata,
    departure_notice,
    read_identity,
)

_NOTICE_EVERY_S: Final = 5.0


def member_from_environment(region: str) -> FleetMember:
    """Return this process' instance, by INSTANCE_ID and AUTO_SCALING_GROUP or by IMDSv2."""
    client = boto3.client("autoscaling", config=CLIENT_CONFIG, region_name=region)
    return FleetMember(client, identity=read_identity(os.environ, InstanceMetadata()))


class Departure:
    """Whether this worker must leave: it was told to, or its instance was."""

    def __init__(self, environment: Mapping[str, str], member: FleetMember) -> None:
        is_on_ec2 = member.identity.group is not None and "INSTANCE_ID" not in environment
        self._metadata = InstanceMetadata() if is_on_ec2 else None
        self._looked_at = 0.0
        self.reason: str | None = None

    def request(self, reason: str) -> None:
        """Ask to leave; the first reason stays."""
        self.reason = self.reason or reason

    def is_due(self) -> bool:
        """Whether to leave; asks the instance every few seconds at most."""
        is_time = time.monotonic() - self._looked_at >= _NOTICE_EVERY_S
        if self.reason is None and self._metadata is not None and is_time:
            self._looked_at = time.monotonic()
            self.reason = departure_notice(self._metadata)
        return self.reason is not None
