"""The contract of `DeadLetters`, held by the fake and by SQS."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from parjanya_dagster.aws.clock import utc_now
from parjanya_dagster.aws.dead_letters_sqs import SqsDeadLetters
from parjanya_dagster.core.ports import DeadLetters
from parjanya_dagster.simulation.fakes.clock import FakeClock
from parjanya_dagster.simulation.fakes.dead_letters import FakeDeadLetters
from parjanya_dagster.simulation.fakes.queue import FakeIntentQueue
from tests.builders import NOON
from tests.contract.endpoints import Endpoint


@dataclass(frozen=True)
class Bench:
    """Dead letters, and how a message becomes one: at once for the fake, by being put there for SQS."""

    letters: DeadLetters
    fake: FakeIntentQueue | None = None
    endpoint: Endpoint | None = None
    queue: str = ""

    def bury(self, *bodies: str) -> None:
        """Put messages that were given up."""
        if self.fake is not None:
            for body in bodies:
                self.fake.bury(body)
            return
        assert self.endpoint is not None
        sqs = self.endpoint.clients.sqs
        url = sqs.get_queue_url(QueueName=self.queue)["QueueUrl"]
        for body in bodies:
            sqs.send_message(QueueUrl=url, MessageBody=body)

    def now(self) -> datetime:
        """Return the time by the queue's clock."""
        return NOON if self.fake is not None else utc_now()


@pytest.fixture
def bench(endpoint: Endpoint | None) -> Bench:
    """An empty dead-letter queue."""
    if endpoint is None:
        queue = FakeIntentQueue(FakeClock(NOON))
        return Bench(FakeDeadLetters(queue), fake=queue)
    name = endpoint.new_queue()
    return Bench(SqsDeadLetters(endpoint.clients.sqs, queue=name), endpoint=endpoint, queue=name)


def test_letters_arrive_as_they_were_sent_up_to_the_limit(bench: Bench) -> None:
    """More letters than one call brings; no more than were asked for, and each once."""
    bench.bury(*(f"letter {number:02}" for number in range(14)))

    first = bench.letters.receive(limit=12)
    rest = bench.letters.receive(limit=12)

    assert (len(first), len(rest)) == (12, 2)
    assert sorted(each.body for each in [*first, *rest]) == [f"letter {number:02}" for number in range(14)]
    assert len({each.message_id for each in [*first, *rest]}) == 14
    assert all(each.receive_count >= 1 for each in first)
    assert all(abs(each.sent_at - bench.now()) < timedelta(minutes=1) for each in first)


def test_letter_that_was_taken_is_hidden_from_others(bench: Bench) -> None:
    """Two planes do not settle the same letter at once."""
    bench.bury("letter")

    assert len(bench.letters.receive(limit=5)) == 1
    assert bench.letters.receive(limit=5) == []


def test_letter_that_was_deleted_is_gone_and_deleting_again_does_no_harm(bench: Bench) -> None:
    """What is on record need not stay on the queue."""
    bench.bury("letter")
    [letter] = bench.letters.receive(limit=5)

    bench.letters.delete([letter.receipt])
    bench.letters.delete([letter.receipt])
    bench.letters.delete([])

    assert bench.letters.receive(limit=5) == []


def test_no_letters_are_no_error(bench: Bench) -> None:
    """A healthy platform has none."""
    assert bench.letters.receive(limit=5) == []
