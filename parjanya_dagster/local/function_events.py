"""Events on their way to functions, kept as Lambda keeps them: queued, repeated, there after a restart.

A thread and an execution environment per event, as the local AWS has it, needs a gigabyte for every eight
uploads that come at once, and forgets what runs when it stops.
"""

import itertools
import logging
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from queue import SimpleQueue
from threading import Lock, Thread

logger = logging.getLogger(__name__)


class Delivery(StrEnum):
    """What came of handing an event to its function."""

    DONE = "done"
    FAILED = "failed"
    THROTTLED = "throttled"


class FunctionEvents:
    """A queue per function, each served by a few threads; one function's burst delays no other."""

    def __init__(
        self,
        invoke: Callable[[str, str], Delivery],
        *,
        concurrency: int,
        tries: int = 3,
        pause_s: float = 1.0,
    ) -> None:
        """Hand events to `invoke`.

        Args:
            invoke: runs a function (ARN) with a payload (JSON) to its end.
            concurrency: events of one function that are handed over at once, ≥ 1.
            tries: failures after which an event is dropped; throttling is no failure.
            pause_s: wait before the first repetition; doubles with every failure.
        """
        self._invoke = invoke
        self._concurrency = concurrency
        self._tries = tries
        self._pause_s = pause_s
        self._numbers = itertools.count()
        self._lock = Lock()
        self._open: dict[int, tuple[str, str]] = {}
        self._waiting: dict[str, SimpleQueue[int]] = {}

    def put(self, function: str, payload: str) -> None:
        """Take an event; returns at once."""
        with self._lock:
            number = next(self._numbers)
            self._open[number] = (function, payload)
            if function not in self._waiting:
                self._waiting[function] = SimpleQueue()
                for _ in range(self._concurrency):
                    Thread(target=self._serve, args=(self._waiting[function],), daemon=True).start()
        self._waiting[function].put(number)

    def put_all(self, events: Iterable[tuple[str, str]]) -> None:
        """Take the events that an earlier process left unfinished."""
        for function, payload in events:
            self.put(function, payload)

    def unfinished(self) -> list[tuple[str, str]]:
        """Return every event whose function has not ended yet: some will be delivered twice, as on AWS."""
        with self._lock:
            return list(self._open.values())

    def _serve(self, waiting: "SimpleQueue[int]") -> None:
        while True:
            number = waiting.get()
            function, payload = self._open[number]
            try:
                self._deliver(function, payload)
            except Exception:  # the thread must go on: it is one of few
                logger.exception("event_lost", extra={"function": function})
            with self._lock:
                del self._open[number]

    def _deliver(self, function: str, payload: str) -> None:
        failures = 0
        while (delivery := self._invoke(function, payload)) is not Delivery.DONE:
            failures += delivery is Delivery.FAILED
            if failures == self._tries:
                logger.error("event_dropped", extra={"function": function, "failures": failures})
                return
            time.sleep(self._pause_s * 2**failures / 2)
