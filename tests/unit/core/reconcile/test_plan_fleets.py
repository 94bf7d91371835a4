"""Plans with an extra fleet: its own queue and rows decide about it, by the rules of the usual one."""

from dataclasses import replace
from datetime import timedelta

from parjanya_dagster.core.ports import EmptyReadings
from parjanya_dagster.core.reconcile.actions import (
    EmitIntent,
    LearnCapacity,
    Quarantine,
    RememberEmptyReadings,
    ReportBlind,
    ScaleIn,
    ScaleOut,
)
from parjanya_dagster.core.reconcile.capacity_view import CapacityView
from parjanya_dagster.core.reconcile.lanes import regrade_rooms
from parjanya_dagster.core.reconcile.plan import QUEUES, fleet_reading
from parjanya_dagster.core.truth.row import Lane
from tests.builders import NOON, a_fleet, a_queue, a_row, a_snapshot
from tests.unit.core.reconcile.planning import (
    BLIND,
    CAPACITY,
    LARGE,
    LIMITS,
    OLD,
    a_large_fleet,
    kinds,
    planned,
    quiet,
    sent,
)


def test_row_of_an_extra_fleet_wakes_that_fleet_alone() -> None:
    """The usual fleet has nothing to do with an image that was sent to another."""
    emission, scale_out = planned(a_snapshot(a_row(due_at=OLD, fleet=LARGE), others=a_large_fleet()))

    assert isinstance(emission, EmitIntent)
    assert isinstance(scale_out, ScaleOut)
    assert (scale_out.fleet, scale_out.desired) == (LARGE, 1)


def test_row_of_a_fleet_that_is_no_more_is_the_usual_ones() -> None:
    """An image whose fleet was taken down is better scored by the usual one than by nobody."""
    _, scale_out = planned(a_snapshot(a_row(due_at=OLD, fleet="gone"), others=a_large_fleet()))

    assert isinstance(scale_out, ScaleOut)
    assert scale_out.fleet is None


def test_row_that_is_set_aside_wakes_nobody() -> None:
    """It has brought nothing often enough."""
    actions = planned(a_snapshot(a_row(due_at=OLD, fleet=LARGE, emissions=5), others=a_large_fleet()))

    assert kinds(actions) == [Quarantine]


def test_idle_extra_fleet_is_lowered_after_two_readings_of_its_own() -> None:
    """What waits on the usual queue keeps no instance of another fleet awake, nor the other way round."""
    busy, idle = a_queue(visible=50), a_fleet(1)
    run = EmptyReadings(since=NOON - timedelta(seconds=60), last_read_at=NOON - timedelta(seconds=5))
    first = planned(a_snapshot(queue=busy, fleet=a_fleet(1), others=a_large_fleet(fleet=idle)))
    second = planned(
        a_snapshot(
            queue=busy, fleet=a_fleet(1), others=a_large_fleet(fleet=idle, view=CapacityView(quiet=run))
        )
    )

    [remembered] = first
    assert isinstance(remembered, RememberEmptyReadings)
    assert remembered.signal == f"demand@{LARGE}"
    [lowered] = [each for each in second if isinstance(each, ScaleIn)]
    assert (lowered.fleet, lowered.desired) == (LARGE, 0)


def test_what_is_learned_of_an_extra_fleet_is_said_to_be_its() -> None:
    """A gap between two demands of one fleet tells nothing of another."""
    run = EmptyReadings(since=NOON - timedelta(minutes=10), last_read_at=NOON - timedelta(seconds=5))
    others = a_large_fleet(a_queue(visible=1), a_fleet(1), CapacityView(quiet=run))

    learned = [each for each in planned(a_snapshot(others=others)) if isinstance(each, LearnCapacity)]

    assert [(each.fleet, each.after.gaps_s) for each in learned] == [(LARGE, (600.0,))]


def test_blind_extra_fleet_is_named_and_neither_lowered_nor_in_the_usual_ones_way() -> None:
    """Blind is never zero, and it is of one fleet."""
    run = CapacityView(quiet=quiet(timedelta(seconds=60)))
    blind = a_large_fleet(BLIND, a_fleet(1), run)

    actions = planned(a_snapshot(fleet=a_fleet(1), view=run, others=blind))

    [report] = [each for each in actions if isinstance(each, ReportBlind)]
    assert (report.blind.signal, report.fleet) == ("intents of fleet large", LARGE)
    assert [each.fleet for each in actions if isinstance(each, ScaleIn)] == [None]
    assert not a_snapshot(others=blind).is_sighted
    [of_group] = planned(a_snapshot(others=a_large_fleet(fleet=BLIND)))
    assert isinstance(of_group, ReportBlind)
    assert of_group.fleet == LARGE


def test_old_reading_of_an_extra_fleet_is_blind() -> None:
    """Planned an hour later, nothing follows from it."""
    stale = a_snapshot(others=a_large_fleet()).as_of(NOON + timedelta(hours=1), life=LIMITS.reading_life)

    assert stale.others[LARGE].queue != a_queue()
    assert not stale.is_sighted


def test_empty_readings_are_of_all_queues_together() -> None:
    """A job may lie on any of them."""
    run = quiet(timedelta(seconds=60), timedelta(seconds=45))
    state = a_snapshot(outstanding=(sent(fleet=LARGE),), empty_queues=run)

    def memories(snapshot_queue: object) -> list[object]:
        others = a_large_fleet(snapshot_queue)  # type: ignore[arg-type]  # any of the signals below
        return [
            each.run
            for each in planned(replace(state, others=others))
            if isinstance(each, RememberEmptyReadings) and each.signal == QUEUES
        ]

    assert memories(a_queue()) == [EmptyReadings(since=run.since, last_read_at=NOON)]
    assert memories(a_queue(in_flight=1)) == [None]
    assert memories(BLIND) == []


def test_regrades_fill_each_fleets_queue_as_far_as_it_has_room() -> None:
    """A queue of a fleet that is full keeps its rows in the gap, and no other fleet's."""
    full = a_large_fleet(a_queue(visible=9_999))
    rows = [
        a_row(number, due_at=OLD, lane=Lane.REGRADE, fleet=LARGE if number % 2 else None)
        for number in range(1, 7)
    ]
    snapshot = a_snapshot(*rows, others=full)

    emitted = [each.row.fleet for each in planned(snapshot) if isinstance(each, EmitIntent)]

    assert emitted == [None] * 3
    rooms = regrade_rooms(snapshot.sights, {None: CAPACITY, LARGE: CAPACITY}, limits=LIMITS)
    assert rooms == {None: 600, LARGE: 0}


def test_open_steps_are_demand_of_the_usual_fleet() -> None:
    """Dagster's steps never run on another."""
    snapshot = a_snapshot(others=a_large_fleet(), steps=None)

    reading = fleet_reading(snapshot, repairs=(), limits=LIMITS, now=NOON, fleet=LARGE)

    assert (reading.steps, reading.gaps) == (None, 0)
