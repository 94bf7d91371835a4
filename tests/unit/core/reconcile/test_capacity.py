"""The fleet's actions: up at once, down with care, and never under Blind."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.belief.boot import Boot, BootStage
from parjanya_dagster.core.belief.pulse import Pulse
from parjanya_dagster.core.belief.signals import Blind, FleetSize, Instance, Launch, QueueDepth, Reading
from parjanya_dagster.core.ports import EmptyReadings
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
from parjanya_dagster.core.reconcile.capacity_memory import BootMark, CapacityMemory
from parjanya_dagster.core.reconcile.capacity_view import CapacityView, FleetReading
from parjanya_dagster.core.reconcile.fleet_actions import DEMAND, SURPLUS, FleetAction, fleet_actions
from tests.builders import NOON, a_fleet, a_queue

LIMITS = CapacityLimits(
    seconds_per_image=1.0,
    time_allowed=timedelta(minutes=5),
    max_instances=4,
    cold_start=timedelta(minutes=1),
    usd_per_instance_hour=1.0,
)
GAP = timedelta(seconds=90)
BLIND = Blind(signal="unreadable", reason="AccessDenied", at=NOON)


def ago(seconds: float) -> datetime:
    """Return a time before noon."""
    return NOON - timedelta(seconds=seconds)


def a_run(seconds: float = 60, last: float = 5) -> EmptyReadings:
    """Return a run of readings that began and was last continued so long ago."""
    return EmptyReadings(since=ago(seconds), last_read_at=ago(last))


def a_member(number: int = 1, **changes: Any) -> Instance:  # noqa: ANN401 - any field
    """Return an instance in service."""
    member = Instance(
        instance_id=f"i-{number}", lifecycle="InService", is_protected=True, template_version="2"
    )
    return replace(member, **changes)


def a_group(desired: int, *members: Instance, **changes: Any) -> Reading[FleetSize]:  # noqa: ANN401 - any field
    """Return a reading of a group that launches template version 2."""
    size = FleetSize(
        desired=desired,
        in_service=sum(each.is_in_service for each in members),
        min_size=0,
        max_size=4,
        instances=members,
        template_version="2",
    )
    return Reading(value=replace(size, **changes), at=NOON)


def a_pulse(number: int = 1, *, held: int = 0, seconds: float = 5) -> Pulse:
    """Return a pulse."""
    return Pulse(
        instance_id=f"i-{number}",
        at=ago(seconds),
        progress_at=ago(seconds),
        held=held,
        settled=0,
        stage="draining",
    )


def a_view(*pulses: Pulse, **changes: Any) -> CapacityView:  # noqa: ANN401 - any field
    """Return a view with everything readable."""
    view = CapacityView(
        pulses=Reading(value={each.instance_id: each for each in pulses}, at=NOON),
        boots=Reading(value=(), at=NOON),
        launches=Reading(value=(), at=NOON),
    )
    return replace(view, **changes)


def a_reading(**changes: Any) -> FleetReading:  # noqa: ANN401 - any field
    """Return a reading in which nothing waits and nothing runs."""
    reading = FleetReading(
        queue=a_queue(),
        fleet=a_fleet(),
        view=a_view(),
        gaps=0,
        steps=Reading(value=0, at=NOON),
        reading_gap=GAP,
    )
    return replace(reading, **changes)


def planned(**changes: Any) -> list[FleetAction]:  # noqa: ANN401 - any field
    """Return the actions at noon."""
    return fleet_actions(a_reading(**changes), limits=LIMITS, now=NOON)


def kinds(actions: list[FleetAction]) -> list[type]:
    """Return the actions' types, in order."""
    return [type(action) for action in actions]


def changed(**changes: Any) -> list[FleetAction]:  # noqa: ANN401 - any field
    """Return the actions at noon that change the fleet: all but memories and reports."""
    others = (LearnCapacity, RememberEmptyReadings, ReportBlind)
    return [each for each in planned(**changes) if not isinstance(each, others)]


def desired_after(actions: list[FleetAction], before: int) -> int:
    """Return the desired capacity after these actions."""
    for action in actions:
        if isinstance(action, ScaleOut | ScaleIn):
            before = action.desired
        elif isinstance(action, Terminate):
            before -= 1
    return before


