"""The plan: fairness, lanes, answers that exist, rows that contradict themselves, and stale sight."""

from datetime import timedelta

import pytest

from parjanya_dagster.core.belief.signals import Blind, Reading
from parjanya_dagster.core.reconcile.actions import (
    EmitIntent,
    Finish,
    Replay,
    ReportBlind,
    Revalidate,
    ScaleIn,
    ScaleOut,
    Tidy,
)
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.plan import plan
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status
from tests.builders import NOON, a_fleet, a_queue, a_result, a_row, a_snapshot
from tests.unit.core.reconcile.planning import BLIND, CAPACITY, OLD, calm, kinds, planned, quiet, sent


def test_plan_gives_tenants_turns_within_a_lane() -> None:
    """One tenant's flood delays nobody else: the third of two places goes to whoever had none."""
    flood = [a_row(n, due_at=OLD) for n in range(5)]
    other = a_row(9, tenant_id="zeta", due_at=OLD)

    actions = plan(a_snapshot(*flood, other), limits=Limits(max_actions=2), capacity=CAPACITY, now=NOON)

    assert [a.row.key.tenant_id for a in actions if isinstance(a, EmitIntent)] == ["acme", "zeta"]


def test_regrades_wait_in_the_gap_while_the_queue_is_full() -> None:
    """Ten minutes of regrades at most are queued; fresh uploads go in front of the rest at once."""
    regrades = [a_row(n, lane=Lane.REGRADE, due_at=OLD) for n in range(3)]
    full = a_queue(599)  # one image a second, one instance

    emitted = [
        a.row.key
        for a in planned(a_snapshot(*regrades, a_row(9, due_at=OLD), queue=full))
        if isinstance(a, EmitIntent)
    ]

    assert emitted == [a_row(9).key, a_row(0).key]


def test_regrades_wait_while_the_queue_cannot_be_read_and_fresh_rows_do_not() -> None:
    """What follows from Truth alone goes on under Blind; what needs a count does not."""
    regrade, fresh = a_row(1, lane=Lane.REGRADE, due_at=OLD), a_row(2, due_at=OLD)

    emitted = [
        a.row.lane for a in planned(a_snapshot(regrade, fresh, queue=BLIND)) if isinstance(a, EmitIntent)
    ]

    assert emitted == [Lane.FRESH]


def test_row_whose_answers_exist_is_finished_instead_of_asked_again() -> None:
    """A worker died between result and head, and its message is gone: the GPU has done its work."""
    lost, returned = sent(1), a_row(2, due_at=OLD, emissions=1)
    snapshot = a_snapshot(
        returned,
        outstanding=(lost,),
        empty_queues=quiet(timedelta(seconds=121)),
        results={lost.key: a_result(), returned.key: a_result()},
    )

    assert [a.row.key for a in planned(snapshot) if isinstance(a, Finish)] == [returned.key, lost.key]
    assert EmitIntent not in kinds(planned(snapshot))


def test_result_of_an_older_generation_finishes_nothing() -> None:
    """A replay wants new answers, not those it was asked to replace."""
    row = a_row(due_at=OLD, emissions=1, generation=2)

    assert Finish not in kinds(planned(a_snapshot(row, results={row.key: a_result()})))


@pytest.mark.parametrize(
    "row",
    [
        a_row(status=Status.ENRICHED, intent_at=OLD, intent_id="i"),
        a_row(status=Status.VLM_FAILED, due_at=OLD),
        a_row(status=Status.ERASED, intent_id="i"),
        a_row(status=Status.ENRICHED, quarantined=True),
        a_row(quarantined=True, intent_at=OLD, intent_id="i"),
    ],
)
def test_row_that_waits_no_more_leaves_the_indexes(row: ImageRow) -> None:
    """Stale derived state would fill a bounded read for ever, and hide what does wait."""
    assert planned(a_snapshot(leftovers=(row,))) == [Tidy(row=row)]


@pytest.mark.parametrize(
    "row", [a_row(status=Status.ENRICHED), a_row(quarantined=True, due_at=OLD), a_row(status=Status.ERASED)]
)
def test_row_that_is_as_it_should_be_is_left_alone(row: ImageRow) -> None:
    """An index that lags names rows that are in order."""
    assert planned(a_snapshot(leftovers=(row,))) == []


def test_row_that_is_enriched_without_a_decision_is_replayed() -> None:
    """What it says of itself does not hold, so it is asked again."""
    row = a_row(status=Status.ENRICHED, decision=None)

    assert kinds(planned(a_snapshot(leftovers=(row,)))) == [Replay]


def test_row_in_quarantine_is_not_sent_again_however_quiet_the_queue() -> None:
    """A person has the next word on it."""
    row = sent(quarantined=True)

    assert kinds(planned(a_snapshot(outstanding=(row,), empty_queues=quiet(timedelta(seconds=121))))) == [
        Tidy
    ]


def test_truth_that_cannot_be_read_is_reported_and_never_lowers() -> None:
    """Rows that cannot be read may be waiting."""
    unread = Blind(signal="index gap, lane fresh", reason="Throttled", at=NOON)
    snapshot = a_snapshot(fleet=a_fleet(2), view=calm(timedelta(hours=9)), unread=(unread,))

    actions = planned(snapshot)

    assert ReportBlind(blind=unread) in actions
    assert ScaleIn not in kinds(actions)
    assert not snapshot.is_sighted


def test_reading_that_is_too_old_is_blind() -> None:
    """A stale zero is no zero: nothing is lost because of it, and nothing is lowered."""
    old = NOON - timedelta(seconds=61)
    snapshot = a_snapshot(
        outstanding=(sent(),),
        empty_queues=quiet(timedelta(seconds=121)),
        queue=a_queue(at=old),
        dead_letters=a_queue(at=old),
        fleet=a_fleet(2, at=old),
        steps=Reading(value=0, at=old),
        view=calm(timedelta(hours=9)),
    )

    actions = planned(snapshot)

    assert {type(action) for action in actions} == {ReportBlind}
    blind = {a.blind.signal for a in actions if isinstance(a, ReportBlind)}
    assert blind == {"queue.depth", "queue.dead_letter_depth", "fleet.size", "open steps"}
    assert all("61 s ago" in a.blind.reason for a in actions if isinstance(a, ReportBlind))


def test_what_reads_objects_comes_after_capacity() -> None:
    """A slow bucket keeps no instance from waking."""
    stuck = a_row(1, status=Status.PENDING_VALIDATION, due_at=OLD)

    assert kinds(planned(a_snapshot(stuck, a_row(2, due_at=OLD)))) == [EmitIntent, ScaleOut, Revalidate]
