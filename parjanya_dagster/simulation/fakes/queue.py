"""In-memory twin of the intents queue and its dead letters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Condition

from parjanya_dagster.core.belief.signals import Blind, QueueDepth, QueueSignal, Reading
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.ports import Received
from parjanya_dagster.simulation.fakes.calls import Calls


@dataclass(slots=True)
class _Message:
    body: str
    visible_at: datetime
    receive_count: int = 0
    receipt: str = ""


class FakeIntentQueue:
    """A standard queue on the fake clock; safe to share between threads.

    Args:
        visibility_s: visibility timeout.
        receive_limit: deliveries after which a message becomes a dead letter.
        idle_s: real seconds that an empty `receive` blocks, so that a polling thread does not spin.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        calls: Calls | None = None,
        *,
        visibility_s: int = 180,
        receive_limit: int = 20,
        idle_s: float = 0.0,
    ) -> None:
        self.refused_image_ids: set[str] = set()
        self._clock = clock
        self._calls = calls or Calls()
        self._visibility = timedelta(seconds=visibility_s)
        self._receive_limit = receive_limit
        self._idle_s = idle_s
        self._messages: list[_Message] = []
        self._dead: list[_Message] = []
        self._deliveries = 0
        self._changed = Condition()

    @property
    def jobs(self) -> list[Job]:
        """Every job in the queue, visible or not, oldest first."""
        return [Job.model_validate_json(message.body) for message in self._messages]

    @property
    def dead_bodies(self) -> list[str]:
        """Bodies of the dead letters."""
        return [message.body for message in self._dead]

    def put_body(self, body: str) -> None:
        """Put a message that nobody here would have sent."""
        with self._changed:
            self._messages.append(_Message(body, self._clock()))
            self._changed.notify_all()

    def purge(self) -> None:
        """Lose every message of the queue; dead letters stay."""
        with self._changed:
            self._messages.clear()

    def send(self, jobs: Sequence[Job]) -> list[Job]:
        """See `IntentQueue`; refuses `refused_image_ids`."""
        with self._changed, self._calls("queue.send"):
            accepted = [job for job in jobs if job.image_id not in self.refused_image_ids]
            self._messages += [_Message(job.model_dump_json(), self._clock()) for job in accepted]
            self._changed.notify_all()
            return accepted

    def receive(self, *, limit: int, wait_s: int) -> list[Received]:
        """See `IntentQueue`; `wait_s` passes at once."""
        del wait_s  # the fake clock does not pass by waiting
        with self._changed, self._calls("queue.receive"):
            self._bury()
            if not self._visible() and self._idle_s:
                self._changed.wait(self._idle_s)
            return [self._delivered(message) for message in self._visible()[:limit]]

    def delete(self, receipts: Sequence[str]) -> None:
        """See `IntentQueue`."""
        with self._changed, self._calls("queue.delete"):
            gone = set(receipts)
            self._messages = [message for message in self._messages if message.receipt not in gone]

    def extend(self, receipts: Sequence[str], *, timeout_s: int) -> list[str]:
        """See `IntentQueue`."""
        with self._changed, self._calls("queue.extend"):
            now = self._clock()
            held = [each for each in self._messages if each.receipt in receipts and each.visible_at > now]
            for message in held:
                message.visible_at = now + timedelta(seconds=timeout_s)
            self._changed.notify_all()
            return [message.receipt for message in held]

    def depth(self) -> QueueSignal:
        """See `IntentQueue`; Blind when a test asked `queue.depth` to fail."""
        return self._depth("queue.depth", dead=False)

    def dead_letter_depth(self) -> QueueSignal:
        """See `IntentQueue`; Blind when a test asked `queue.dead_letter_depth` to fail."""
        return self._depth("queue.dead_letter_depth", dead=True)

    def _depth(self, name: str, *, dead: bool) -> QueueSignal:
        try:
            with self._changed, self._calls(name):
                self._bury()
                messages = self._dead if dead else self._messages
                now = self._clock()
                # like SQS: a message that was never received can only be visible or delayed
                in_flight = sum(message.visible_at > now for message in messages)
                depth = QueueDepth(visible=len(messages) - in_flight, in_flight=in_flight, delayed=0)
                return Reading(value=depth, at=now)
        except EdgeError as error:
            return Blind(signal=name, reason=str(error), at=self._clock())

    def _visible(self) -> list[_Message]:
        return [message for message in self._messages if message.visible_at <= self._clock()]

    def _bury(self) -> None:
        spent = [each for each in self._visible() if each.receive_count >= self._receive_limit]
        self._dead += spent
        self._messages = [message for message in self._messages if message not in spent]

    def _delivered(self, message: _Message) -> Received:
        self._deliveries += 1
        message.receive_count += 1
        message.receipt = f"receipt-{self._deliveries}"
        message.visible_at = self._clock() + self._visibility
        return Received(body=message.body, receipt=message.receipt, receive_count=message.receive_count)
