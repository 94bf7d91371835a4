"""The dead letters of the intents queue on SQS.

A letter that is not deleted becomes visible again after `_HIDDEN_S`: long enough to settle a whole read of
them, and no lease of the living is at stake.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from parjanya_dagster.aws.errors import translated
from parjanya_dagster.aws.intent_sqs import BATCH, SqsIntentQueue
from parjanya_dagster.core.ports import DeadLetter

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_HIDDEN_S: Final = 120


class SqsDeadLetters:
    """See `DeadLetters`."""

    def __init__(self, client: "SQSClient", *, queue: str) -> None:
        self._client = client
        # Deleting is the same for every queue, partial failures included.
        self._queue = SqsIntentQueue(client, queue=queue, dead_letter_queue=queue)

    def receive(self, *, limit: int) -> list[DeadLetter]:
        """See `DeadLetters`."""
        letters: list[DeadLetter] = []
        while len(letters) < limit:
            with translated("receiving dead letters"):
                answer = self._client.receive_message(
                    QueueUrl=self._queue.url,
                    MaxNumberOfMessages=min(BATCH, limit - len(letters)),
                    WaitTimeSeconds=0,
                    VisibilityTimeout=_HIDDEN_S,
                    MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                )
            messages = answer.get("Messages", [])
            if not messages:
                break
            letters += [_letter(message) for message in messages]
        return letters

    def delete(self, receipts: Sequence[str]) -> None:
        """See `DeadLetters`.

        Raises:
            UnavailableError: SQS itself failed twice; those letters come back.
        """
        self._queue.delete(receipts)


def _letter(message: "MessageTypeDef") -> DeadLetter:
    attributes = message["Attributes"]
    return DeadLetter(
        message_id=message["MessageId"],
        body=message["Body"],
        receipt=message["ReceiptHandle"],
        receive_count=int(attributes["ApproximateReceiveCount"]),
        sent_at=datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, tz=UTC),
    )
