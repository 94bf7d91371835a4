"""In-memory twin of the intents queue and its dead letters."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from threading import Condition
from typing import Final

from parjanya_dagster.core.belief.signals import Blind, QueueDepth, QueueSignal, Reading
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.ports import DeadLetter, Received
from parjanya_dagster.simulation.fakes.calls import Calls, Twist, suffix_of
from parjanya_dagster.simulation.fakes.shelf import Message, Shelf

_STALENESS: Final = timedelta(minutes=1)
"""How far counts may lag. Source: SQS API reference, GetQueueAttributes"""


class FakeIntentQueue:
    """A standard queue on the fake clock; safe to share between threads.

    `on_sent` and `on_deleted` are told the bodies of messages that came and of those that a receipt deleted.

    Args:
        visibility_s: visibility timeout.
        receive_limit: deliveries after which a message becomes a dead letter.
        retention: age at which messages vanish; dead letters live twice as long, by their first enqueuing.
        idle_s: real seconds that an empty `receive` blocks, so that a polling thread does not spin.
        buries_at: the queue whose dead letters this one's are too; its own by default.
        fleet: the extra fleet whose queue it is; its calls are named so, e.g. `queue.send@large`.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        calls: Calls | None = None,
        *,
        visibility_s: int = 180,
        receive_limit: int = 20,
        retention: timedelta = timedelta(days=7),
        idle_s: float = 0.0,
        buries_at: "FakeIntentQueue | None" = None,
        fleet: str | None = None,
    ) -> None:
        self.refused_image_ids: set[str] = set()
        self.on_sent: Callable[[str], None] = lambda _body: None
        self.on_deleted: Callable[[str], None] = lambda _body: None
        self.receive_limit = receive_limit
        self.retention = retention
        self.expired = 0
        self._clock = clock
        self._calls = calls or Calls()
        self._visibility = timedelta(seconds=visibility_s)
        self._idle_s = idle_s
        self._buries_at = buries_at
        self._of = suffix_of(fleet)
        self._live, self._dead = Shelf(), Shelf()
        self._returned: list[Message] = []
        self._by_receipt: dict[str, Message] = {}
        self._recent: deque[tuple[datetime, int]] = deque()
        self._serial = 0
        self._deliveries = 0
        self._changed = Condition()

    @property
    def jobs(self) -> list[Job]:
        """Every job in the queue, visible or not, oldest first."""
        return [Job.model_validate_json(message.body) for message in self._live.messages.values()]

    @property
    def dead_bodies(self) -> list[str]:
        """Bodies of the dead letters."""
        return [message.body for message in self._dead.messages.values()]

    @property
    def next_visible_at(self) -> datetime | None:
        """When the next message may be received; None when there is none."""
        return min((message.visible_at for message in self._live.messages.values()), default=None)

    def put_body(self, body: str) -> None:
        """Put a message that nobody here would have sent."""
        with self._changed:
            self._put(body)

    def bury(self, body: str, *, receive_count: int = 20) -> None:
        """Put a message that was given up, as if it had been received that often."""
        with self._changed:
            message = self._put(body)
            message.receive_count = receive_count
            self._give_up(message)

    def inter(self, message: Message) -> None:
        """Take in a dead letter of another queue, as old as it is, under a number of one's own."""
        with self._changed:
            self._serial += 1
            self._dead.put(replace(message, serial=self._serial, receipt="", visible_at=self._clock()))

    def take_dead(self, limit: int) -> list[DeadLetter]:
        """Deliver up to `limit` visible dead letters."""
        with self._changed:
            self._catch_up()
            self._bury()
            found = list(islice(self._dead.visible.values(), limit))
            return [self._delivered_dead(message) for message in found]

    def drop_dead(self, receipts: Sequence[str]) -> None:
        """Delete dead letters by the receipts of their last delivery."""
        with self._changed:
            for receipt in receipts:
                message = self._by_receipt.get(receipt)
                if message is not None and message.serial in self._dead.messages:
                    self._take_out(message)

    def purge(self) -> None:
        """Lose every message of the queue; dead letters stay."""
        with self._changed:
            for message in list(self._live.messages.values()):
                self._take_out(message)

    def send(self, jobs: Sequence[Job]) -> list[Job]:
        """See `IntentQueue`; refuses `refused_image_ids`."""
        with self._changed, self._calls(f"queue.send{self._of}"):
            accepted = [job for job in jobs if job.image_id not in self.refused_image_ids]
            for job in accepted:
                self._put(job.model_dump_json())
            return accepted

    def receive(self, *, limit: int, wait_s: int) -> list[Received]:
        """See `IntentQueue`; `wait_s` passes at once."""
        del wait_s  # the fake clock does not pass by waiting
        with self._changed, self._calls(f"queue.receive{self._of}"):
            self._catch_up()
            self._bury()
            if not self._live.visible and self._idle_s:
                self._changed.wait(self._idle_s)
                self._catch_up()
            found = list(islice(self._live.visible.values(), limit))
            if self._calls.twist is Twist.TWICE:  # at least once: a message in flight is delivered again
                others = (each for each in self._live.messages.values() if each not in found)
                found = list(islice(others, limit)) or found
            return [self._delivered(message) for message in found]

    def delete(self, receipts: Sequence[str]) -> None:
        """See `IntentQueue`."""
        with self._changed, self._calls(f"queue.delete{self._of}"):
            for receipt in receipts:
                message = self._by_receipt.get(receipt)
                if message is not None:
                    self._take_out(message)
                    self.on_deleted(message.body)

    def extend(self, receipts: Sequence[str], *, timeout_s: int) -> list[str]:
        """See `IntentQueue`."""
        with self._changed, self._calls(f"queue.extend{self._of}"):
            self._catch_up()
            held = [each for receipt in receipts if (each := self._by_receipt.get(receipt))]
            held = [each for each in held if each.serial not in self._live.visible]
            for message in held:
                self._hide(message, self._clock() + timedelta(seconds=timeout_s))
            self._catch_up()
            self._changed.notify_all()
            return [message.receipt for message in held]

    def depth(self) -> QueueSignal:
        """See `IntentQueue`; Blind when a test asked `queue.depth` to fail."""
        return self._depth("queue.depth", self._counted)

    def dead_letter_depth(self) -> QueueSignal:
        """See `IntentQueue`; Blind when a test asked `queue.dead_letter_depth` to fail."""
        if self._buries_at is not None:
            return self._buries_at.dead_letter_depth()
        return self._depth("queue.dead_letter_depth", self._counted_dead)

    def _depth(self, name: str, counted: Callable[[], QueueDepth]) -> QueueSignal:
        try:
            with self._changed, self._calls(f"{name}{self._of}"):
                self._catch_up()
                self._bury()
                return Reading(value=counted(), at=self._clock())
        except EdgeError as error:
            return Blind(signal=name, reason=str(error), at=self._clock())

    def _counted(self) -> QueueDepth:
        # like SQS: a message that was never received can only be visible or delayed
        visible = len(self._live.visible)
        if self._calls.twist is Twist.STALE:  # what came during the last minute is not counted yet
            visible -= sum(serial in self._live.visible for _, serial in self._recent)
        in_flight = len(self._live.messages) - len(self._live.visible)
        return QueueDepth(visible=visible, in_flight=in_flight, delayed=0)

    def _counted_dead(self) -> QueueDepth:
        visible = len(self._dead.visible)
        return QueueDepth(visible=visible, in_flight=len(self._dead.messages) - visible, delayed=0)

    def _put(self, body: str) -> Message:
        self._serial += 1
        now = self._clock()
        message = Message(self._serial, body, now, now)
        self._live.put(message)
        self._recent.append((now, message.serial))
        self.on_sent(body)
        self._changed.notify_all()
        return message

    def _catch_up(self) -> None:
        """Let messages become visible again, and old ones vanish."""
        now = self._clock()
        self._returned += self._live.show(now)
        self._dead.show(now)
        while self._recent and self._recent[0][0] <= now - _STALENESS:
            self._recent.popleft()
        # the dead live twice as long, from their first enqueuing
        for shelf, lives in ((self._live, 1), (self._dead, 2)):
            for message in shelf.take_older(now - lives * self.retention):
                self._by_receipt.pop(message.receipt, None)
                self.expired += 1

    def _bury(self) -> None:
        """Give up, of the messages that came back, those that were delivered often enough."""
        for message in self._returned:
            if message.serial in self._live.visible and message.receive_count >= self.receive_limit:
                self._give_up(message)
        self._returned.clear()

    def _give_up(self, message: Message) -> None:
        self._take_out(message)
        if self._buries_at is not None:
            self._buries_at.inter(message)
        else:
            self._dead.put(message)

    def _take_out(self, message: Message) -> None:
        self._live.take_out(message)
        self._dead.take_out(message)
        self._by_receipt.pop(message.receipt, None)

    def _hide(self, message: Message, until: datetime) -> None:
        shelf = self._dead if message.serial in self._dead.messages else self._live
        shelf.hide(message, until)

    def _deliver(self, message: Message) -> None:
        self._by_receipt.pop(message.receipt, None)
        self._deliveries += 1
        message.receive_count += 1
        message.receipt = f"receipt-{self._deliveries}"
        self._by_receipt[message.receipt] = message
        self._hide(message, self._clock() + self._visibility)

    def _delivered(self, message: Message) -> Received:
        self._deliver(message)
        return Received(body=message.body, receipt=message.receipt, receive_count=message.receive_count)

    def _delivered_dead(self, message: Message) -> DeadLetter:
        self._deliver(message)
        return DeadLetter(
            message_id=f"message-{message.serial}",
            body=message.body,
            receipt=message.receipt,
            receive_count=message.receive_count,
            sent_at=message.enqueued_at,
        )