# --- up -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "desired"),
    [
        ({"queue": a_queue(1)}, 1),
        ({"gaps": 1}, 1),
        ({"queue": a_queue(480)}, 2),
        ({"queue": a_queue(400, delayed=80)}, 2),
        ({"queue": a_queue(5_000)}, 4),
        ({"steps": Reading(value=3, at=NOON)}, 3),
        ({"steps": Reading(value=9, at=NOON)}, 4),
        ({"queue": a_queue(5_000), "whole": False, "view": CapacityView(), "steps": None}, 4),
    ],
)
def test_fleet_goes_to_its_target_in_one_step(changes: dict[str, Any], desired: int) -> None:
    """SkyPilot issue 8483: one item wakes one instance, a burst the whole fleet, in one call."""
    [action] = planned(**changes)

    assert isinstance(action, ScaleOut)
    assert action.desired == desired
    assert action.plan is not None


@pytest.mark.parametrize("queue", [a_queue(delayed=5), a_queue(in_flight=5)])
def test_fleet_at_zero_is_not_woken_by_what_is_in_back_off(queue: Reading[QueueDepth]) -> None:
    """Nobody is there to hold it, so that it can only be waiting to be visible again."""
    assert planned(queue=queue) == []


def test_fleet_that_is_large_enough_is_left_alone() -> None:
    """Applied to the world it produced, the plan plans nothing."""
    assert planned(queue=a_queue(480), fleet=a_group(2)) == []


def test_fleet_is_raised_under_blind_by_what_is_known_to_wait() -> None:
    """What follows from Truth alone proceeds."""
    actions = planned(queue=BLIND, steps=BLIND, view=a_view(memory=BLIND, pulses=BLIND), gaps=1)

    assert kinds(actions) == [ReportBlind, ReportBlind, ScaleOut]


def test_unreadable_group_is_reported_and_nothing_else() -> None:
    """Capacity is never set from what cannot be seen."""
    assert planned(fleet=BLIND, gaps=9) == [ReportBlind(blind=BLIND)]


# --- down ---------------------------------------------------------------------------------------------


def test_fleet_is_lowered_to_zero_after_a_second_reading_without_demand() -> None:
    """One reading of zero is a hint, two are a fact."""
    group = a_group(2, a_member(1), a_member(2))
    view = a_view(a_pulse(1), a_pulse(2))

    assert planned(fleet=group, view=view) == [
        RememberEmptyReadings(signal=DEMAND, run=EmptyReadings(since=NOON, last_read_at=NOON))
    ]
    [action] = planned(fleet=group, view=replace(view, quiet=a_run()))
    assert isinstance(action, ScaleIn)
    assert action.desired == 0


def test_fleet_is_lowered_in_part_to_what_the_demand_keeps_busy() -> None:
    """Not only to zero: whoever has nothing to do may go, and who holds work finishes under protection."""
    busy = {"queue": a_queue(45), "fleet": a_group(4, *(a_member(n) for n in range(4)))}

    assert planned(**busy) == [
        RememberEmptyReadings(signal=SURPLUS, run=EmptyReadings(since=NOON, last_read_at=NOON))
    ]
    forgets, action = planned(**busy, view=a_view(surplus=a_run()))
    assert forgets == RememberEmptyReadings(signal=SURPLUS, run=None)
    assert isinstance(action, ScaleIn)
    assert action.desired == 2


def test_fleet_is_not_lowered_below_its_open_steps() -> None:
    """A step takes a whole instance, however few images it has."""
    [action] = changed(fleet=a_group(4), steps=Reading(value=3, at=NOON), view=a_view(surplus=a_run()))

    assert isinstance(action, ScaleIn)
    assert action.desired == 3


def test_fleet_above_a_cap_that_was_lowered_shrinks_to_it() -> None:
    """The most that settings allow holds for what runs already, too."""
    actions = fleet_actions(
        a_reading(queue=a_queue(9_000), fleet=a_group(4), view=a_view(surplus=a_run())),
        limits=replace(LIMITS, price_cap_usd_per_hour=2.0),
        now=NOON,
    )

    assert [each.desired for each in actions if isinstance(each, ScaleIn)] == [2]


