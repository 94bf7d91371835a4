"""The instance this worker runs on: its protection from scale-in, and the notices that it must leave.

A worker on any other machine belongs to no group; then everything here does nothing.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Final

import boto3

from gpu_worker.vitals import Vitals
from parjanya_dagster.asg_executor.aws_edge import CLIENT_CONFIG
from parjanya_dagster.asg_executor.instance import (
    FleetMember,
    Identity,
    InstanceMetadata,
    departure_notice,
    read_identity,
)
from parjanya_dagster.core.belief.boot import BootStage

_NOTICE_EVERY_S: Final = 5.0
_WARM_EVERY_S: Final = 2.0


def member_from_environment(region: str) -> FleetMember:
    """Return this process' instance, by INSTANCE_ID and AUTO_SCALING_GROUP or by IMDSv2."""
    client = boto3.client("autoscaling", config=CLIENT_CONFIG, region_name=region)
    return FleetMember(client, identity=read_identity(os.environ, InstanceMetadata()))


def metadata_of(environment: Mapping[str, str], identity: Identity) -> InstanceMetadata | None:
    """Return the metadata service of a member of a group on EC2; None anywhere else, where there is none."""
    is_on_ec2 = identity.group is not None and "INSTANCE_ID" not in environment
    return InstanceMetadata() if is_on_ec2 else None


def template_version(metadata: InstanceMetadata | None) -> str | None:
    """Return the launch template's version this instance came from; None where its tags do not say."""
    return metadata.read("tags/instance/aws:ec2launchtemplate:version") if metadata else None


def await_service(
    metadata: InstanceMetadata | None,
    vitals: Vitals,
    *,
    should_leave: Callable[[], bool],
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Wait while the instance only fills the warm pool, then report the worker ready.

    Whoever polls while it is being warmed takes work that it is stopped with (buildkite issue 838).

    Args:
        pause: waits that many seconds.
    """
    if _is_being_warmed(metadata):
        vitals.reach(BootStage.WARMING)
        while _is_being_warmed(metadata) and not should_leave():
            pause(_WARM_EVERY_S)
    vitals.reach(BootStage.READY)


class Departure:
    """Whether this worker must leave: it was told to, or its instance was."""

    def __init__(self, environment: Mapping[str, str], member: FleetMember) -> None:
        self._metadata = metadata_of(environment, member.identity)
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


def _is_being_warmed(metadata: InstanceMetadata | None) -> bool:
    target = metadata.read("autoscaling/target-lifecycle-state") if metadata else None
    return target is not None and target.startswith("Warmed")
