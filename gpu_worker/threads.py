"""The threads of a drain: where the effects of the worker's machine run in a real process."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, assert_never

from gpu_worker.effects import (
    DeleteMessages,
    ExtendLeases,
    Fetch,
    Forget,
    ReadRows,
    Receive,
    RecordAttempt,
    ReleaseMessages,
    Settle,
)
from gpu_worker.perform import Threaded

_OTHERS: Final = 8


class Threads:
    """A pool per kind of effect: neither a long poll nor fetches keep an outcome from settling.

    Args:
        fetchers: images fetched and decoded at once.
    """

    def __init__(self, *, fetchers: int) -> None:
        self._receiver = ThreadPoolExecutor(1, "receive")
        self._fetchers = ThreadPoolExecutor(fetchers, "fetch")
        self._others = ThreadPoolExecutor(_OTHERS, "settle")

    def launch(self, effect: Threaded, perform: Callable[[], None]) -> None:
        """Let a thread perform the effect; leases are renewed by the calling one."""
        match effect:
            case ExtendLeases() | Forget():
                perform()
            case Receive():
                self._receiver.submit(perform)
            case Fetch():
                self._fetchers.submit(perform)
            case ReadRows() | RecordAttempt() | Settle() | DeleteMessages() | ReleaseMessages():
                self._others.submit(perform)
            case _:
                assert_never(effect)

    def close(self) -> None:
        """Wait for everything that was launched."""
        for pool in (self._receiver, self._fetchers, self._others):
            pool.shutdown(wait=True)
