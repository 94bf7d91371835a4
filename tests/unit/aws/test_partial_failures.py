"""Batches that fail in part: what is repeated, what is left out, and what is an outage."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from parjanya_dagster.aws.clients import AwsClients
from parjanya_dagster.aws.intent_sqs import SqsIntentQueue
from parjanya_dagster.aws.truth_dynamodb import BACK_OFF_S, DynamoImageStore
from parjanya_dagster.aws.truth_items import head_item, item_key
from parjanya_dagster.core.errors import UnavailableError
from tests.builders import a_job, a_key, a_row
from tests.contract.endpoints import ROOT

URL = "https://sqs.us-east-1.amazonaws.com/000000000000/jobs"


@pytest.fixture
def clients() -> AwsClients:
    """Real clients; their answers are written by the tests."""
    return AwsClients(region="us-east-1", session=ROOT)


@pytest.fixture
def sqs(clients: AwsClients) -> Iterator[Stubber]:
    """SQS that answers what it is told, and knows the queue."""
    with Stubber(clients.sqs) as stubber:
        stubber.add_response("get_queue_url", {"QueueUrl": URL})
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def queue(clients: AwsClients) -> SqsIntentQueue:
    """The edge over the stubbed client."""
    return SqsIntentQueue(clients.sqs, queue="jobs", dead_letter_queue="jobs-dead")


def answer(
    *, taken: tuple[int, ...] = (), failed: tuple[int, ...] = (), sender: bool = False
) -> dict[str, Any]:
    """Return SQS's answer to a batch by the positions of its entries."""
    return {
        "Successful": [{"Id": str(at), "MessageId": "m", "MD5OfMessageBody": "d"} for at in taken],
        "Failed": [{"Id": str(at), "SenderFault": sender, "Code": "InternalError"} for at in failed],
    }


def deleted(*, failed: tuple[int, ...] = (), sender: bool = False) -> dict[str, Any]:
    """Return SQS's answer to a batch of deletes in which some failed."""
    return {"Successful": [], "Failed": answer(failed=failed, sender=sender)["Failed"]}


def test_job_that_sqs_failed_is_repeated_once(sqs: Stubber, queue: SqsIntentQueue) -> None:
    """A hiccup of the service costs a second call, not a cycle."""
    jobs = [a_job(a_row(number)) for number in (1, 2, 3)]
    sqs.add_response("send_message_batch", answer(taken=(0, 2), failed=(1,)))
    sqs.add_response("send_message_batch", answer(taken=(0,)))

    assert queue.send(jobs) == [jobs[0], jobs[2], jobs[1]]


def test_job_that_sqs_failed_twice_is_left_out(sqs: Stubber, queue: SqsIntentQueue) -> None:
    """What was not accepted must not be stamped as sent."""
    jobs = [a_job(a_row(number)) for number in (1, 2)]
    sqs.add_response("send_message_batch", answer(taken=(0,), failed=(1,)))
    sqs.add_response("send_message_batch", answer(failed=(0,)))

    assert queue.send(jobs) == [jobs[0]]


def test_job_that_is_itself_at_fault_is_not_repeated(sqs: Stubber, queue: SqsIntentQueue) -> None:
    """A refusal that would be repeated is final."""
    sqs.add_response("send_message_batch", answer(failed=(0,), sender=True))

    assert queue.send([a_job()]) == []


def test_outage_in_the_middle_returns_what_was_accepted(sqs: Stubber, queue: SqsIntentQueue) -> None:
    """Jobs that are on the queue are stamped, even though later ones never got there."""
    jobs = [a_job(a_row(number)) for number in range(1, 13)]
    sqs.add_response("send_message_batch", answer(taken=tuple(range(10))))
    sqs.add_client_error("send_message_batch", "ServiceUnavailable", http_status_code=503)

    assert queue.send(jobs) == jobs[:10]


def test_outage_from_the_start_is_raised(sqs: Stubber, queue: SqsIntentQueue) -> None:
    """Nothing was sent, and the caller learns why."""
    sqs.add_client_error("send_message_batch", "ServiceUnavailable", http_status_code=503)

    with pytest.raises(UnavailableError, match="sending 1 jobs"):
        queue.send([a_job()])


def test_delete_that_sqs_failed_twice_is_raised(sqs: Stubber, queue: SqsIntentQueue) -> None:
    """The message comes back, and the worker should know that it will."""
    sqs.add_response("delete_message_batch", deleted(failed=(1,)))
    sqs.add_response("delete_message_batch", deleted(failed=(0,)))

    with pytest.raises(UnavailableError, match="1 of 2"):
        queue.delete(["a", "b"])


def test_delete_with_an_expired_receipt_is_ignored(sqs: Stubber, queue: SqsIntentQueue) -> None:
    """There is nothing left to delete."""
    sqs.add_response("delete_message_batch", deleted(failed=(0,), sender=True))

    queue.delete(["expired"])


def test_rows_left_unprocessed_are_asked_for_again(clients: AwsClients) -> None:
    """DynamoDB may answer a part; a sweep must see every row it asked for."""
    rows = [a_row(1), a_row(2)]
    waits: list[float] = []
    store = DynamoImageStore(clients.dynamodb, table="images", sleep=waits.append)
    left = {"images": {"Keys": [item_key(rows[1].key)], "ConsistentRead": True}}
    with Stubber(clients.dynamodb) as dynamodb:
        first = {"Responses": {"images": [head_item(rows[0])]}, "UnprocessedKeys": left}
        dynamodb.add_response("batch_get_item", first)
        dynamodb.add_response(
            "batch_get_item",
            {"Responses": {"images": [head_item(rows[1])]}, "UnprocessedKeys": {}},
            {"RequestItems": left},
        )

        assert store.get_many([row.key for row in rows]) == rows

    assert waits == [BACK_OFF_S[0]]


def test_rows_left_unprocessed_for_ever_are_an_outage(clients: AwsClients) -> None:
    """The loop is bounded: a throttled table is reported, not waited for."""
    waits: list[float] = []
    store = DynamoImageStore(clients.dynamodb, table="images", sleep=waits.append)
    left = {"images": {"Keys": [item_key(a_key())], "ConsistentRead": True}}
    with Stubber(clients.dynamodb) as dynamodb:
        for _ in range(len(BACK_OFF_S) + 1):
            dynamodb.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": left})

        with pytest.raises(UnavailableError, match="unprocessed"):
            store.get_many([a_key()])

    assert waits == list(BACK_OFF_S)
