"""The way to read bytes from outside: in a child process that can be lost.

A decoder that crashes, hangs or swallows memory costs one file its reading, with the reason named, and the
next file a fresh process of a third of a second.
"""

import queue
from types import TracebackType
from typing import Self, cast

from parjanya_dagster.core.truth.technical import TechnicalLimits, TechnicalReason, technical_reasons
from parjanya_dagster.imaging.header import describe
from parjanya_dagster.imaging.reading import AtGrid, Ingested, Rejected
from parjanya_dagster.imaging.worker_process import FOR_A_MODEL, FOR_EVERYTHING, ExchangeError, WorkerProcess

MEMORY_BYTES = 460 * 1024 * 1024
"""Address space for one file's bytes and pixels; with the interpreter's own pages about 512 MB resident."""

TIMEOUT_S = 60.0


class Decoder:
    """Reads files in child processes, started when first needed and kept. Thread-safe; close it after use."""

    def __init__(
        self,
        limits: TechnicalLimits | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        memory_bytes: int = MEMORY_BYTES,
        processes: int = 1,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            limits: checked before a decoder sees the file; the defaults if None.
            timeout_s: wall time per file, after which its child is killed.
            memory_bytes: address space per child beyond what the interpreter itself takes (Linux only).
            processes: children at most, and so files read at the same time; further callers wait.
        """
        self._limits = limits or TechnicalLimits()
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._processes = processes
        self._idle: queue.LifoQueue[WorkerProcess | None] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(None)

    @property
    def limits(self) -> TechnicalLimits:
        """The bounds that files are held to."""
        return self._limits

    def read(self, data: bytes) -> Ingested | Rejected:
        """Return everything about a file, or why it is rejected.

        Raises:
            ConfigError: no decoder process can be started on this machine.
        """
        return cast("Ingested | Rejected", self._read(data, FOR_EVERYTHING))

    def read_at_grid(self, data: bytes) -> AtGrid | Rejected:
        """Return a file's pixels at the model's grid, or why it is rejected.

        Raises:
            ConfigError: no decoder process can be started on this machine.
        """
        return cast("AtGrid | Rejected", self._read(data, FOR_A_MODEL))

    def _read(self, data: bytes, read_for: bytes) -> Ingested | AtGrid | Rejected:
        """Let a child read; it is answered what was asked for, which `WorkerProcess.exchange` sees to."""
        facts, exif = describe(data)
        if reasons := technical_reasons(facts, self._limits):
            return Rejected(facts=facts, exif=exif, reasons=reasons)
        worker = self._idle.get()
        try:
            if worker is None or not worker.is_alive:
                if worker is not None:
                    worker.end()  # an idle child's death is no file's fault
                worker = None
                worker = WorkerProcess(self._limits, memory_bytes=self._memory_bytes)
            reading = worker.exchange(data, timeout_s=self._timeout_s, read_for=read_for)
        except ExchangeError as error:
            worker = None
            return Rejected(facts=facts, exif=exif, reasons=(error.reason,))
        else:
            if isinstance(reading, Rejected) and TechnicalReason.DECODER_OUT_OF_MEMORY in reading.reasons:
                worker.end()
                worker = None
            return reading
        finally:
            self._idle.put(worker)

    def peak_memory_mib(self) -> float | None:
        """Return the most resident memory a living idle child ever had; None where that cannot be told."""
        peaks: list[float] = []
        held = [self._idle.get() for _ in range(self._processes)]
        for worker in held:
            if worker is not None and (peak := worker.peak_memory_mib()) is not None:
                peaks.append(peak)
            self._idle.put(worker)
        return max(peaks, default=None)

    def close(self) -> None:
        """End all children, waiting for files being read."""
        for _ in range(self._processes):
            worker = self._idle.get()
            if worker is not None:
                worker.end()
        for _ in range(self._processes):
            self._idle.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
