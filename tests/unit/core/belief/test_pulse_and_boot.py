"""What workers say of themselves, there and back again through a record."""

from dataclasses import replace
from datetime import timedelta

import pytest

from parjanya_dagster.core.belief.boot import Boot, BootFailure, BootStage, TracedStage
from parjanya_dagster.core.belief.pulse import Pulse
from tests.builders import NOON

PULSE = Pulse(
    instance_id="i-1",
    at=NOON,
    progress_at=NOON - timedelta(seconds=3),
    held=4,
    settled=17,
    stage="draining",
    template_version="7",
)
BOOT = Boot(instance_id="i-1", started_at=NOON, stage=BootStage.VERIFYING, at=NOON, error="no weights")


def test_pulse_when_written_and_read_is_the_same() -> None:
    """The document holds everything but the id, which is the record's own."""
    assert Pulse.of("i-1", PULSE.document()) == PULSE


def test_pulse_is_fresh_until_its_silence_has_passed() -> None:
    """A pulse as old as the silence allows is none any more."""
    silence = timedelta(minutes=3)

    assert PULSE.is_fresh(silence, now=NOON + timedelta(seconds=179))
    assert not PULSE.is_fresh(silence, now=NOON + silence)


def test_boot_when_written_and_read_is_the_same() -> None:
    """An error stays with the stage that it ended."""
    assert Boot.of(BOOT.document()) == BOOT


def test_boot_when_written_and_read_keeps_its_trace_and_the_name_of_its_failure() -> None:
    """What a person asks first: which stage, how long, and what it is called."""
    trace = (TracedStage(name="files", seconds=0.5, detail="9 files"), TracedStage(name="hashes"))
    boot = replace(BOOT, failure=BootFailure.HASH_DIFFERS, trace=trace)

    assert Boot.of(boot.document()) == boot


def test_boot_of_an_older_worker_is_read_without_a_trace() -> None:
    """Instances are replaced one by one, and the planes read them all."""
    document = {name: each for name, each in BOOT.document().items() if name not in ("failure", "trace")}

    assert Boot.of(document) == BOOT


def test_boot_of_a_newer_worker_is_read_though_its_failure_is_unknown() -> None:
    """A name that came later must not blind the planes to every boot."""
    assert Boot.of(BOOT.document() | {"failure": "moon_phase"}).failure is BootFailure.UNEXPECTED


@pytest.mark.parametrize(
    ("stage", "error", "failure", "is_refused"),
    [
        (BootStage.VERIFYING, "no weights", None, True),
        (BootStage.VERIFYING, None, None, False),
        (BootStage.LOADING, "died", None, False),
        (BootStage.LOADING, "a tensor is missing", BootFailure.LOAD_INCOMPLETE, True),
        (BootStage.VERIFYING, "cuda:0", BootFailure.DEVICE_MISSING, False),
    ],
)
def test_boot_blames_the_model_by_the_name_of_its_failure(
    stage: BootStage, error: str | None, failure: BootFailure | None, *, is_refused: bool
) -> None:
    """Incident 6b: one refused model is proof enough; a machine without its GPU says nothing about it."""
    assert replace(BOOT, stage=stage, error=error, failure=failure).refused_model is is_refused


def test_boot_is_ready_only_without_an_error() -> None:
    """A stage is reported when it begins, so the last one is where it ended."""
    ready = Boot(instance_id="i-1", started_at=NOON, stage=BootStage.READY, at=NOON)

    assert ready.is_ready
    assert not BOOT.is_ready
    assert ready.boot_id.endswith("#i-1")


def test_boot_ids_sort_as_the_boots_began() -> None:
    """The newest records are the newest boots."""
    later = Boot(
        instance_id="i-0", started_at=NOON + timedelta(microseconds=1), stage=BootStage.STARTED, at=NOON
    )

    assert BOOT.boot_id < later.boot_id
