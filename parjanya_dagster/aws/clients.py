"""boto3 clients as the edges need them: short timeouts, few retries, one place that knows endpoints.

A call that hangs is worse than one that fails: every loop above has a deadline, and a Lambda is paid by
the second. Clients are made on first use and shared; boto3 clients are safe between threads.
"""

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, cast

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

CONNECT_TIMEOUT_S: Final = 3
READ_TIMEOUT_S: Final = 10
LONG_READ_TIMEOUT_S: Final = 30
"""For S3's bodies, and for SQS, whose long poll may take 20 s before it answers."""

_ATTEMPTS: Final = 3
"""With botocore's back-off that is at most three seconds more; longer outages belong to the loops above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsClients:
    """The clients of one process.

    `endpoint_url` is None for AWS. Credentials come from boto3's own chain (environment, profile, role)
    unless the session was made with others.
    """

    region: str
    endpoint_url: str | None = None
    max_connections: int = 32
    session: boto3.Session = field(default_factory=boto3.Session, repr=False)
    _made: dict[str, object] = field(default_factory=dict, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    @property
    def dynamodb(self) -> "DynamoDBClient":
        """Client of the tables."""
        return cast("DynamoDBClient", self._client("dynamodb"))

    @property
    def sqs(self) -> "SQSClient":
        """Client of the queues."""
        return cast("SQSClient", self._client("sqs", read_timeout=LONG_READ_TIMEOUT_S))

    @property
    def s3(self) -> "S3Client":
        """Client of the buckets; signs with SigV4, so that a presigned URL binds its headers."""
        style = "path" if self.endpoint_url else "virtual"
        return cast(
            "S3Client",
            self._client(
                "s3",
                read_timeout=LONG_READ_TIMEOUT_S,
                signature_version="s3v4",
                s3={"addressing_style": style},
            ),
        )

    @property
    def cloudwatch(self) -> Any:  # noqa: ANN401 - its stubs are not among our dependencies
        """Client of the metrics."""
        return self._client("cloudwatch")

    @property
    def autoscaling(self) -> "AutoScalingClient":
        """Client of the workers' group."""
        return cast("AutoScalingClient", self._client("autoscaling"))

    def _client(self, service: str, **options: Any) -> object:  # noqa: ANN401 - botocore's own options
        with self._lock:  # a session, unlike a client, is not safe between threads
            if service not in self._made:
                self._made[service] = self._new(service, options)
            return self._made[service]

    def _new(self, service: str, options: dict[str, Any]) -> object:
        settings = {
            "connect_timeout": CONNECT_TIMEOUT_S,
            "read_timeout": READ_TIMEOUT_S,
            "retries": {"mode": "standard", "total_max_attempts": _ATTEMPTS},
            "max_pool_connections": self.max_connections,
            "tcp_keepalive": True,
            **options,
        }
        # the stubs list every service as an overload of its own; the name here is a variable
        make: Any = self.session.client
        return cast(
            "object",
            make(service, region_name=self.region, endpoint_url=self.endpoint_url, config=Config(**settings)),
        )
