"""The contract of `IntentQueue`, held by the fake and by SQS."""

import json
from dataclasses import dataclass

import pytest

from parjanya_dagster.aws.intent_sqs import SqsIntentQueue
from parjanya_dagster.core.belief.signals import Blind, QueueDepth, QueueSignal
from parjanya_dagster.core.intent.job import Job, job_from_json
from parjanya_dagster.core.ports import IntentQueue, Received
from parjanya_dagster.simulation.fakes.clock import FakeClock
from parjanya_dagster.simulation.fakes.queue import FakeIntentQueue
from tests.builders import NOON, a_job, a_row
from tests.contract.endpoints import Endpoint


@dataclass(frozen=True)
class Bench:
    """A queue, and how time passes for it: at once for the fake, by waiting in `receive` for SQS."""

    queue: IntentQueue
    clock: FakeClock

    def receive_all(self) -> list[Received]:
        """Receive until the queue says there is nothing more."""
        received: list[Received] = []
        while more := self.queue.receive(limit=10, wait_s=0):
            received += more
        return received

    def receive_after(self, seconds: int) -> list[Received]:
        """Receive what becomes visible within some seconds."""
        self.clock.advance(seconds=seconds)
        return self.queue.receive(limit=10, wait_s=seconds + 5)


@pytest.fixture
def bench(endpoint: Endpoint | None) -> Bench:
    """An empty queue."""
    clock = FakeClock(NOON)
    if endpoint is None:
        return Bench(FakeIntentQueue(clock), clock)
    queue = SqsIntentQueue(
        endpoint.clients.sqs, queue=endpoint.new_queue(), dead_letter_queue=endpoint.new_queue()
    )
    return Bench(queue, clock)


@pytest.fixture
def strict_bench(endpoint: Endpoint | None) -> Bench:
    """An empty queue that gives a message up after two deliveries."""
    clock = FakeClock(NOON)
    if endpoint is None:
        return Bench(FakeIntentQueue(clock, receive_limit=2), clock)
    return Bench(giving_up_at(endpoint, endpoint.new_queue(), after=2), clock)


def giving_up_at(endpoint: Endpoint, dead: str, *, after: int) -> SqsIntentQueue:
    """Return a new queue that gives messages up to another after so many deliveries."""
    sqs, name = endpoint.clients.sqs, endpoint.new_queue()
    dead_url = sqs.get_queue_url(QueueName=dead)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.set_queue_attributes(
        QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"],
        Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": after})},
    )
    return SqsIntentQueue(sqs, queue=name, dead_letter_queue=dead)


def fleets_queues(endpoint: Endpoint | None) -> tuple[IntentQueue, IntentQueue]:
    """Return the usual queue and an extra fleet's, which gives a message up after one delivery."""
    if endpoint is None:
        usual = FakeIntentQueue(FakeClock(NOON))
        return usual, FakeIntentQueue(FakeClock(NOON), receive_limit=1, buries_at=usual, fleet="large")
    dead = endpoint.new_queue()
    return giving_up_at(endpoint, dead, after=100), giving_up_at(endpoint, dead, after=1)


def jobs(count: int) -> list[Job]:
    """Return jobs of that many images."""
    return [a_job(a_row(number), intent_id=f"intent-{number}") for number in range(1, count + 1)]


def depth_of(signal: QueueSignal) -> QueueDepth:
    """Return the counts of a signal that must be readable."""
    assert not isinstance(signal, Blind), signal.reason
    return signal.value


def test_jobs_when_sent_are_all_accepted_and_delivered_once(bench: Bench) -> None:
    """More jobs than one batch holds arrive as they were sent."""
    sent = jobs(23)

    assert bench.queue.send(sent) == sent

    received = bench.receive_all()
    assert sorted((job_from_json(each.body) for each in received), key=lambda job: job.image_id) == sent
    assert {each.receive_count for each in received} == {1}


def test_sending_nothing_is_nothing(bench: Bench) -> None:
    """An empty cycle makes no call that SQS would refuse."""
    assert bench.queue.send([]) == []
    bench.queue.delete([])
    assert bench.queue.extend([], timeout_s=60) == []


def test_depth_counts_visible_and_in_flight(bench: Bench) -> None:
    """Demand is what waits and what is being worked on."""
    bench.queue.send(jobs(3))
    bench.queue.receive(limit=1, wait_s=0)

    assert depth_of(bench.queue.depth()) == QueueDepth(visible=2, in_flight=1, delayed=0)
    assert depth_of(bench.queue.dead_letter_depth()) == QueueDepth(visible=0, in_flight=0, delayed=0)


