"""The step queue: SQS carries a packed step from the executor to whichever instance receives it first.

A message is only a wake-up: the lease decides whether its step may be executed. It is deleted once the lease
is taken, and from then on the executor owns every retry; a message delivered again finds no queued lease.
"""

import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from parjanya_dagster.asg_executor.aws_edge import translated
from parjanya_dagster.asg_executor.errors import InvalidStepMessageError, StepTooLargeError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# SQS takes 256 KiB (262,144 bytes); the rest is left for attributes that other tools may add.
MAX_MESSAGE_BYTES = 250_000


class StepMessage(BaseModel):
    """One attempt on its way to an instance.

    Attributes:
        launch_id: the lease must still carry it.
        lease_ttl_s: how long the executor bears silence, so that the worker renews often enough.
        code_version: what the run's code was; "" when nobody stamps versions.
        packed_args: Dagster's step arguments, compressed (`pack_text`).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    lease_id: str
    launch_id: str
    run_id: str
    step_key: str
    attempt: int
    lease_ttl_s: float
    code_version: str = ""
    packed_args: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedStep:
    """A message and the handle that deletes or releases this delivery of it."""

    message: StepMessage
    receipt: str


class StepQueue:
    """The queue. Every method is one call and raises `EdgeError` if AWS does not answer."""

    def __init__(self, client: "SQSClient", *, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def send(self, message: StepMessage) -> None:
        """Queue one attempt.

        Raises:
            StepTooLargeError: the packed step exceeds what a message may hold.
        """
        body = message.model_dump_json()
        if len(body) > MAX_MESSAGE_BYTES:
            raise StepTooLargeError(
                f"step {message.step_key} packs to {len(body):,} bytes and a queue message holds"
                f" {MAX_MESSAGE_BYTES:,}. Most of it is usually the run's known state: map over fewer, larger"
                " batches, or keep big values out of the dynamic output keys.",
            )
        with translated("sqs:SendMessage"):
            self._client.send_message(QueueUrl=self._queue_url, MessageBody=body)

    def receive(self, *, wait_s: int) -> ReceivedStep | None:
        """Return the next step, waiting up to `wait_s` (0-20) seconds for one.

        Raises:
            InvalidStepMessageError: the message is not ours to read. It has been deleted, since no worker of
                this version ever could, and the executor's own time limit covers its step.
        """
        with translated("sqs:ReceiveMessage"):
            answer = self._client.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=1,
                WaitTimeSeconds=wait_s,
            )
        for message in answer.get("Messages", []):
            receipt = message["ReceiptHandle"]
            try:
                return ReceivedStep(message=StepMessage.model_validate_json(message["Body"]), receipt=receipt)
            except ValidationError as error:
                self.delete(receipt)
                raise InvalidStepMessageError(f"message {message['MessageId']} dropped: {error}") from error
        return None

    def delete(self, receipt: str) -> None:
        """Delete a delivery, after its lease was taken or found taken."""
        with translated("sqs:DeleteMessage"):
            self._client.delete_message(QueueUrl=self._queue_url, ReceiptHandle=receipt)

    def release(self, receipt: str, *, delay_s: int) -> None:
        """Give a delivery back, for another worker to see after `delay_s` seconds."""
        with translated("sqs:ChangeMessageVisibility"):
            self._client.change_message_visibility(
                QueueUrl=self._queue_url,
                ReceiptHandle=receipt,
                VisibilityTimeout=delay_s,
            )

    def depth(self) -> int:
        """Return how many messages could be received now (approximate, as SQS counts)."""
        with translated("sqs:GetQueueAttributes"):
            answer = self._client.get_queue_attributes(
                QueueUrl=self._queue_url,
                AttributeNames=["ApproximateNumberOfMessages"],
            )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def resolve_queue_url(client: "SQSClient", queue: str) -> str:
    """Return the URL of `queue`, given its name or its URL."""
    if queue.startswith(("http://", "https://")):
        return queue
    with translated(f"sqs:GetQueueUrl({queue})"):
        return client.get_queue_url(QueueName=queue)["QueueUrl"]


def pack_text(text: str) -> str:
    """Compress `text` into ASCII that a message can carry."""
    return base64.b64encode(zlib.compress(text.encode())).decode("ascii")


def unpack_text(packed: str) -> str:
    """Undo `pack_text`.

    Raises:
        InvalidStepMessageError: `packed` is damaged.
    """
    try:
        return zlib.decompress(base64.b64decode(packed, validate=True)).decode()
    except (binascii.Error, zlib.error, UnicodeDecodeError) as error:
        raise InvalidStepMessageError(f"the packed step cannot be read: {error}") from error
