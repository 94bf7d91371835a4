"""Applying capacity: raises that are harmless twice, and lowering under a fenced lease."""

from dataclasses import replace
from typing import Any

import pytest

from parjanya_dagster.control.capacity import (
    apply_capacity,
    last_decisions,
    write_pulse,
)
from parjanya_dagster.core.belief.signals import FleetSize, Reading
from parjanya_dagster.core.errors import DeniedError, UnavailableError
from parjanya_dagster.core.reconcile.actions import FallBack, Terminate
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.unit.control.fleets import IN, OUT, a_pulse


def size_of(world: FakePlatform) -> FleetSize:
    """Return the fleet's size."""
    signal = world.fleet.size()
    assert isinstance(signal, Reading)
    return signal.value


# --- raising ------------------------------------------------------------------------------------------


def test_raise_when_repeated_or_raced_changes_nothing_more() -> None:
    """Any plane may raise, twice and late: the number is absolute."""
    world = a_fake_platform()

    assert apply_capacity(world.platform(), OUT)
    assert not apply_capacity(world.platform(), OUT)

    assert world.calls.count("fleet.set_desired") == 1


def test_raise_that_comes_late_does_not_take_back_a_higher_one() -> None:
    """The lower of two wishes must not win."""
    world = a_fake_platform()
    world.fleet.set_desired(4)

    assert not apply_capacity(world.platform(), OUT)

    assert world.fleet.desired == 4


def test_raise_beyond_the_cap_is_clamped_where_it_is_made() -> None:
    """Whatever plans it, no call asks for more than settings and the group allow."""
    world = replace(a_fake_platform(), capacity=CapacityLimits(price_cap_usd_per_hour=0.9))

    apply_capacity(world.platform(), replace(OUT, desired=9))

    assert world.fleet.desired == 1


def test_raise_over_an_unreadable_group_is_left_to_the_next_cycle() -> None:
    """What is asked for now cannot be seen, so it could be lowered by mistake."""
    world = a_fake_platform()
    world.calls.fail("fleet.size", DeniedError("AccessDenied"))

    with pytest.raises(UnavailableError, match="AccessDenied"):
        apply_capacity(world.platform(), OUT)


# --- lowering -----------------------------------------------------------------------------------------


def test_lowering_is_left_to_the_lease_holder() -> None:
    """One plane at a time lowers."""
    world = a_fake_platform()
    world.fleet.set_desired(2)
    assert world.control.take_lease("capacity", "dagster", now=world.clock(), duration_s=60)

    for action in (IN, Terminate(instance_id="i-1", reason="dead"), FallBack(version="1", reason="broken")):
        assert not apply_capacity(world.platform(), action)

    assert world.fleet.desired == 2


def test_lowering_after_another_run_took_the_lease_is_fenced() -> None:
    """A function that was suspended between lease and call finds its token void, its own name or not."""
    world = a_fake_platform()
    world.fleet.set_desired(2)
    platform = world.platform()
    really = platform.fleet.size

    def slow_size() -> Any:  # noqa: ANN401 - the signal, whatever it is
        platform.control.take_lease("capacity", platform.plane, now=world.clock(), duration_s=30)
        return really()

    world.fleet.size = slow_size  # type: ignore[method-assign] # another run comes in exactly here

    assert not apply_capacity(platform, IN)
    assert world.fleet.desired == 2


def test_lowering_over_an_unreadable_group_does_nothing() -> None:
    """Blind never lowers."""
    world = a_fake_platform()
    world.fleet.set_desired(2)
    world.calls.fail("fleet.size", DeniedError("AccessDenied"))

    assert not apply_capacity(world.platform(), IN)


def test_lowering_to_what_is_there_already_does_nothing() -> None:
    """A duplicate finds it done."""
    world = a_fake_platform()

    assert not apply_capacity(world.platform(), IN)
    assert last_decisions(world.platform(), limit=5) == []


def test_end_of_an_instance_takes_its_pulse_with_it() -> None:
    """Terminated and one less desired; a second call finds nobody."""
    world = a_fake_platform()
    world.fleet.set_desired(2)
    platform, name = world.platform(), world.fleet.members[0].instance_id
    write_pulse(platform, a_pulse(world, name))

    assert apply_capacity(platform, Terminate(instance_id=name, reason="silent"))
    assert not apply_capacity(platform, Terminate(instance_id=name, reason="silent"))

    assert world.fleet.desired == 1
    assert world.records.get(RecordKind.PULSE, name) is None


def test_fall_back_changes_what_is_launched_from() -> None:
    """The last good version of the template."""
    world = a_fake_platform()

    assert apply_capacity(world.platform(), FallBack(version="41", reason="3 boots failed"))

    assert size_of(world).template_version == "41"
