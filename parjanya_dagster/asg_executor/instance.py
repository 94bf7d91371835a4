"""An EC2 Auto Scaling member as it sees itself: who it is, whether it may be terminated, when it must go.

It imports no Dagster, so that any worker on an instance can use it. Identity comes from the environment
(INSTANCE_ID, AUTO_SCALING_GROUP; a laptop's stand-in for an instance sets them) or from IMDSv2.
"""

import http.client
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from parjanya_dagster.asg_executor.aws_edge import translated

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_autoscaling.type_defs import AutoScalingInstanceDetailsTypeDef
    from mypy_boto3_dynamodb import DynamoDBClient

METADATA_ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"

_IMDS_HOST = "169.254.169.254"
_IMDS_TIMEOUT_S = 1.0
_HTTP_OK = 200
_PULSE_EXPIRES_AFTER_S = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which instance this is. `group` is None where no Auto Scaling group owns it."""

    instance_id: str
    group: str | None


class Standing(StrEnum):
    """Where an instance stands with its group."""

    BOOTING = "booting"
    """On its way into service."""
    WARMING = "warming"
    """Only prepared for later: whoever polls now is stopped with work in hand."""
    IN_SERVICE = "in service"
    LEAVING = "leaving"
    """The group ends it, has ended it, or does not know it."""


def standing_of(lifecycle_state: str | None) -> Standing:
    """Return where an instance in this lifecycle state stands; None: it is no member (any more)."""
    if lifecycle_state == "InService":
        return Standing.IN_SERVICE
    if lifecycle_state is None or "Terminat" in lifecycle_state:
        return Standing.LEAVING
    if lifecycle_state.startswith("Warmed:"):
        return Standing.WARMING
    return Standing.BOOTING if lifecycle_state.startswith("Pending") else Standing.LEAVING


class InstanceMetadata:
    """The instance metadata service, version 2. Every reading is None where there is none.

    Args:
        host: with `:port` unless it is 80.
    """

    @classmethod
    def named_by(cls, environment: Mapping[str, str]) -> "InstanceMetadata":
        """Return the service at the address in AWS's variable (http://HOST:PORT), else at the usual one."""
        address = urlsplit(environment.get(METADATA_ENDPOINT, "")).netloc
        return cls(host=address or _IMDS_HOST)

    def __init__(self, *, host: str = _IMDS_HOST, timeout_s: float = _IMDS_TIMEOUT_S) -> None:
        self._host = host
        self._timeout_s = timeout_s

    def read(self, path: str) -> str | None:
        """Return `/latest/meta-data/{path}`, or None if it is absent or the service does not answer."""
        try:
            token = self._request("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "300"})
            if token is None:
                return None
            return self._request("GET", f"/latest/meta-data/{path}", {"X-aws-ec2-metadata-token": token})
        except (OSError, http.client.HTTPException):
            return None

    def _request(self, method: str, path: str, headers: Mapping[str, str]) -> str | None:
        connection = http.client.HTTPConnection(self._host, timeout=self._timeout_s)
        try:
            connection.request(method, path, headers=dict(headers))
            response = connection.getresponse()
            body = response.read().decode()
            return body if response.status == _HTTP_OK else None
        finally:
            connection.close()


def read_identity(environment: Mapping[str, str], metadata: InstanceMetadata) -> Identity:
    """Return who this process runs on: by environment, else by IMDSv2, else by host name and process id."""
    group = environment.get("AUTO_SCALING_GROUP") or None
    named = environment.get("INSTANCE_ID") or metadata.read("instance-id")
    if named:
        tag = group or metadata.read("tags/instance/aws:autoscaling:groupName")
        return Identity(instance_id=named, group=tag)
    return Identity(instance_id=f"{socket.gethostname()}-{os.getpid()}", group=None)


class FleetMember:
    """This instance as a member of its Auto Scaling group.

    Without a group every call succeeds and does nothing, so that a worker can run on any machine.
    """

    def __init__(self, client: "AutoScalingClient", *, identity: Identity) -> None:
        self._client = client
        self.identity = identity

    def protect(self) -> None:
        """Forbid scale-in to choose this instance.

        Raises:
            DeniedError: it is being terminated already: drain and exit.
            EdgeError: AWS did not answer.
        """
        self._set_protection(protected=True)

    def unprotect(self) -> None:
        """Allow scale-in to choose this instance: only when it has stopped receiving and is idle."""
        self._set_protection(protected=False)

    def lifecycle_state(self) -> str | None:
        """Return the group's word for this instance ("InService", ...), None if it is no member (any more).

        Raises:
            EdgeError: AWS did not answer, which says nothing about the instance.
        """
        member = self._described()
        return member["LifecycleState"] if member else None

    def template_version(self) -> str | None:
        """Return the launch template's version this instance came from; None if the group names none.

        Raises:
            EdgeError: AWS did not answer.
        """
        member = self._described()
        return member.get("LaunchTemplate", {}).get("Version") if member else None

    def hook_timeout_s(self, hook: str) -> float | None:
        """Return how long the group waits for an answer to its lifecycle hook; None if it has no such hook.

        Raises:
            EdgeError: AWS did not answer.
        """
        if self.identity.group is None or not hook:
            return None
        with translated("autoscaling:DescribeLifecycleHooks"):
            answer = self._client.describe_lifecycle_hooks(AutoScalingGroupName=self.identity.group)
        timeouts = {each["LifecycleHookName"]: each["HeartbeatTimeout"] for each in answer["LifecycleHooks"]}
        return float(timeouts[hook]) if hook in timeouts else None

    def prolong(self, hook: str) -> None:
        """Let the group wait for another timeout of its lifecycle hook.

        Raises:
            DeniedError: it does not wait for this instance.
            EdgeError: AWS did not answer.
        """
        with translated("autoscaling:RecordLifecycleActionHeartbeat"):
            self._client.record_lifecycle_action_heartbeat(
                AutoScalingGroupName=self.identity.group or "",
                LifecycleHookName=hook,
                InstanceId=self.identity.instance_id,
            )

    def complete(self, hook: str, *, result: str) -> None:
        """End the group's waiting for this instance.

        Args:
            hook: the lifecycle hook that is waited for.
            result: CONTINUE, or ABANDON, which ends the instance.

        Raises:
            DeniedError: it does not wait for this instance.
            EdgeError: AWS did not answer.
        """
        with translated("autoscaling:CompleteLifecycleAction"):
            self._client.complete_lifecycle_action(
                AutoScalingGroupName=self.identity.group or "",
                LifecycleHookName=hook,
                InstanceId=self.identity.instance_id,
                LifecycleActionResult=result,
            )

    def _described(self) -> "AutoScalingInstanceDetailsTypeDef | None":
        if self.identity.group is None:
            return None
        with translated("autoscaling:DescribeAutoScalingInstances"):
            answer = self._client.describe_auto_scaling_instances(InstanceIds=[self.identity.instance_id])
        return next(iter(answer["AutoScalingInstances"]), None)

    def _set_protection(self, *, protected: bool) -> None:
        if self.identity.group is None:
            return
        with translated("autoscaling:SetInstanceProtection"):
            self._client.set_instance_protection(
                InstanceIds=[self.identity.instance_id],
                AutoScalingGroupName=self.identity.group,
                ProtectedFromScaleIn=protected,
            )


def departure_notice(metadata: InstanceMetadata) -> str | None:
    """Return why this instance must leave soon (a Spot interruption or a scale-in), or None.

    Spot gives two minutes; a scale-in lasts as long as the group's lifecycle hook.
    """
    spot = metadata.read("spot/instance-action")
    if spot:
        try:
            return f"spot {json.loads(spot)['action']} at {json.loads(spot)['time']}"
        except (ValueError, KeyError):
            return f"spot notice: {spot}"
    target = metadata.read("autoscaling/target-lifecycle-state")
    return "scale-in" if target == "Terminated" else None


class Pulse:
    """This instance's sign of life in the steps table: `pulse/{instance id}`, expiring by itself."""

    def __init__(self, client: "DynamoDBClient", *, table: str, identity: Identity) -> None:
        self._client = client
        self._table = table
        self._identity = identity

    def write(self, *, activity: str, now: float) -> None:
        """Record that the instance lives and what it does.

        Args:
            activity: for a person, e.g. "loading", "idle", "step plan of 8f3c…".
            now: epoch seconds.

        Raises:
            EdgeError: AWS did not answer.
        """
        with translated("dynamodb:PutItem"):
            self._client.put_item(
                TableName=self._table,
                Item={
                    "pk": {"S": f"pulse/{self._identity.instance_id}"},
                    "instance_id": {"S": self._identity.instance_id},
                    "group": {"S": self._identity.group or ""},
                    "activity": {"S": activity},
                    "beat_at": {"N": repr(now)},
                    "expires_at": {"N": str(int(now) + _PULSE_EXPIRES_AFTER_S)},
                },
            )
