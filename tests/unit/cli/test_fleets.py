"""What commands say of an extra fleet, and how a person sends images there."""

import json

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from parjanya_dagster.cli.main import parjanya
from parjanya_dagster.cli.proof import intent_faults
from parjanya_dagster.cli.status import platform_report, show_platform
from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.control.trail import trail
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NOON, TENANT, a_key, a_row, an_original

LARGE = "large"


@pytest.fixture
def world() -> FakePlatform:
    """Return a world with an extra fleet, and an image that ran out of memory on the usual one."""
    world = a_fake_platform(fleets=(LARGE,))
    world.control.register_tenant(TENANT, now=NOON)
    for number, error in ((1, "oom: 400 tokens do not fit"), (2, "undeliverable: given up 4 times")):
        original = an_original(a_key(number), version_id=None)
        world.images.add(a_row(number, status=Status.VLM_FAILED, last_error=error, original=original))
        world.objects.add(original.bucket, original.key, b"image")
    return world


def run(world: FakePlatform, *arguments: str) -> Result:
    """Run a command over fakes."""
    return CliRunner().invoke(parjanya, arguments, obj=world.platform())


def test_replay_of_what_ran_out_of_memory_names_the_fleet_in_preview_and_trail(world: FakePlatform) -> None:
    """`--failed oom --fleet large` needs no more words, and the trail says where the images went."""
    why = run(world, "why", str(a_key(1)))

    said = run(world, "replay", "--failed", "oom", "--fleet", LARGE, "--yes")

    assert "replay --fleet NAME" in why.stdout
    assert "1 image, boundary all, fleet large" in said.stdout
    assert "1 replayed" in said.stdout
    assert [world.images.rows[a_key(number)].fleet for number in (1, 2)] == [LARGE, None]
    assert trail(world.platform(), limit=1)[0].action == "replay --boundary all --lane regrade --fleet large"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--failed", "oom", "--fleet", "lrage"), "there is default, large"),
        (("--fleet", LARGE), "say which images"),
        (("--fleet", LARGE, "--yes", "--plan", "plan.json"), "a plan names its images itself"),
    ],
)
def test_replay_that_does_not_say_what_goes_where_is_refused(
    world: FakePlatform, arguments: tuple[str, ...], says: str
) -> None:
    """A misspelt fleet is answered with those there are."""
    refused = run(world, "replay", *arguments)

    assert isinstance(refused.exception, InvalidRequestError)
    assert says in str(refused.exception)


def test_capacity_and_status_list_the_extra_fleet_beside_the_usual_one(world: FakePlatform) -> None:
    """What waits for it and what it is asked for are seen without knowing its queue by name."""
    run(world, "replay", "--failed", "oom", "--fleet", LARGE, "--yes")
    world.clock.advance(minutes=1)
    before = run(world, "capacity").stdout
    reconcile_world(world.platform())

    assert "fleet large" in before
    assert before.index("fleet large") < before.index("fleet default")
    assert "raise to 1: 1 without a job yet" in before
    told = json.loads(run(world, "capacity", "--json").stdout)
    assert [each["of_fleet"] for each in (told, *told["others"])] == [None, LARGE]
    assert "scale out of large" in run(world, "capacity").stdout
    report = platform_report(world.platform())
    assert report["others"][LARGE]["queue"] == {"visible": 1, "in_flight": 0, "delayed": 0}
    console = Console(width=100)
    with console.capture() as capture:
        show_platform(console, report)
    assert "large         queue 1 visible, 0 in flight, 0 delayed; fleet 1 desired" in capture.get()
    assert "queue of fleet large: 1 messages left" in intent_faults(world.platform())
