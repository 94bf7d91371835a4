"""The instance this worker runs on: its protection from scale-in, and the notices that it must leave.

A worker on any other machine belongs to no group; then everything here does nothing.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import boto3

from gpu_worker.vitals import Vitals
from parjanya_dagster.asg_executor.aws_edge import CLIENT_CONFIG
from parjanya_dagster.asg_executor.boot_hook import BootHook
from parjanya_dagster.asg_executor.errors import EdgeError
from parjanya_dagster.asg_executor.instance import (
    FleetMember,
    InstanceMetadata,
    Standing,
    departure_notice,
    read_identity,
)
from parjanya_dagster.core.belief.boot import BootStage

log = logging.getLogger("gpu_worker")

_NOTICE_EVERY_S: Final = 5.0
_LOOK_EVERY_S: Final = 10.0
_AWAIT_EVERY_S: Final = 1.0


def member_from_environment(region: str) -> FleetMember:
    """Return this process' instance, by INSTANCE_ID and AUTO_SCALING_GROUP or by IMDSv2."""
    client = boto3.client("autoscaling", config=CLIENT_CONFIG, region_name=region)
    return FleetMember(client, identity=read_identity(os.environ, InstanceMetadata()))


def boot_hook_of(member: FleetMember, *, prefix: str) -> BootHook:
    """Return the hook of infra/templates/execution.yaml, which exists only beside a warm pool."""
    return BootHook(member, name=f"{prefix}-boot")


def template_version(member: FleetMember) -> str | None:
    """Return the launch template's version this instance came from; None where the group does not say."""
    try:
        return member.template_version()
    except EdgeError as error:
        log.warning("template_version_unknown", extra={"error": str(error)})
        return None


def standing_now(hook: BootHook) -> Standing | None:
    """Return where the instance stands; None while the group does not answer."""
    try:
        return hook.look()
    except EdgeError as error:
        log.warning("instance_not_seen", extra={"error": str(error)})
        return None


@contextmanager
def booting(hook: BootHook, vitals: Vitals) -> Iterator[None]:
    """Load in the block while the group waits; a failure is reported first, and then ends the instance."""
    hook.begin()
    try:
        with vitals.booting():
            yield
    except Exception:
        hook.abandon()
        raise


def await_service(
    hook: BootHook,
    vitals: Vitals,
    *,
    should_leave: Callable[[], bool],
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until the group counts on this instance, and report the worker ready; False: it must leave.

    Whoever polls while it is being warmed takes work that it is stopped with (buildkite issue 838). A group
    that does not answer might be warming it, so it is asked again.

    Args:
        hook: told that the boot is over whenever the group waits for that, after Truth was.
        pause: waits that many seconds.
    """
    while not should_leave():
        standing = standing_now(hook)
        if standing is Standing.IN_SERVICE:
            vitals.enter_service()
            return True
        if standing is Standing.LEAVING:
            return False
        if standing is Standing.WARMING:
            vitals.reach(BootStage.WARMING)
        try:
            hook.answer()
        except EdgeError as error:
            log.warning("boot_not_completed", extra={"error": str(error)})
        pause(_AWAIT_EVERY_S)
    return False


@dataclass(slots=True, kw_only=True)
class GroupService:
    """See `gpu_worker.headless.Service`: in service by the group's word.

    Args:
        look_every_s: seconds between two looks while the worker is idle and may be taken out of service.
    """

    hook: BootHook
    vitals: Vitals
    should_leave: Callable[[], bool]
    look_every_s: float = _LOOK_EVERY_S
    _looked_at: float = field(default_factory=time.monotonic)

    def enter(self) -> bool:
        """See `Service`."""
        return await_service(self.hook, self.vitals, should_leave=self.should_leave)

    def has_ended(self) -> bool:
        """See `Service`."""
        if time.monotonic() - self._looked_at < self.look_every_s:
            return False
        self._looked_at = time.monotonic()
        return standing_now(self.hook) not in (Standing.IN_SERVICE, None)


class Departure:
    """Whether this worker must leave: it was told to, or its instance was."""

    def __init__(self, environment: Mapping[str, str], member: FleetMember) -> None:
        # a stand-in for an instance (INSTANCE_ID in the environment) has no metadata service to ask
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
