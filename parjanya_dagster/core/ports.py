"""Ports: what the shell needs from the outside, as Protocols.

Each has an edge in `aws/` (or `imaging/`) and an in-memory twin in `simulation/fakes`; both pass the same
contract tests. Every method may raise `UnavailableError` or `DeniedError`; what a caller branches on is in
the return type.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from parjanya_dagster.core.belief.signals import FleetSignal, LaunchesSignal, QueueSignal, StepsSignal
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.result import IngestFacts, Result
from parjanya_dagster.core.truth.row import ImageRow, Lane


class ImageStore(Protocol):
    """Rows, facts and results (table `images`)."""

    def get(self, key: ImageKey) -> ImageRow | None:
        """Return the head as it is now (consistent read), or None."""
        ...

    def get_many(self, keys: Sequence[ImageKey]) -> list[ImageRow]:
        """Return the heads that exist, read consistently, in no order."""
        ...

    def create(self, row: ImageRow) -> bool:
        """Write a new head; False when the image already has one."""
        ...

    def write(self, before: ImageRow, after: ImageRow) -> bool:
        """Write what differs between the two heads; False when the stored head has moved on.

        Conditional on the status and generation of `before`. A row that leaves them leaves its date and its
        job behind too, even a stamp that landed after `before` was read.
        """
        ...

    def put_facts(self, key: ImageKey, facts: IngestFacts) -> None:
        """Write the facts of ingestion; a second ingestion of the same bytes writes the same facts."""
        ...

    def facts(self, key: ImageKey) -> IngestFacts | None:
        """Return the facts of ingestion."""
        ...

    def put_result(self, key: ImageKey, result: Result) -> None:
        """Write one immutable result item; writing the same `result_id` again changes nothing."""
        ...

    def results(self, key: ImageKey) -> list[Result]:
        """Return every result of the image, oldest first."""
        ...

    def due_gaps(self, lane: Lane, *, due_before: datetime, limit: int) -> list[ImageKey]:
        """Return keys of gap rows due before a time, earliest first; the index lags."""
        ...

    def outstanding(self, *, sent_before: datetime, limit: int) -> list[ImageKey]:
        """Return keys of rows whose job was sent before a time, earliest first. The index lags."""
        ...

    def listing(self, tenant_id: str, *, limit: int, before_image_id: str | None = None) -> list[ImageRow]:
        """Return a tenant's heads, newest first, older than `before_image_id`. The index lags."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One delivery of one message.

    Args:
        receipt: valid for this delivery only.
        receive_count: deliveries so far, ≥ 1.
    """

    body: str
    receipt: str
    receive_count: int


class IntentQueue(Protocol):
    """The intents queue."""

    def send(self, jobs: Sequence[Job]) -> list[Job]:
        """Send jobs in batches; return those the queue accepted."""
        ...

    def receive(self, *, limit: int, wait_s: int) -> list[Received]:
        """Receive up to `limit` (≤ 10) messages, waiting up to `wait_s` (≤ 20) for the first."""
        ...

    def delete(self, receipts: Sequence[str]) -> None:
        """Delete deliveries; a receipt that is no longer valid is ignored."""
        ...

    def extend(self, receipts: Sequence[str], *, timeout_s: int) -> list[str]:
        """Hide deliveries for `timeout_s` from now (0 returns them); return those still held."""
        ...

    def depth(self) -> QueueSignal:
        """Return the message counts, or Blind."""
        ...

    def dead_letter_depth(self) -> QueueSignal:
        """Return the message counts of the dead-letter queue, or Blind."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One delivery of a message that the intents queue gave up.

    Args:
        message_id: the queue's own; the same in every delivery.
        receipt: valid for this delivery only.
        receive_count: deliveries so far, ≥ 1.
        sent_at: when it was first enqueued; moving it to the dead letters does not change that.
    """

    message_id: str
    body: str
    receipt: str
    receive_count: int
    sent_at: datetime


class DeadLetters(Protocol):
    """The dead letters of the intents queue; `IntentQueue.dead_letter_depth` counts them."""

    def receive(self, *, limit: int) -> list[DeadLetter]:
        """Take up to `limit` letters without waiting; what is not deleted comes back."""
        ...

    def delete(self, receipts: Sequence[str]) -> None:
        """Delete deliveries; a receipt that is no longer valid is ignored."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """An object as S3 reports it."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PresignedPut:
    """A URL for one upload, and the headers the client must send with it."""

    url: str
    headers: Mapping[str, str]
    expires_at: datetime


