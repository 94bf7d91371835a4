"""The decoder's child process: it can be lost, starved or hung, and the next file is still read."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.truth.technical import TechnicalLimits, TechnicalReason
from parjanya_dagster.imaging.decode import decode
from parjanya_dagster.imaging.decoder import MEMORY_BYTES, Decoder
from parjanya_dagster.imaging.reading import Ingested, Rejected
from parjanya_dagster.imaging.worker_process import ExchangeError, WorkerProcess
from tests.unit.imaging.pictures import a_scene, encoded
from tests.unit.imaging.test_header import FILES

LIMITS = TechnicalLimits()


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    """A decoder whose child is kept for the module."""
    with Decoder() as shared:
        yield shared


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    """A child of its own, to be mistreated."""
    process = WorkerProcess(LIMITS, memory_bytes=MEMORY_BYTES)
    yield process
    process.end()


@pytest.mark.parametrize("kind", sorted(FILES))
def test_reading_through_the_child_equals_reading_here(decoder: Decoder, kind: str) -> None:
    """The process boundary changes nothing."""
    assert decoder.read(FILES[kind]) == decode(FILES[kind], LIMITS)


@settings(deadline=None, max_examples=60)
@given(kind=st.sampled_from(sorted(FILES)), at=st.integers(2, 6000), value=st.binary(min_size=1, max_size=16))
def test_damaged_file_gives_a_reading(decoder: Decoder, kind: str, at: int, value: bytes) -> None:
    """Whatever is overwritten, the answer is a picture or a reason."""
    data = FILES[kind]
    reading = decoder.read(data[:at] + value + data[at + len(value) :])

    assert isinstance(reading, Ingested) or reading.reasons


def test_picture_beyond_the_memory_bound_is_named_and_the_next_one_read() -> None:
    """Memory is bounded by the kernel, not by trust."""
    bomb = encoded(a_scene(1, 1).resize((8000, 8000)), "PNG")
    with Decoder(memory_bytes=100 * 1024 * 1024) as small:
        starved, small_file = small.read(bomb), small.read(FILES["JPEG"])

    assert isinstance(starved, Rejected)
    assert starved.reasons == (TechnicalReason.DECODER_OUT_OF_MEMORY,)
    assert starved.facts.width == 8000
    assert isinstance(small_file, Ingested)


def test_decoder_that_takes_too_long_is_killed_and_named() -> None:
    """A hang costs its own file only."""
    with Decoder(timeout_s=0) as hasty:
        readings = [hasty.read(FILES["PNG"]) for _ in range(2)]

    assert [getattr(reading, "reasons", ()) for reading in readings] == [
        (TechnicalReason.DECODER_TIMEOUT,)
    ] * 2


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGSEGV, TechnicalReason.DECODER_CRASHED),
        (signal.SIGABRT, TechnicalReason.DECODER_CRASHED),
        (signal.SIGKILL, TechnicalReason.DECODER_OUT_OF_MEMORY),
    ],
)
def test_death_of_the_child_has_a_reason(
    worker: WorkerProcess, number: signal.Signals, reason: TechnicalReason
) -> None:
    """A crash in C code is a reason; the kernel's kill is memory."""
    os.kill(worker.pid, number)

    with pytest.raises(ExchangeError) as raised:
        worker.exchange(FILES["JPEG"], timeout_s=30)

    assert raised.value.reason == reason
    assert not worker.is_alive


def test_child_that_died_while_idle_costs_no_file(decoder: Decoder) -> None:
    """The death of an idle child is not the next file's fault."""
    decoder.read(FILES["PNG"])
    for pid in children():
        os.kill(pid, signal.SIGKILL)
        await_death(pid)

    assert isinstance(decoder.read(FILES["PNG"]), Ingested)


def children() -> list[int]:
    """Return the decoder processes this thread started, where the kernel lists them."""
    listed = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    if not listed.exists():
        pytest.skip("this platform does not list a thread's children")
    started = [int(pid) for pid in listed.read_text().split()]
    # Other tests' processes are children of this one too: a session's local AWS must not be killed here.
    return [pid for pid in started if b"imaging" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def await_death(pid: int) -> None:
    """Return when a killed process is a zombie."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        time.sleep(0.005)
    raise AssertionError(f"process {pid} does not die")


def test_child_has_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that takes the decoder over finds nothing to sign with."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    process = WorkerProcess(LIMITS, memory_bytes=MEMORY_BYTES)
    try:
        environment = Path(f"/proc/{process.pid}/environ")
        if not environment.exists():
            pytest.skip("this platform does not show a process's environment")
        assert b"very-secret" not in environment.read_bytes()
        assert b"AWS_" not in environment.read_bytes()
    finally:
        process.end()


def test_child_that_cannot_start_is_an_error_not_a_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken installation must not reject every photo of every tenant."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    with Decoder() as broken, pytest.raises(ConfigError, match="cannot start"):
        broken.read(FILES["JPEG"])


def test_unsupported_bytes_never_reach_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused by its header starts no process."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    with Decoder() as idle:
        reading = idle.read(b"GIF89a\x10\0\x08\0")

    assert isinstance(reading, Rejected)
    assert reading.reasons == (TechnicalReason.UNSUPPORTED_FORMAT,)


def test_threads_share_a_decoder(decoder: Decoder) -> None:
    """Callers from many threads each get their own file's reading."""
    expected = {kind: decode(data, LIMITS) for kind, data in FILES.items()}
    found: dict[str, object] = {}

    def read(kind: str) -> None:
        found[kind] = decoder.read(FILES[kind])

    threads = [threading.Thread(target=read, args=(kind,)) for kind in FILES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == expected