def test_idle_workers_with_messages_in_back_off_may_go() -> None:
    """KEDA: what nobody can work on now keeps no GPU awake; in a worker's hands it does."""
    group, queue = a_group(1, a_member()), a_queue(in_flight=3)

    idle = planned(fleet=group, queue=queue, view=a_view(a_pulse(), quiet=a_run()))
    busy = planned(fleet=group, queue=queue, view=a_view(a_pulse(held=3), quiet=a_run()))

    assert ScaleIn in kinds(idle)
    assert ScaleIn not in kinds(busy)


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("too long unobserved", {"view": a_view(a_pulse(), quiet=a_run(600, last=91))}),
        ("this very reading began it", {"view": a_view(a_pulse(), quiet=a_run(0, last=0))}),
        ("an event's look", {"whole": False, "view": a_view(a_pulse(), quiet=a_run())}),
        ("the queue is unreadable", {"queue": BLIND, "view": a_view(a_pulse(), quiet=a_run())}),
        ("steps are unreadable", {"steps": BLIND, "view": a_view(a_pulse(), quiet=a_run())}),
        ("the memory is unreadable", {"view": a_view(a_pulse(), quiet=a_run(), memory=BLIND)}),
        ("pulses are unreadable", {"view": a_view(quiet=a_run(), pulses=BLIND)}),
        ("launches are unreadable", {"view": a_view(a_pulse(), quiet=a_run(), launches=BLIND)}),
        ("the group wants a minimum", {"fleet": a_group(1, a_member(), min_size=1)}),
    ],
)
def test_fleet_is_not_lowered_when(why: str, changes: dict[str, Any]) -> None:
    """Blind is never zero, and one look is no proof (KEDA issue 8036)."""
    quiet = {"fleet": a_group(1, a_member()), "view": a_view(a_pulse(), quiet=a_run())}

    assert ScaleIn in kinds(planned(**quiet))
    assert ScaleIn not in kinds(planned(**(quiet | changes))), why


def test_last_instance_is_kept_while_the_next_demand_is_expected_soon() -> None:
    """KEDA issue 7327: gaps of half a minute against a start of one."""
    group = a_group(2, a_member(1), a_member(2))
    view = a_view(a_pulse(1), a_pulse(2), quiet=a_run(10, last=5))

    [kept] = planned(fleet=group, view=replace(view, memory=CapacityMemory(gaps_s=(40.0, 40.0, 40.0))))
    [gone] = planned(fleet=group, view=replace(view, memory=CapacityMemory(gaps_s=(400.0, 400.0, 400.0))))

    assert isinstance(kept, ScaleIn)
    assert isinstance(gone, ScaleIn)
    assert (kept.desired, gone.desired) == (1, 0)


# --- memory -------------------------------------------------------------------------------------------


def test_demand_that_returns_ends_the_run_and_its_length_is_learned() -> None:
    """Gaps are measured from the first quiet reading to the next demand, whoever sees it."""
    actions = planned(queue=a_queue(1), fleet=a_group(1), view=a_view(quiet=a_run(1000, last=900)))

    assert actions == [
        RememberEmptyReadings(signal=DEMAND, run=None),
        LearnCapacity(before=CapacityMemory(), after=CapacityMemory(gaps_s=(1000.0,))),
    ]


def test_run_that_is_young_enough_is_not_written_again() -> None:
    """A quarter of the gap that would end it; the run keeps its beginning."""
    waiting = CapacityMemory(gaps_s=(100.0, 100.0, 100.0))
    group, view = a_group(1, a_member()), a_view(a_pulse(), memory=waiting)

    assert planned(fleet=group, view=replace(view, quiet=a_run(60, last=20))) == []
    assert planned(fleet=group, view=replace(view, quiet=a_run(60, last=30))) == [
        RememberEmptyReadings(signal=DEMAND, run=EmptyReadings(since=ago(60), last_read_at=NOON))
    ]


def test_surplus_that_is_none_any_more_is_forgotten() -> None:
    """Two readings must say it without one in between that does not."""
    assert planned(queue=a_queue(480), fleet=a_group(2), view=a_view(surplus=a_run())) == [
        RememberEmptyReadings(signal=SURPLUS, run=None)
    ]


def test_idle_system_plans_nothing() -> None:
    """Zero desired, nothing waits: nothing is written, however long ago the last demand was."""
    assert planned() == []
    assert planned(view=a_view(quiet=a_run(9000, last=8000))) == []


# --- health and breaker -------------------------------------------------------------------------------

OLD = Launch(activity_id="a-1", instance_id="i-1", is_warm=False, started_at=ago(3600))


def launched(view: CapacityView, *launches: Launch) -> CapacityView:
    """Return the view with these launches."""
    return replace(view, launches=Reading(value=launches, at=NOON))


def test_silent_instance_is_suspected_then_ended_and_its_boot_counted() -> None:
    """No pulse for long: terminate and decrement, after a second look."""
    silent = {"queue": a_queue(1), "fleet": a_group(1, a_member())}

    [suspicion] = planned(**silent, view=launched(a_view(), OLD))
    assert isinstance(suspicion, LearnCapacity)
    assert suspicion.after.suspects == {"i-1": NOON}

    doubted = CapacityMemory(suspects={"i-1": ago(100)})
    counted, end = planned(**silent, view=launched(a_view(memory=doubted), OLD))
    assert isinstance(counted, LearnCapacity)
    assert [each.mark for each in counted.after.marks] == ["i-1"]
    assert isinstance(end, Terminate)
    assert end.instance_id == "i-1"


