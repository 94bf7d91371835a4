"""Hashing a model folder: every byte is read once, which also fills a volume that loads lazily.

A volume made from a snapshot fetches each block when it is first read. Reading for the hash is that first
read, so that loading afterwards, and every later boot of a stopped instance, finds the bytes there.
"""

import hashlib
import os
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import Final

_BLOCK_BYTES: Final = 4 << 20
_THREADS: Final = 8
"""A block of memory each. More than there are cores: each waits for the volume most of the time."""
_TELL_EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far reading has come."""

    done_bytes: int
    total_bytes: int
    seconds: float

    @property
    def megabytes_per_s(self) -> float:
        """Mean speed so far, 10⁶ bytes per second."""
        return self.done_bytes / 1e6 / max(self.seconds, 1e-9)


Tell = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """Tell nobody."""


def hashes_of(
    folder: Path, sizes: Mapping[str, int], *, tell: Tell = silent, threads: int = _THREADS
) -> Generator[tuple[str, str], None, None]:
    """Yield name and sha256 of each file as soon as it is read; largest first, several at a time.

    Whoever closes the iterator early ends the reading.

    Args:
        sizes: bytes by name inside the folder.
        tell: told of the progress, twice a second at most and from any thread, and at the end.

    Raises:
        OSError: a file cannot be read.
    """
    counter = _Counter(total_bytes=sum(sizes.values()), tell=tell)
    names = sorted(sizes, key=lambda name: -sizes[name])
    with ThreadPoolExecutor(min(threads, max(len(names), 1)), thread_name_prefix="hash") as pool:
        reading = {pool.submit(_sha256, folder / name, counter): name for name in names}
        try:
            for each in as_completed(reading):
                yield reading[each], each.result()
        finally:
            counter.is_over.set()
            pool.shutdown(cancel_futures=True)
    counter.tell_now()


def _sha256(path: Path, counter: "_Counter") -> str:
    digest = hashlib.sha256()
    block = memoryview(bytearray(_BLOCK_BYTES))
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while (read := file.readinto(block)) and not counter.is_over.is_set():
            digest.update(block[:read])
            counter.add(read)
    return digest.hexdigest()


@dataclass(slots=True, kw_only=True)
class _Counter:
    total_bytes: int
    tell: Tell
    is_over: Event = field(default_factory=Event)
    _done_bytes: int = 0
    _begun: float = field(default_factory=time.perf_counter)
    _told: float = field(default_factory=time.perf_counter)
    _lock: Lock = field(default_factory=Lock)

    def add(self, read_bytes: int) -> None:
        with self._lock:
            self._done_bytes += read_bytes
            now = time.perf_counter()
            if now - self._told < _TELL_EVERY_S:
                return
            self._told = now
        self.tell_now()

    def tell_now(self) -> None:
        seconds = time.perf_counter() - self._begun
        self.tell(Progress(done_bytes=self._done_bytes, total_bytes=self.total_bytes, seconds=seconds))
