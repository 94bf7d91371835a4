"""The plan: lost jobs, Blind, capacity, and what is remembered."""

from datetime import timedelta

import pytest

from parjanya_dagster.core.belief.signals import Blind, Reading
from parjanya_dagster.core.ports import EmptyReadings
from parjanya_dagster.core.reconcile.actions import (
    AbandonUpload,
    EmitIntent,
    EmitReason,
    Quarantine,
    RememberEmptyReadings,
    ReportBlind,
    Revalidate,
    ScaleIn,
    ScaleOut,
)
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.plan import plan
from parjanya_dagster.core.truth.row import Lane, Status
from tests.builders import NOON, a_fleet, a_queue, a_row, a_snapshot
from tests.unit.core.reconcile.planning import (
    BLIND,
    CAPACITY,
    OLD,
    a_large_fleet,
    calm,
    kinds,
    planned,
    quiet,
    sent,
)


def test_pending_row_without_intent_gets_one_and_wakes_the_fleet() -> None:
    """Incident 2: an empty queue over a backlog is repaired, not believed."""
    assert kinds(planned(a_snapshot(a_row(due_at=OLD)))) == [EmitIntent, ScaleOut]


def test_young_gap_is_left_to_the_event_path_by_the_sweep() -> None:
    """The sweep never races the stream for a job; the row is demand from its first second all the same."""
    assert kinds(planned(a_snapshot(a_row()))) == [ScaleOut]
    assert kinds(planned(a_snapshot(a_row(), whole=False))) == [EmitIntent, ScaleOut]


def test_row_that_is_not_due_is_left_alone() -> None:
    """Back-off moves the date, and nothing else is needed."""
    later = a_row(due_at=NOON + timedelta(seconds=1))

    assert planned(a_snapshot(later, whole=False)) == []


def test_row_with_outstanding_intent_is_no_gap() -> None:
    """Applied to the world it produced, a plan plans nothing."""
    assert planned(a_snapshot(sent(), whole=False)) == []


def test_rows_stuck_before_scoring_get_their_own_repair() -> None:
    """Each unsettled status has one repair."""
    stuck = a_row(1, status=Status.PENDING_VALIDATION, due_at=OLD)
    missing = a_row(2, status=Status.PENDING_UPLOAD, due_at=OLD)

    assert kinds(planned(a_snapshot(stuck, missing))) == [Revalidate, AbandonUpload]


def test_fresh_rows_are_served_before_regrades() -> None:
    """A policy change never starves today's uploads."""
    regrade = a_row(1, lane=Lane.REGRADE, due_at=OLD)
    fresh = a_row(2, due_at=OLD)

    emitted = [a.row.lane for a in planned(a_snapshot(regrade, fresh)) if isinstance(a, EmitIntent)]

    assert emitted == [Lane.FRESH, Lane.REGRADE]


def test_job_is_lost_once_both_queues_read_empty_for_two_minutes() -> None:
    """A purged queue is noticed within minutes (DESIGN section 4, lost intent)."""
    snapshot = a_snapshot(outstanding=(sent(),), empty_queues=quiet(timedelta(seconds=121)))

    [emission, *_] = planned(snapshot)

    assert isinstance(emission, EmitIntent)
    assert emission.reason is EmitReason.QUEUE_LOST


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("quiet for too short a time", {"empty_queues": quiet(timedelta(seconds=100))}),
        ("nobody looked in between", {"empty_queues": quiet(timedelta(minutes=9), timedelta(minutes=3))}),
        ("never read empty", {"empty_queues": None}),
        ("a deep backlog", {"queue": a_queue(visible=3)}),
        ("in flight counts", {"queue": a_queue(in_flight=1)}),
        ("delayed counts", {"queue": a_queue(delayed=1)}),
        ("dead letters hold it", {"dead_letters": a_queue(visible=1)}),
        ("the queue is unreadable", {"queue": BLIND}),
        ("the dead letters are unreadable", {"dead_letters": BLIND}),
        ("another fleet's queue holds it", {"others": a_large_fleet(a_queue(visible=1))}),
        ("another fleet's queue is unreadable", {"others": a_large_fleet(BLIND)}),
    ],
)
def test_job_is_not_lost_while(why: str, changes: dict[str, object]) -> None:
    """A deep backlog is never re-emitted, and Blind is never zero."""
    state: dict[str, object] = {"outstanding": (sent(),), "empty_queues": quiet(timedelta(seconds=121))}

    actions = planned(a_snapshot(**(state | changes)))

    assert not [a for a in actions if isinstance(a, EmitIntent)], why


def test_job_sent_after_the_queue_went_quiet_is_not_lost() -> None:
    """Only what had its own two minutes can be gone: counts lag behind what was just sent."""
    recent = sent(ago=timedelta(seconds=60))

    assert kinds(planned(a_snapshot(outstanding=(recent,), empty_queues=quiet(timedelta(seconds=121))))) == []


@pytest.mark.parametrize("ago_s", [129, 127, 111])
def test_job_is_lost_once_the_queues_read_empty_for_two_minutes_after_it_was_sent(ago_s: int) -> None:
    """A queue purged seconds after a send: part of the jobs was sent again, the rest waited behind them."""
    recent = sent(ago=timedelta(seconds=ago_s))

    [emission, *_] = planned(a_snapshot(outstanding=(recent,), empty_queues=quiet(timedelta(seconds=128))))

    assert isinstance(emission, EmitIntent)


