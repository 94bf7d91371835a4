"""In-memory twin of the dead letters: the other end of the fake queue."""

from collections.abc import Sequence

from parjanya_dagster.core.ports import DeadLetter
from parjanya_dagster.simulation.fakes.calls import Calls
from parjanya_dagster.simulation.fakes.queue import FakeIntentQueue


class FakeDeadLetters:
    """What the fake queue gave up; safe to share between threads."""

    def __init__(self, queue: FakeIntentQueue, calls: Calls | None = None) -> None:
        self._queue = queue
        self._calls = calls or Calls()

    def receive(self, *, limit: int) -> list[DeadLetter]:
        """See `DeadLetters`."""
        with self._calls("dead_letters.receive"):
            return self._queue.take_dead(limit)

    def delete(self, receipts: Sequence[str]) -> None:
        """See `DeadLetters`."""
        with self._calls("dead_letters.delete"):
            self._queue.drop_dead(receipts)
