"""The fleet, whatever is read: within its cap, never lower under Blind, monotone, idempotent."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.belief.signals import Reading
from parjanya_dagster.core.reconcile.actions import (
    FallBack,
    LearnCapacity,
    RememberEmptyReadings,
    ReportBlind,
    ScaleIn,
    ScaleOut,
    Terminate,
)
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.capacity_memory import CapacityMemory
from parjanya_dagster.core.reconcile.capacity_view import FleetReading
from parjanya_dagster.core.reconcile.fleet_actions import DEMAND, FleetAction, fleet_actions
from tests.builders import NOON, a_queue
from tests.unit.core.reconcile.fleet_planning import (
    BLIND,
    LIMITS,
    OLD,
    a_group,
    a_member,
    a_pulse,
    a_reading,
    a_run,
    a_view,
    ago,
    broken,
    launched,
)

counts = st.integers(0, 6_000)
queues = st.builds(a_queue, counts, counts, counts)
runs = st.none() | st.builds(a_run, st.floats(1, 400), st.floats(0, 1))
memories = st.sampled_from(
    [
        CapacityMemory(),
        broken(),
        broken(minutes=9),
        broken(good="1"),
        CapacityMemory(suspects={"i-1": ago(200)}),
        CapacityMemory(gaps_s=(30.0, 30.0, 30.0)),
    ]
)
pulses = st.lists(st.builds(a_pulse, st.integers(1, 4), held=st.integers(0, 2), seconds=st.floats(0, 900)))


@st.composite
def readings(draw: st.DrawFn) -> FleetReading:
    """Draw a reading; any part of it may be Blind."""
    members = [a_member(n) for n in range(1, draw(st.integers(0, 4)) + 1)]
    view = launched(a_view(*draw(pulses), memory=draw(memories), quiet=draw(runs), surplus=draw(runs)), OLD)
    blinded: dict[str, Any] = {
        part: BLIND for part in ("memory", "pulses", "boots", "launches") if draw(st.integers(0, 9)) == 0
    }
    return a_reading(
        queue=draw(st.just(BLIND) | queues) if draw(st.booleans()) else draw(queues),
        steps=draw(st.sampled_from([BLIND, None, Reading(value=0, at=NOON), Reading(value=2, at=NOON)])),
        fleet=a_group(draw(st.integers(0, 4)), *members, warm=draw(st.integers(0, 2))),
        view=replace(view, **blinded),
        gaps=draw(counts),
        whole=draw(st.booleans()),
    )


limits = st.builds(
    lambda cap: replace(LIMITS, price_cap_usd_per_hour=cap), st.none() | st.floats(1, 6, allow_nan=False)
)


def desired_after(actions: list[FleetAction], before: int) -> int:
    """Return the desired capacity after these actions."""
    for action in actions:
        if isinstance(action, ScaleOut | ScaleIn):
            before = action.desired
        elif isinstance(action, Terminate):
            before -= 1
    return before


@given(readings(), limits)
def test_fleet_is_never_asked_to_be_larger_than_maximum_or_cap_nor_negative(
    reading: FleetReading, of: CapacityLimits
) -> None:
    """Desired stays within [minimum, maximum] and within the price cap, always."""
    for action in fleet_actions(reading, limits=of, now=NOON):
        if isinstance(action, ScaleOut | ScaleIn):
            assert 0 <= action.desired <= min(of.most, 4)


@given(readings(), limits)
def test_fleet_is_never_lowered_under_any_blind(reading: FleetReading, of: CapacityLimits) -> None:
    """An outage of denied reads never scales in, terminates or changes the template."""
    actions = fleet_actions(reading, limits=of, now=NOON)

    assert isinstance(reading.fleet, Reading)
    if reading.blind or not reading.whole:
        assert desired_after(actions, reading.fleet.value.desired) >= reading.fleet.value.desired
        assert not any(isinstance(each, Terminate | FallBack | ScaleIn) for each in actions)


@given(readings(), limits)
def test_fleet_actions_when_applied_leave_nothing_to_do(reading: FleetReading, of: CapacityLimits) -> None:
    """Idempotent: a duplicated cycle changes no capacity, whoever runs it."""
    actions = fleet_actions(reading, limits=of, now=NOON)

    again = fleet_actions(_applied(reading, actions), limits=of, now=NOON)

    if not any(isinstance(each, Terminate | FallBack) for each in actions):
        assert all(isinstance(each, ReportBlind) for each in again)


@given(readings(), limits, counts)
def test_fleet_when_demand_grows_is_never_asked_to_be_smaller(
    reading: FleetReading, of: CapacityLimits, more: int
) -> None:
    """Monotone in demand, whatever else is so."""
    grown = replace(reading, gaps=reading.gaps + more)

    assert isinstance(reading.fleet, Reading)
    before = reading.fleet.value.desired
    less = desired_after(fleet_actions(reading, limits=of, now=NOON), before)
    assert desired_after(fleet_actions(grown, limits=of, now=NOON), before) >= less


def _applied(reading: FleetReading, actions: list[FleetAction]) -> FleetReading:
    """Return what would be read right after these actions."""
    assert isinstance(reading.fleet, Reading)
    size, view = reading.fleet.value, reading.view
    for action in actions:
        match action:
            case ScaleOut(desired=desired) | ScaleIn(desired=desired):
                size = replace(size, desired=desired)
            case Terminate(instance_id=instance_id):
                gone = tuple(each for each in size.instances if each.instance_id != instance_id)
                size = replace(size, desired=max(size.desired - 1, 0), instances=gone, in_service=len(gone))
            case FallBack(version=version):
                size = replace(size, template_version=version)
            case LearnCapacity(after=after):
                view = view.knowing(after)
            case RememberEmptyReadings(signal=signal, run=run):
                view = replace(view, quiet=run) if signal == DEMAND else replace(view, surplus=run)
            case _:
                continue
    return replace(reading, fleet=Reading(value=size, at=NOON), view=view)
