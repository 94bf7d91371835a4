"""`parjanya audit`: numbers, samples, and what to do about them."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from parjanya_dagster.cli.main import parjanya
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.core.errors import InvalidRequestError, UnavailableError
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NOON, TENANT, a_row


@pytest.fixture
def world() -> FakePlatform:
    """A platform with one tenant and no image."""
    fakes = a_fake_platform()
    add_tenant(fakes.platform(), TENANT)
    return fakes


def run(world: FakePlatform, *arguments: str) -> Result:
    """Run the command over fakes."""
    return CliRunner().invoke(parjanya, ["audit", *arguments], obj=world.platform())


def test_audit_when_all_is_conserved_says_so(world: FakePlatform) -> None:
    """Silence would be no answer."""
    result = run(world, "--exit-code")

    assert result.exit_code == 0
    assert "every stamp is covered" in " ".join(result.output.split())


def test_audit_names_what_is_missing_and_what_to_do(world: FakePlatform) -> None:
    """A residue is a number with samples and a remedy; scripts see it in the status."""
    row = a_row(1)
    world.images.add(row)

    shown, counted = run(world), run(world, "--json", "--exit-code")

    assert shown.exit_code == 0
    assert "1 row without its original" in " ".join(shown.output.split())
    assert row.key.image_id in shown.output
    assert counted.exit_code == 1
    assert json.loads(counted.output)["tenants"][0]["without_object"] == 1


def test_audit_names_stamps_that_no_queue_covers(world: FakePlatform) -> None:
    """Incident 1 in numbers."""
    world.clock.advance(hours=1)
    world.images.add(replace(a_row(1), intent_at=NOON, intent_id="intent-1", emissions=1))

    result = run(world, "--tenant", TENANT, "--full", "--exit-code")

    assert result.exit_code == 1
    assert "1 unaccounted" in " ".join(result.output.split())


def test_audit_with_a_blind_queue_accuses_nobody(world: FakePlatform) -> None:
    """Blind is never zero."""
    world.calls.fail("queue.depth", UnavailableError("no answer"))

    result = run(world, "--exit-code")

    assert (result.exit_code, "BLIND" in result.output) == (0, True)


def test_audit_of_an_unknown_tenant_says_which(world: FakePlatform) -> None:
    """A typo is not an empty audit."""
    result = run(world, "--tenant", "acne")

    assert isinstance(result.exception, InvalidRequestError)
    assert "acne" in str(result.exception)