class ObjectStore(Protocol):
    """Objects in tenants' uploads buckets."""

    def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectInfo | None:
        """Return what S3 knows of an object, or None."""
        ...

    def get(self, bucket: str, key: str, *, version_id: str | None = None) -> bytes | None:
        """Return an object's bytes, or None."""
        ...

    def put(self, bucket: str, key: str, body: bytes, *, content_type: str) -> None:
        """Write a derived object (a preview), replacing an earlier one."""
        ...

    def originals(self, bucket: str, *, from_id: str = "") -> Iterator[ObjectInfo]:
        """Yield every current object under `originals/` in key order, which is the order of image ids.

        Args:
            from_id: least image id to yield, or the beginning of one: what came before is not read.
        """
        ...

    def presign_put(
        self, bucket: str, key: str, *, content_type: str, size_bytes: int, sha256: str, expires_s: int
    ) -> PresignedPut:
        """Return a URL that accepts exactly these bytes once."""
        ...

    def presign_get(self, bucket: str, key: str, *, expires_s: int) -> str:
        """Return a URL that reads one object."""
        ...


class TenantBuckets(Protocol):
    """Provisioning of tenants' uploads buckets."""

    def ensure(self, tenant_id: str) -> str:
        """Create and configure the tenant's bucket where needed; return its name."""
        ...

    def existing(self) -> list[str]:
        """Return tenants that have a bucket, sorted, registered or not; for reports, never periodically.

        Raises:
            EdgeError: the buckets cannot be listed.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Who an API token speaks for."""

    tenant_id: str
    role: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyReadings:
    """Since when a signal has read zero, without a gap in observation."""

    since: datetime
    last_read_at: datetime


class ControlStore(Protocol):
    """Everything else that is Truth (table `control`)."""

    def register_tenant(self, tenant_id: str, *, now: datetime) -> None:
        """Write the tenant's marker if it is missing (conditional, idempotent)."""
        ...

    def tenants(self) -> list[str]:
        """Return registered tenants, sorted."""
        ...

    def put_token(self, digest: str, token: Token, *, now: datetime) -> None:
        """Write an API token by the sha256 of its secret."""
        ...

    def token(self, digest: str) -> Token | None:
        """Return who the token with this digest speaks for."""
        ...

    def publish_policy(self, version: str, document: str, *, now: datetime) -> None:
        """Write an immutable policy version and point to it.

        Raises:
            InvalidRequestError: the version exists with another document.
        """
        ...

    def policy(self, version: str) -> str | None:
        """Return the document of a version."""
        ...

    def policy_versions(self) -> list[str]:
        """Return every version written, oldest first."""
        ...

    def published_policy(self) -> str | None:
        """Return the version in force."""
        ...

    def beat(self, plane: str, *, now: datetime) -> None:
        """Record that a plane completed a cycle that read Truth and the queue."""
        ...

    def heartbeats(self) -> dict[str, datetime]:
        """Return the last heartbeat of each plane."""
        ...

    def empty_readings(self, signal: str) -> EmptyReadings | None:
        """Return the remembered run of empty readings of a signal (`queues` or `demand`)."""
        ...

    def remember_empty_readings(self, signal: str, run: EmptyReadings | None) -> None:
        """Remember, or forget, the run of empty readings of a signal."""
        ...

    def take_lease(self, name: str, holder: str, *, now: datetime, duration_s: int) -> int | None:
        """Take or renew an exclusive lease; None while another holder's is unexpired.

        Returns:
            A fencing token, ≥ 1, greater than every earlier one of this lease: who took it before, be it the
            same holder, is fenced from now on.
        """
        ...

    def holds_lease(self, name: str, token: int, *, now: datetime) -> bool:
        """Whether nobody took the lease after this token, and it has not expired."""
        ...


class Heart(Protocol):
    """Where a plane's heartbeat is heard outside the platform: alarms listen for its absence."""

    def beat(self, plane: str, *, now: datetime) -> None:
        """Say that a plane completed a cycle that read Truth and the queue."""
        ...


class Fleet(Protocol):
    """The Auto Scaling group of the workers."""

    def size(self) -> FleetSignal:
        """Return what the group says, or Blind."""
        ...

    def launches(self) -> LaunchesSignal:
        """Return the group's newest launches, failed ones included, newest first, or Blind."""
        ...

    def set_desired(self, desired: int) -> None:
        """Set the desired capacity in one call."""
        ...

    def terminate(self, instance_id: str) -> bool:
        """Terminate an instance and want one less; False when it is leaving already, or is no member."""
        ...

    def use_template(self, version: str) -> None:
        """Launch further instances from this version of the launch template; running ones stay."""
        ...


class StepBacklog(Protocol):
    """Dagster steps that need the fleet."""

    def open_steps(self) -> StepsSignal:
        """Return how many steps are queued or being executed, or Blind."""
        ...
