"""Counters of the backlog: fed by the stream, corrected by the audit, believed only where Truth is far."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.control.counters import Change, backlog, correct, counts, note_changes
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.row import Lane, Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import a_key, a_row

SCORING = Status.PENDING_VLM_ENRICHMENT


def entered(number: int, status: Status = SCORING, *, tenant_id: str = "acme") -> Change:
    """Return the change of a new row."""
    return Change(key=a_key(number, tenant_id=tenant_id), before=None, after=status)


def said(world: FakePlatform, tenant_id: str = "acme") -> Counter[str]:
    """Return what the counters say of a tenant, without zeros."""
    return +counts(world.platform()).get(tenant_id, Counter())


@given(st.lists(st.lists(st.sampled_from([None, *Status]), min_size=2, max_size=6), max_size=8))
def test_counters_say_what_every_head_ended_as(lives: list[list[Status | None]]) -> None:
    """Whatever the order of images, each that waits is counted once, under its status."""
    world = a_fake_platform()
    for number, life in enumerate(lives):
        steps = zip([None, *life], life, strict=False)
        note_changes(
            world.platform(), [Change(key=a_key(number), before=old, after=new) for old, new in steps]
        )

    ends = [life[-1] for life in lives]
    assert said(world) == Counter(each.value for each in ends if each and not each.is_settled)


def test_change_that_means_nothing_to_the_backlog_costs_no_write() -> None:
    """Stamps, back-off and settled rows are most of a stream."""
    world = a_fake_platform()
    same = Change(key=a_key(), before=SCORING, after=SCORING)
    settled = Change(key=a_key(), before=Status.ENRICHED, after=Status.VLM_FAILED)

    note_changes(world.platform(), [same, settled, entered(2, Status.REJECTED_TECHNICAL)])

    assert not world.calls.writes


def test_backlog_that_one_look_sees_whole_is_what_the_indexes_show() -> None:
    """Drift never starts a run for nothing, nor leaves a small backlog unseen when the stream is silent."""
    world = a_fake_platform()
    world.images.add(
        a_row(1), a_row(2, tenant_id="zeta", lane=Lane.REGRADE), a_row(3, status=Status.ENRICHED)
    )
    note_changes(world.platform(), [entered(9, tenant_id="ghost")])

    assert backlog(world.platform()) == {"acme": 1, "zeta": 1}


def test_backlog_beyond_one_look_is_counted_and_costs_the_same() -> None:
    """A million rows are one number: the reads do not grow with them."""
    world = a_fake_platform()
    world.images.add(*(a_row(number) for number in range(600)))
    note_changes(world.platform(), [entered(number) for number in range(600)])
    note_changes(world.platform(), [entered(number, tenant_id="zeta") for number in range(7)])
    world.calls.clear()

    assert backlog(world.platform()) == {"acme": 600, "zeta": 7}
    assert world.calls.names == ["images.outstanding", "images.due_gaps", "images.due_gaps", "records.newest"]


def test_backlog_beyond_one_look_is_never_less_than_what_was_seen() -> None:
    """Counters that missed records say too little; what the indexes show is there."""
    world = a_fake_platform()
    world.images.add(*(a_row(number) for number in range(600)))
    note_changes(world.platform(), [entered(number, tenant_id="zeta") for number in range(3)])

    assert backlog(world.platform()) == {"acme": 500, "zeta": 3}


def test_correction_makes_the_counters_say_what_was_found() -> None:
    """The audit's count wins, what was wrong is told, and what the stream adds meanwhile is kept."""
    world = a_fake_platform()
    platform = world.platform()
    note_changes(platform, [entered(number) for number in range(5)])
    note_changes(platform, [entered(9, Status.PENDING_UPLOAD)])

    drift = correct(platform, "acme", {SCORING: 7, Status.PENDING_VALIDATION: 1})
    note_changes(platform, [entered(10)])

    assert drift == {SCORING.value: 2, "pending_validation": 1, "pending_upload": -1}
    assert said(world) == {SCORING.value: 8, "pending_validation": 1}


def test_correction_of_what_is_right_writes_nothing() -> None:
    """A nightly audit over a platform without drift leaves no trace."""
    world = a_fake_platform()
    note_changes(world.platform(), [entered(1)])
    world.calls.clear()

    assert correct(world.platform(), "acme", {SCORING: 1}) == {}
    assert not world.calls.writes
    assert world.records.newest(RecordKind.BACKLOG, limit=9)
