"""`parjanya capacity` over fakes: the plan with its options, and the last decisions."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from parjanya_dagster.cli.main import parjanya
from parjanya_dagster.control.capacity import write_boot, write_pulse
from parjanya_dagster.control.reconcile import reconcile_rows, reconcile_world
from parjanya_dagster.core.belief.boot import Boot, BootStage
from parjanya_dagster.core.belief.pulse import Pulse
from parjanya_dagster.core.errors import DeniedError
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NOON, a_key, a_row


@pytest.fixture
def world() -> FakePlatform:
    """A platform of fakes in which nothing waits."""
    return a_fake_platform()


def run(world: FakePlatform, *arguments: str) -> str:
    """Run the command over fakes; return its output without line breaks."""
    result = CliRunner().invoke(parjanya, ["capacity", *arguments], obj=world.platform())
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def report(world: FakePlatform) -> dict[str, Any]:
    """Return what `--json` says."""
    document: dict[str, Any] = json.loads(run(world, "--json"))
    return document


def test_capacity_shows_every_option_and_changes_nothing(world: FakePlatform) -> None:
    """Each allowed size with finish and price; which one, and why; and what the next cycle would do."""
    world.images.add(*(a_row(number) for number in range(1000)))
    world.clock.advance(minutes=1)

    text, document = run(world), report(world)

    assert "chosen" in text
    assert [each["instances"] for each in document["plan"]["options"]] == [1, 2, 3, 4]
    assert document["plan"]["words"] in text
    assert document["next"][0].startswith("raise to ")
    assert document["demand"]["images"] == 1000
    assert not world.calls.writes


def test_capacity_tells_what_was_decided_before(world: FakePlatform) -> None:
    """The decision, by whom, and what it was chosen from."""
    world.images.add(a_row())
    reconcile_rows(world.platform(), [a_key()])

    [decision] = report(world)["decisions"]

    assert (decision["action"], decision["desired"], decision["plane"]) == ("scale_out", 1, "lambda")
    assert "1 instance" in decision["plan"]
    assert "scale out" in run(world)


def test_capacity_shows_instances_with_their_pulses(world: FakePlatform) -> None:
    """Who is there, and since when it has said something."""
    world.fleet.set_desired(2)
    first = world.fleet.members[0].instance_id
    pulse = Pulse(instance_id=first, at=NOON, progress_at=NOON, held=2, settled=9, stage="draining")
    write_pulse(world.platform(), pulse)
    world.clock.advance(seconds=7)

    told = {each["instance_id"]: each for each in report(world)["fleet"]["instances"]}

    assert (told[first]["pulse_age_s"], told[first]["stage"], told[first]["held"]) == (7.0, "draining", 2)
    assert [each["pulse_age_s"] for name, each in told.items() if name != first] == [None]


def test_capacity_says_that_boots_fail(world: FakePlatform) -> None:
    """Incident 6, for a person: what failed, how often, and when it is tried again."""
    world.images.add(a_row())
    reconcile_rows(world.platform(), [a_key()])
    for number in range(3):
        at = NOON + timedelta(seconds=number)
        write_boot(
            world.platform(),
            Boot(
                instance_id=f"i-{number}",
                started_at=at,
                stage=BootStage.VERIFYING,
                at=at,
                error="no weights",
                template_version="1",
            ),
        )
    world.clock.advance(minutes=1)
    reconcile_world(world.platform())

    breaker = report(world)["breaker"]

    assert breaker["is_open"]
    assert breaker["failed_in_a_row"] == 3
    assert "no weights" in run(world)


def test_capacity_of_an_unreadable_group_says_so(world: FakePlatform) -> None:
    """Blind is shown with its reason, and no number is made up."""
    world.calls.fail("fleet.size", DeniedError("AccessDenied"), times=9)

    document, text = report(world), run(world)

    assert document["fleet"] is None
    assert document["plan"] is None
    assert document["breaker"] is None
    assert "AccessDenied" in document["blind"][0]["reason"]
    assert "lower nothing" in document["next"][0]
    assert "BLIND" in text


def test_capacity_of_an_idle_system_has_nothing_to_do(world: FakePlatform) -> None:
    """Zero of everything, in words."""
    assert "nothing waits: no instance" in run(world)
    assert report(world)["next"] == []


def test_capacity_names_whatever_would_be_changed(world: FakePlatform) -> None:
    """Lowering, ending an instance and another template are announced like raising."""
    world.fleet.set_desired(1)
    reconcile_world(world.platform())
    world.clock.advance(seconds=30)
    assert report(world)["next"] == ["lower to 0: nothing is waiting"]

    boot = Boot(
        instance_id=world.fleet.members[0].instance_id,
        started_at=NOON,
        stage=BootStage.VERIFYING,
        at=NOON,
        error="no weights",
    )
    write_boot(world.platform(), boot)
    assert report(world)["next"] == [f"end {boot.instance_id}: its boot failed while verifying: no weights"]

    good = Boot(instance_id="i-good", started_at=NOON, stage=BootStage.READY, at=NOON, template_version="7")
    write_boot(world.platform(), good)
    for number in range(2):
        write_boot(world.platform(), replace(boot, instance_id=f"i-{number}", template_version="1"))
    assert report(world)["next"][-1].startswith("launch from template version 7: 3 boots of")
