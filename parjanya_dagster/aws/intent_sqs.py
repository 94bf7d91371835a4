"""The intents queue on SQS.

Everything travels in batches of ten, because SQS is paid and throttled by the call. A batch may fail in
part: what the queue did not take is repeated once, then left out of the answer, never assumed.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from parjanya_dagster.aws.clock import utc_now
from parjanya_dagster.aws.errors import translated
from parjanya_dagster.core.belief.signals import Blind, QueueDepth, QueueSignal, Reading
from parjanya_dagster.core.errors import EdgeError, UnavailableError
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.ports import Received

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sqs.type_defs import (
        BatchResultErrorEntryTypeDef,
        MessageAttributeValueTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

BATCH: Final = 10

_COUNTS: "Final[list[QueueAttributeNameType]]" = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]

T = TypeVar("T")


class SqsIntentQueue:
    """See `IntentQueue`."""

    def __init__(
        self,
        client: "SQSClient",
        *,
        queue: str,
        dead_letter_queue: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._client = client
        self._queue = queue
        self._dead_letter_queue = dead_letter_queue
        self._clock = clock
        self._urls: dict[str, str] = {}

    @property
    def url(self) -> str:
        """Address of the queue itself."""
        return self._url(self._queue)

    def send(self, jobs: Sequence[Job]) -> list[Job]:
        """See `IntentQueue`.

        Raises:
            EdgeError: nothing at all was accepted. After a partial success the accepted jobs are returned,
                since they must be stamped.
        """
        accepted: list[Job] = []
        for batch in _batches(jobs):
            try:
                accepted += self._send_batch(batch)
            except EdgeError:
                if not accepted:
                    raise
                break
        return accepted

    def receive(self, *, limit: int, wait_s: int) -> list[Received]:
        """See `IntentQueue`."""
        with translated("receiving jobs"):
            answer = self._client.receive_message(
                QueueUrl=self._url(self._queue),
                MaxNumberOfMessages=limit,
                WaitTimeSeconds=wait_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return [
            Received(
                body=message["Body"],
                receipt=message["ReceiptHandle"],
                receive_count=int(message["Attributes"]["ApproximateReceiveCount"]),
            )
            for message in answer.get("Messages", [])
        ]

    def delete(self, receipts: Sequence[str]) -> None:
        """See `IntentQueue`.

        Raises:
            UnavailableError: SQS itself failed twice; those messages will be delivered again.
        """
        for batch in _batches(receipts):
            left = self._delete_batch(batch)
            if left and self._delete_batch(left):
                raise UnavailableError(
                    f"while deleting messages: SQS failed {len(left)} of {len(batch)}, twice"
                )

    def extend(self, receipts: Sequence[str], *, timeout_s: int) -> list[str]:
        """See `IntentQueue`."""
        held: list[str] = []
        for batch in _batches(receipts):
            with translated("renewing leases of messages"):
                answer = self._client.change_message_visibility_batch(
                    QueueUrl=self._url(self._queue),
                    Entries=[
                        {"Id": str(at), "ReceiptHandle": receipt, "VisibilityTimeout": timeout_s}
                        for at, receipt in enumerate(batch)
                    ],
                )
            held += [batch[int(entry["Id"])] for entry in answer.get("Successful", [])]
        return held

    def depth(self) -> QueueSignal:
        """See `IntentQueue`."""
        return self._depth("queue.depth", self._queue)

    def dead_letter_depth(self) -> QueueSignal:
        """See `IntentQueue`."""
        return self._depth("queue.dead_letter_depth", self._dead_letter_queue)

    def _send_batch(self, jobs: list[Job]) -> list[Job]:
        accepted, failed = self._send_once(jobs)
        # a refusal that is the message's own fault would be refused again
        again = [jobs[int(entry["Id"])] for entry in failed if not entry["SenderFault"]]
        return accepted + (self._send_once(again)[0] if again else [])

    def _send_once(self, jobs: list[Job]) -> "tuple[list[Job], list[BatchResultErrorEntryTypeDef]]":
        entries = [_entry(str(at), job) for at, job in enumerate(jobs)]
        with translated(f"sending {len(jobs)} jobs"):
            answer = self._client.send_message_batch(QueueUrl=self._url(self._queue), Entries=entries)
        accepted = [jobs[int(entry["Id"])] for entry in answer.get("Successful", [])]
        return accepted, answer.get("Failed", [])

    def _delete_batch(self, receipts: list[str]) -> list[str]:
        with translated("deleting messages"):
            answer = self._client.delete_message_batch(
                QueueUrl=self._url(self._queue),
                Entries=[{"Id": str(at), "ReceiptHandle": receipt} for at, receipt in enumerate(receipts)],
            )
        # the sender's fault is a receipt that is no longer valid: there is nothing left to delete
        return [receipts[int(each["Id"])] for each in answer.get("Failed", []) if not each["SenderFault"]]

    def _depth(self, signal: str, queue: str) -> QueueSignal:
        try:
            with translated(f"counting messages of queue {queue}"):
                answer = self._client.get_queue_attributes(QueueUrl=self._url(queue), AttributeNames=_COUNTS)
            visible, in_flight, delayed = (int(answer["Attributes"][name]) for name in _COUNTS)
        except (EdgeError, KeyError) as error:
            return Blind(signal=signal, reason=str(error), at=self._clock())
        return Reading(
            value=QueueDepth(visible=visible, in_flight=in_flight, delayed=delayed), at=self._clock()
        )

    def _url(self, queue: str) -> str:
        # asked for on first use: a process that never reads dead letters needs no right to find them
        if queue not in self._urls:
            self._urls[queue] = self._client.get_queue_url(QueueName=queue)["QueueUrl"]
        return self._urls[queue]


def _entry(entry_id: str, job: Job) -> "SendMessageBatchRequestEntryTypeDef":
    return {
        "Id": entry_id,
        "MessageBody": job.model_dump_json(),
        # a message group on a standard queue makes it a fair queue: a tenant's burst delays only itself
        "MessageGroupId": job.message_group,
        "MessageAttributes": {
            "tenant": _text(job.tenant_id),
            "image_key": _text(job.source_key),
            "source_bucket": _text(job.source_bucket),
            "output_location": _text(f"dynamodb://{job.output_table}/{job.key}"),
        },
    }


def _text(value: str) -> "MessageAttributeValueTypeDef":
    return {"DataType": "String", "StringValue": value}


def _batches(values: Sequence[T]) -> Iterator[list[T]]:
    rest = iter(values)
    while batch := list(islice(rest, BATCH)):
        yield batch