def test_suspect_that_pulses_again_is_forgotten() -> None:
    """Suspicion ends with the first sign of life."""
    [action] = planned(
        queue=a_queue(1),
        fleet=a_group(1, a_member()),
        view=a_view(a_pulse(), memory=CapacityMemory(suspects={"i-1": ago(80)})),
    )

    assert action == LearnCapacity(before=CapacityMemory(suspects={"i-1": ago(80)}), after=CapacityMemory())


@pytest.mark.parametrize("changes", [{"queue": BLIND}, {"steps": BLIND}, {"whole": False}])
def test_silent_instance_is_not_ended_under_blind(changes: dict[str, Any]) -> None:
    """Ending one lowers what is desired, and nothing lowers under Blind."""
    doubted = CapacityMemory(suspects={"i-1": ago(100)})
    silent: dict[str, Any] = {
        "fleet": a_group(1, a_member()),
        "view": launched(a_view(memory=doubted), OLD),
    }

    assert Terminate in kinds(planned(**silent))
    assert Terminate not in kinds(planned(**(silent | changes)))


def test_fleet_is_not_lowered_in_the_cycle_that_ends_an_instance() -> None:
    """Ending one takes one away by itself: both together would take two."""
    doubted = CapacityMemory(suspects={"i-1": ago(100)})
    view = launched(a_view(memory=doubted, quiet=a_run()), OLD)

    actions = planned(fleet=a_group(1, a_member()), view=view)

    assert kinds(actions) == [LearnCapacity, Terminate]


def broken(version: str = "2", *, good: str | None = None, minutes: float = 1) -> CapacityMemory:
    """Return a memory after three failed boots of a version."""
    marks = tuple(
        BootMark(mark=f"m{number}", version=version, at=ago(60 * minutes + 3 - number), error="no weights")
        for number in range(3)
    )
    return CapacityMemory(marks=marks, good_version=good)


def test_broken_template_is_launched_no_more() -> None:
    """Three failed boots in a row: nothing is relaunched, whatever waits."""
    assert changed(queue=a_queue(9), fleet=a_group(0), view=a_view(memory=broken())) == []
    [action] = changed(
        queue=a_queue(9), fleet=a_group(1, a_member(lifecycle="Pending")), view=a_view(memory=broken())
    )
    assert isinstance(action, ScaleIn)
    assert action.desired == 0
    assert "no weights" in action.reason


def test_broken_template_leaves_alone_what_lives() -> None:
    """Instances that came up before go on."""
    view = a_view(a_pulse(1), memory=broken())

    [action] = changed(queue=a_queue(5_000), fleet=a_group(3, a_member(1), a_member(2)), view=view)

    assert isinstance(action, ScaleIn)
    assert action.desired == 1


def test_broken_template_is_tried_once_after_its_pause() -> None:
    """One launch decides, not a fleet."""
    [action] = changed(queue=a_queue(5_000), fleet=a_group(0), view=a_view(memory=broken(minutes=6)))

    assert isinstance(action, ScaleOut)
    assert action.desired == 1


def test_broken_template_falls_back_to_the_last_good_version() -> None:
    """Work goes on; the capacity is not lowered on the way."""
    broken_group = {"queue": a_queue(9), "fleet": a_group(1, a_member(lifecycle="Pending"))}

    [action] = changed(**broken_group, view=a_view(memory=broken(good="1")))
    assert isinstance(action, FallBack)
    assert action.version == "1"

    fallen = a_group(0, template_version="1")
    [raised] = changed(queue=a_queue(9), fleet=fallen, view=a_view(memory=broken(good="1")))
    assert isinstance(raised, ScaleOut)


def test_broken_template_is_left_as_it_is_under_blind() -> None:
    """Neither fall-back nor lowering from half a picture; nor is it launched."""
    blind = {"queue": BLIND, "gaps": 9, "fleet": a_group(1)}

    assert changed(**blind, view=a_view(memory=broken(good="1"))) == []


def test_third_boot_that_fails_opens_the_breaker_in_the_same_cycle() -> None:
    """Evidence counts when it is read, not a cycle later."""
    boots = tuple(
        Boot(
            instance_id=f"i-{number}",
            started_at=ago(120 - number),
            stage=BootStage.VERIFYING,
            at=ago(60 - number),
            error="no weights",
        )
        for number in range(3)
    )
    view = a_view(boots=Reading(value=boots, at=NOON))

    failing = {"queue": a_queue(9), "fleet": a_group(1), "view": view}

    assert kinds(changed(**failing)) == [ScaleIn]
    assert [len(each.after.marks) for each in planned(**failing) if isinstance(each, LearnCapacity)] == [3]


# --- properties ---------------------------------------------------------------------------------------

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
