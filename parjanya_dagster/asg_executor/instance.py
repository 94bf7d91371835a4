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
from typing import TYPE_CHECKING

from parjanya_dagster.asg_executor.aws_edge import translated

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_dynamodb import DynamoDBClient

_IMDS_HOST = "169.254.169.254"
_IMDS_TIMEOUT_S = 1.0
_HTTP_OK = 200
_PULSE_EXPIRES_AFTER_S = 24 * 3600
_IN_SERVICE_STATES = frozenset({"InService", "Pending", "Pending:Wait", "Pending:Proceed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which instance this is. `group` is None where no Auto Scaling group owns it."""

    instance_id: str
    group: str | None


class InstanceMetadata:
    """The instance metadata service, version 2. Every reading is None where there is none."""

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
        if self.identity.group is None:
            return None
        with translated("autoscaling:DescribeAutoScalingInstances"):
            answer = self._client.describe_auto_scaling_instances(InstanceIds=[self.identity.instance_id])
        for member in answer["AutoScalingInstances"]:
            return member["LifecycleState"]
        return None

    def is_leaving(self) -> bool:
        """Whether the group is terminating, or has terminated, this instance."""
        if self.identity.group is None:
            return False
        return self.lifecycle_state() not in _IN_SERVICE_STATES

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