def test_received_message_is_hidden_from_others(bench: Bench) -> None:
    """One delivery at a time."""
    bench.queue.send(jobs(1))

    assert len(bench.queue.receive(limit=10, wait_s=0)) == 1
    assert bench.queue.receive(limit=10, wait_s=0) == []


def test_deleted_message_never_returns(bench: Bench) -> None:
    """Delete is what makes an outcome final for the queue."""
    bench.queue.send(jobs(12))
    received = bench.receive_all()

    bench.queue.delete([each.receipt for each in received])

    assert depth_of(bench.queue.depth()).total == 0


def test_deleting_with_an_invalid_receipt_is_ignored(bench: Bench) -> None:
    """A worker that deletes twice, or too late, does no harm."""
    bench.queue.send(jobs(1))
    [received] = bench.queue.receive(limit=1, wait_s=0)

    bench.queue.delete([received.receipt])
    bench.queue.delete([received.receipt])

    assert depth_of(bench.queue.depth()).total == 0


def test_lease_given_up_returns_the_message_at_once(bench: Bench) -> None:
    """A worker that stops hands its messages back instead of letting them time out."""
    bench.queue.send(jobs(1))
    [first] = bench.queue.receive(limit=1, wait_s=0)

    assert bench.queue.extend([first.receipt], timeout_s=0) == [first.receipt]

    [second] = bench.queue.receive(limit=1, wait_s=5)
    assert (second.body, second.receive_count) == (first.body, 2)


def test_lease_not_renewed_returns_the_message_in_time(bench: Bench) -> None:
    """A dead worker's message is delivered again."""
    bench.queue.send(jobs(1))
    [first] = bench.queue.receive(limit=1, wait_s=0)
    bench.queue.extend([first.receipt], timeout_s=1)

    [second] = bench.receive_after(1)

    assert second.receive_count == 2


def test_renewing_a_lost_lease_says_which_are_still_held(bench: Bench) -> None:
    """A worker learns that its message is gone before it writes anything."""
    bench.queue.send(jobs(2))
    first, second = bench.receive_all()
    bench.queue.delete([first.receipt])

    assert bench.queue.extend([first.receipt, second.receipt], timeout_s=60) == [second.receipt]


def test_message_received_too_often_is_given_up_and_counted_as_a_dead_letter(strict_bench: Bench) -> None:
    """The receive limit is a backstop: the message leaves the queue at the delivery that would exceed it."""
    queue = strict_bench.queue
    queue.send(jobs(1))
    for delivery in (1, 2):
        [received] = queue.receive(limit=1, wait_s=5)
        assert received.receive_count == delivery
        queue.extend([received.receipt], timeout_s=0)

    assert queue.receive(limit=1, wait_s=0) == []
    assert depth_of(queue.depth()).total == 0
    assert depth_of(queue.dead_letter_depth()).total == 1


def test_messages_given_up_by_two_queues_are_dead_letters_of_one(endpoint: Endpoint | None) -> None:
    """Fleets have queues of their own and share the dead letters, so that one sweep sees to all of them."""
    usual, large = fleets_queues(endpoint)
    large.send(jobs(1))

    [received] = large.receive(limit=1, wait_s=5)
    assert (depth_of(usual.depth()).total, depth_of(large.depth()).in_flight) == (0, 1)
    large.extend([received.receipt], timeout_s=0)

    assert large.receive(limit=1, wait_s=0) == []
    assert depth_of(large.depth()).total == 0
    assert [depth_of(queue.dead_letter_depth()).total for queue in (usual, large)] == [1, 1]


@pytest.mark.local_aws
def test_depth_of_a_missing_queue_is_blind(contract_aws: Endpoint) -> None:
    """A wrong name is a reason, never an empty queue."""
    queue = SqsIntentQueue(contract_aws.clients.sqs, queue="no-such-queue", dead_letter_queue="none")

    signal = queue.depth()

    assert isinstance(signal, Blind)
    assert "no-such-queue" in signal.reason
    assert "NonExistentQueue" in signal.reason


@pytest.mark.local_aws
def test_message_carries_group_and_attributes(contract_aws: Endpoint) -> None:
    """Fair queues need the group; tools that look at a message need not parse its body."""
    sqs = contract_aws.clients.sqs
    name = contract_aws.new_queue()
    queue = SqsIntentQueue(sqs, queue=name, dead_letter_queue="none")
    job = a_job()
    queue.send([job])

    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    [message] = sqs.receive_message(
        QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
    )["Messages"]

    assert message["Attributes"]["MessageGroupId"] == "acme.fresh"
    assert {name: value["StringValue"] for name, value in message["MessageAttributes"].items()} == {
        "tenant": "acme",
        "image_key": job.source_key,
        "source_bucket": job.source_bucket,
        "output_location": f"dynamodb://parjanya-test-images/{job.key}",
    }
