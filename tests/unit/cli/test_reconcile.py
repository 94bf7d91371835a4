"""`parjanya reconcile`: what would be done, what was done, and why the fleet has its size."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result

from parjanya_dagster.cli.main import parjanya
from parjanya_dagster.control.trail import trail
from parjanya_dagster.core.errors import DeniedError, UnavailableError
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import a_job, a_row


@pytest.fixture
def world() -> FakePlatform:
    """A platform whose stream was silent: two rows wait, and an upload never came."""
    fakes = a_fake_platform()
    fakes.images.add(a_row(1), a_row(2), a_row(3, status=Status.PENDING_UPLOAD, due_at=fakes.clock()))
    fakes.clock.advance(minutes=1)
    return fakes


def run(world: FakePlatform, *arguments: str) -> Result:
    """Run the command over fakes."""
    return CliRunner().invoke(parjanya, ["reconcile", *arguments], obj=world.platform())


def words(result: Result) -> str:
    """Return the output without its line breaks."""
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_dry_run_says_what_would_be_done_and_changes_nothing(world: FakePlatform) -> None:
    """By reason, with samples and the capacity sentence; not even a dead letter is taken."""
    world.queue.bury("no job")
    world.calls.clear()

    report = json.loads(run(world, "--dry-run", "--json").output)

    assert report["planned"] == {"emit:never_sent": 2, "scale_out": 1, "abandon_upload": 1}
    assert report["samples"]["emit:never_sent"] == [str(a_row(1).key), str(a_row(2).key)]
    assert "chosen 1 for 2 images" in report["capacity"]
    assert (report["dry_run"], report["applied"]) == (True, {})
    assert not world.calls.writes
    assert world.calls.count("dead_letters.receive") == 0


def test_reconcile_repairs_and_leaves_an_entry_in_the_trail(world: FakePlatform) -> None:
    """A cycle by hand is the planes' own cycle, and is on record."""
    report = json.loads(run(world, "--json").output)

    assert report["applied"] == {"emit:never_sent": 2, "scale_out": 1, "upload:abandoned": 1}
    assert len(world.queue.jobs) == 2
    [entry] = trail(world.platform(), limit=5)
    assert entry.action == "reconcile"
    assert entry.after == report["applied"]


def test_reconcile_for_people_shows_counts_samples_and_capacity(world: FakePlatform) -> None:
    """What a person reads before they act."""
    world.queue.bury(a_job(a_row(9)).model_dump_json())
    world.queue.bury("no job")

    shown = words(run(world))

    assert "2 emit:never sent" in shown
    assert "1 dead letter:superseded" in shown
    assert f"{a_row(9).key}: row_missing" in shown
    assert "a message that is no job" in shown
    assert "capacity chosen 1 for 2 images" in shown
    assert "Nothing to repair." in words(run(world))


def test_reconcile_shows_what_it_could_not_see_or_do(world: FakePlatform) -> None:
    """Blindness and faults are named; a fleet that cannot be read has no size to explain."""
    world.calls.fail("fleet.size", DeniedError("AccessDenied"), times=9)
    world.calls.fail("queue.send", UnavailableError("throttled"))

    shown = words(run(world))

    assert "fleet.size: AccessDenied" in shown
    assert "fault EmitIntent: throttled" in shown
    assert "capacity unknown: AccessDenied" in shown


def test_blindness_is_told_to_scripts_as_by_capacity(world: FakePlatform) -> None:
    """One form for one thing: signal and reason."""
    world.calls.fail("fleet.size", DeniedError("AccessDenied"), times=9)

    report = json.loads(run(world, "--dry-run", "--json").output)

    assert {"signal": "fleet.size", "reason": "AccessDenied"} in report["blind"]


def test_reconcile_shows_what_was_left_for_want_of_time(world: FakePlatform) -> None:
    """A bounded cycle says what it did not reach."""
    hurried = replace(
        world.platform(),
        clock=lambda: world.clock.advance(seconds=1),
        limits=Limits(cycle_time=timedelta(seconds=1)),
    )

    shown = words(CliRunner().invoke(parjanya, ["reconcile"], obj=hurried))

    assert "left 3 for the next cycle: this one's time was up" in shown
    assert "1 scale_out" in shown
