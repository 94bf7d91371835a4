"""Memory of everything a benchmark starts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psutil  # type: ignore[import-untyped]  # it publishes no types


@contextmanager
def peak_memory(*, every_s: float = 1.0) -> Iterator[Callable[[], float]]:
    """Watch this process and all below it, every so often; gives the most memory so far, MiB.

    Resident memory is summed, so what processes share counts for each: an upper bound.
    """
    done, most = Event(), [0.0]

    def watch() -> None:
        while not done.wait(every_s):
            most[0] = max(most[0], resident_mib())

    thread = Thread(target=watch)
    thread.start()
    try:
        yield lambda: most[0]
    finally:
        done.set()
        thread.join()


def resident_mib() -> float:
    """Return the resident memory of this process and all below it, MiB."""
    total = 0
    for process in [own := psutil.Process(), *own.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20