def test_job_beyond_retention_is_lost_even_when_blind() -> None:
    """What SQS has forgotten by contract is lost whatever the queue says."""
    ancient = sent(ago=timedelta(days=7))

    actions = planned(a_snapshot(outstanding=(ancient,), queue=BLIND, dead_letters=BLIND))

    assert [a.reason for a in actions if isinstance(a, EmitIntent)] == [EmitReason.BEYOND_RETENTION]
    assert kinds(actions).count(ReportBlind) == 2


def test_outstanding_hint_that_is_no_longer_outstanding_is_ignored() -> None:
    """Indexes lag: a row that was settled meanwhile is not asked for again."""
    done = a_row(status=Status.ENRICHED)

    assert planned(a_snapshot(outstanding=(done,), empty_queues=quiet(timedelta(seconds=121)))) == []


def test_fifth_emission_that_brought_nothing_quarantines() -> None:
    """One poisonous row cannot keep a GPU awake for ever."""
    assert Quarantine in kinds(planned(a_snapshot(a_row(due_at=OLD, emissions=5))))


def test_plan_is_bounded() -> None:
    """A cycle ends, however deep the trouble."""
    rows = [a_row(n, due_at=OLD) for n in range(5)]

    actions = plan(a_snapshot(*rows), limits=Limits(max_actions=2), capacity=CAPACITY, now=NOON)

    assert kinds(actions) == [EmitIntent, EmitIntent, ScaleOut]


def test_blind_queue_is_reported_and_never_scales_in() -> None:
    """KEDA issue 8036: a failed metric read taken as zero scaled to zero."""
    snapshot = a_snapshot(queue=BLIND, fleet=a_fleet(2), view=calm(timedelta(minutes=9)))

    assert kinds(planned(snapshot)) == [ReportBlind]


def test_blind_fleet_is_reported() -> None:
    """Capacity is never set from what cannot be seen."""
    actions = planned(a_snapshot(a_row(due_at=OLD), fleet=Blind(signal="fleet", reason="Denied", at=NOON)))

    assert kinds(actions) == [EmitIntent, ReportBlind]


def test_scale_in_needs_two_readings() -> None:
    """One reading of zero is a hint, two are a fact."""
    first = planned(a_snapshot(fleet=a_fleet(1)))
    assert kinds(first) == [RememberEmptyReadings]

    second = planned(a_snapshot(fleet=a_fleet(1), view=calm(timedelta(seconds=5))))
    assert kinds(second) == [ScaleIn]


@pytest.mark.parametrize(
    "changes",
    [
        {"queue": a_queue(in_flight=1)},
        {"steps": Reading(value=1, at=NOON)},
        {"steps": BLIND},
        {"gaps": (a_row(due_at=NOON),)},
    ],
)
def test_demand_of_any_kind_forbids_scale_in(changes: dict[str, object]) -> None:
    """SkyPilot PR 9927: demand that counted one kind only scaled to zero with a backlog."""
    snapshot = a_snapshot(**({"fleet": a_fleet(1), "view": calm(timedelta(minutes=1))} | changes))

    actions = planned(snapshot)

    assert ScaleIn not in kinds(actions)
    assert RememberEmptyReadings(signal="demand", run=None) in actions


def test_event_path_never_scales_in() -> None:
    """A partial look at the world lowers nothing."""
    snapshot = a_snapshot(fleet=a_fleet(1), view=calm(timedelta(minutes=1)), whole=False)

    assert planned(snapshot) == []


def test_idle_system_plans_nothing_and_writes_nothing() -> None:
    """Further cycles over a finished world write nothing."""
    assert planned(a_snapshot()) == []


def test_memory_of_quiet_queues_is_refreshed_not_restarted() -> None:
    """A run of empty readings keeps its beginning."""
    run = quiet(timedelta(seconds=60), timedelta(seconds=30))

    [action] = planned(a_snapshot(outstanding=(sent(),), empty_queues=run))

    assert action == RememberEmptyReadings(
        signal="queues", run=EmptyReadings(since=run.since, last_read_at=NOON)
    )


def test_memory_of_quiet_queues_when_limits_are_short_is_refreshed_before_its_gap_ends() -> None:
    """A run that is read often enough never ends for want of being written."""
    limits = Limits(
        queue_quiet=timedelta(seconds=8),
        reading_gap=timedelta(seconds=6),
        queue_settling=timedelta(seconds=2),
    )
    run = quiet(timedelta(seconds=4), timedelta(seconds=2))

    [action] = plan(
        a_snapshot(outstanding=(sent(),), empty_queues=run), limits=limits, capacity=CAPACITY, now=NOON
    )

    assert isinstance(action, RememberEmptyReadings)
    assert action.run == EmptyReadings(since=run.since, last_read_at=NOON)


def test_memory_of_quiet_queues_is_forgotten_when_they_fill() -> None:
    """A queue that shows a message again has not been empty throughout."""
    actions = planned(
        a_snapshot(
            outstanding=(sent(),),
            empty_queues=quiet(timedelta(seconds=60)),
            queue=a_queue(1),
            fleet=a_fleet(1),
        )
    )

    assert actions == [RememberEmptyReadings(signal="queues", run=None)]
