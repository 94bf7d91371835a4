"""The messages of one queue: visible, hidden for a while, or too old.

Every question costs what has changed since the last one, not what is kept: simulated queues hold hundreds
of thousands of messages.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush


@dataclass(slots=True, eq=False)
class Message:
    """One message; `visible_at` is when it is, or was, to be delivered next."""

    serial: int
    body: str
    enqueued_at: datetime
    visible_at: datetime
    receive_count: int = 0
    receipt: str = ""


class Shelf:
    """Messages by their serial numbers.

    Attributes:
        messages: all of them, in the order in which they came.
        visible: those that may be delivered, in the order in which they became so.
    """

    def __init__(self) -> None:
        self.messages: OrderedDict[int, Message] = OrderedDict()
        self.visible: OrderedDict[int, Message] = OrderedDict()
        self._hidden: list[tuple[datetime, int]] = []
        self._by_age: list[tuple[datetime, int]] = []

    def put(self, message: Message) -> None:
        """Add a visible message."""
        self.messages[message.serial] = self.visible[message.serial] = message
        heappush(self._by_age, (message.enqueued_at, message.serial))

    def take_out(self, message: Message) -> None:
        """Remove a message, if it is here."""
        self.messages.pop(message.serial, None)
        self.visible.pop(message.serial, None)

    def hide(self, message: Message, until: datetime) -> None:
        """Let a message wait."""
        self.visible.pop(message.serial, None)
        message.visible_at = until
        heappush(self._hidden, (until, message.serial))

    def show(self, now: datetime) -> list[Message]:
        """Make visible what has waited long enough; return it."""
        shown: list[Message] = []
        while self._hidden and self._hidden[0][0] <= now:
            at, serial = heappop(self._hidden)
            message = self.messages.get(serial)
            if message is not None and message.visible_at == at:  # else it was taken out, or waits longer
                self.visible[serial] = message
                shown.append(message)
        return shown

    def take_older(self, than: datetime) -> list[Message]:
        """Remove what was enqueued at a time or before; return it."""
        taken: list[Message] = []
        while self._by_age:
            at, serial = self._by_age[0]
            message = self.messages.get(serial)
            if message is not None and at > than:
                break
            heappop(self._by_age)
            if message is not None:
                self.take_out(message)
                taken.append(message)
        return taken
