"""One decoding child process as its parent sees it: start, one exchange at a time, end.

Pipes rather than multiprocessing, whose queues need shared memory that AWS Lambda does not have. Every
wait has a deadline.
"""

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.truth.technical import TechnicalLimits, TechnicalReason
from parjanya_dagster.imaging.reading import (
    WIRE_PREFIX_BYTES,
    AtGrid,
    Ingested,
    Rejected,
    from_wire,
    wire_lengths,
)

READY = b"ready\n"
EXIT_OUT_OF_MEMORY = 112
LENGTH_BYTES = 8
FOR_EVERYTHING = b"e"
FOR_A_MODEL = b"m"
"""What a file is read for, before its length."""

_START_TIMEOUT_S = 120.0
_END_TIMEOUT_S = 5.0
_PIPE_BYTES = 1 << 20
_KEPT_VARIABLES = ("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_FIXED_VARIABLES = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    # Keep a 24-megapixel picture's pages for the next one: handing them back costs half a decode each time.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(160 << 20),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}


class ExchangeError(Exception):
    """The child did not answer; `reason` is what the file is rejected for."""

    def __init__(self, reason: TechnicalReason) -> None:
        super().__init__(reason)
        self.reason = reason


class WorkerProcess:
    """A child that decodes. Not thread-safe: `Decoder` gives it to one thread at a time."""

    def __init__(self, limits: TechnicalLimits, *, memory_bytes: int) -> None:
        """Start the child and wait until it has imported its decoders.

        Raises:
            ConfigError: it cannot start here; that is never the fault of a file.
        """
        bounds = (memory_bytes, limits.max_bytes, limits.max_pixels, limits.min_side_px)
        with tempfile.TemporaryFile() as complaints:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
                [sys.executable, "-P", "-m", "parjanya_dagster.imaging.child", *map(str, bounds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=_environment(),
                bufsize=0,
            )
            assert self._process.stdin is not None  # noqa: S101 - for mypy: both were asked for above
            assert self._process.stdout is not None  # noqa: S101 - same
            self._requests, self._answers = self._process.stdin.fileno(), self._process.stdout.fileno()
            for pipe in (self._requests, self._answers):
                os.set_blocking(pipe, False)
                _widen(pipe)
            try:
                greeting = self._receive(len(READY), time.monotonic() + _START_TIMEOUT_S)
            except ExchangeError:
                greeting = b""
            if greeting != READY:
                self.end()
                complaints.seek(0)
                lines = complaints.read().decode(errors="replace").strip().splitlines()
                cause = lines[-1] if lines else f"exit status {self._process.returncode}"
                raise ConfigError(f"the decoder process cannot start: {cause}")

    @property
    def is_alive(self) -> bool:
        """Whether the child still runs."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def peak_memory_mib(self) -> float | None:
        """Return the most resident memory the child ever had, in MiB; None off Linux or after its end.

        From the kernel's mark of its own address space: `getrusage` also counts what the parent held when it
        forked.
        """
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return None
        _, found, rest = status.partition("VmHWM:")
        return int(rest.split()[0]) / 1024 if found else None

    def exchange(
        self, data: bytes, *, timeout_s: float, read_for: bytes = FOR_EVERYTHING
    ) -> Ingested | AtGrid | Rejected:
        """Return the child's reading of a file.

        Args:
            read_for: `FOR_EVERYTHING` is answered by `Ingested`, `FOR_A_MODEL` by `AtGrid`.

        Raises:
            ExchangeError: it crashed, ran out of memory or time, or answered nonsense; it is gone then.
        """
        deadline = time.monotonic() + timeout_s
        try:
            self._send(read_for + len(data).to_bytes(LENGTH_BYTES), deadline)
            self._send(data, deadline)
            head_bytes, body_bytes = wire_lengths(self._receive(WIRE_PREFIX_BYTES, deadline))
            reading = from_wire(self._receive(head_bytes, deadline), self._receive(body_bytes, deadline))
        except ExchangeError:
            self.end()
            raise
        except (OSError, ValueError) as error:
            self.end()
            raise ExchangeError(TechnicalReason.DECODER_CRASHED) from error
        if not isinstance(reading, Rejected | (AtGrid if read_for == FOR_A_MODEL else Ingested)):
            self.end()
            raise ExchangeError(TechnicalReason.DECODER_CRASHED)
        return reading

    def end(self) -> None:
        """Kill the child and reap it; harmless when it has ended already."""
        if self.is_alive:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._requests, view) :]
            except BlockingIOError:
                _await(self._requests, selectors.EVENT_WRITE, deadline)
            except BrokenPipeError:
                raise ExchangeError(self._cause_of_death()) from None

    def _receive(self, size: int, deadline: float) -> bytes:
        buffer = bytearray(size)
        view, filled = memoryview(buffer), 0
        while filled < size:
            try:
                count = os.readv(self._answers, [view[filled:]])
            except BlockingIOError:
                _await(self._answers, selectors.EVENT_READ, deadline)
                continue
            if count == 0:
                raise ExchangeError(self._cause_of_death())
            filled += count
        view.release()
        return bytes(buffer)

    def _cause_of_death(self) -> TechnicalReason:
        try:
            status = self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return TechnicalReason.DECODER_CRASHED
        # A SIGKILL that is not ours is the kernel's, for lack of memory.
        if status in (EXIT_OUT_OF_MEMORY, -signal.SIGKILL):
            return TechnicalReason.DECODER_OUT_OF_MEMORY
        return TechnicalReason.DECODER_CRASHED


def _await(descriptor: int, event: int, deadline: float) -> None:
    with selectors.PollSelector() as selector:
        selector.register(descriptor, event)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise ExchangeError(TechnicalReason.DECODER_TIMEOUT)


def _widen(pipe: int) -> None:
    """Let a pipe hold a megabyte (Linux): a photo crosses in ten switches between processes, not in 200."""
    with contextlib.suppress(AttributeError, OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _environment() -> dict[str, str]:
    """Return the child's environment: where to find code, nothing of who we are."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, **_FIXED_VARIABLES, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
