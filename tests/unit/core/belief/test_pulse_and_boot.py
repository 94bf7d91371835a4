"""What workers say of themselves, there and back again through a record."""

from datetime import timedelta

from parjanya_dagster.core.belief.boot import Boot, BootStage
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
