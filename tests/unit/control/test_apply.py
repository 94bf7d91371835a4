"""Applying: what a failing tenant costs the others, what a cycle leaves for the next, what back-off does."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from parjanya_dagster.control.apply import apply
from parjanya_dagster.control.reconcile import reconcile_rows, reconcile_world
from parjanya_dagster.core.errors import DeniedError, UnavailableError
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.reconcile.actions import (
    AbandonUpload,
    AdoptObject,
    FallBack,
    LookOnFrom,
    Quarantine,
    Revalidate,
    ScaleOut,
    Terminate,
)
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NAMES, NOON, a_key, a_result, a_row, an_original


def the_row(world: FakePlatform, key: ImageKey | None = None) -> ImageRow:
    """Return a row as it is now."""
    row = world.images.get(key or a_key())
    assert row is not None
    return row


def test_row_whose_job_is_refused_waits_longer_each_time_and_alone() -> None:
    """A refused row never fills a bounded read; its wait ends the moment a job is taken."""
    world = a_fake_platform()
    world.images.add(a_row(1), a_row(2, tenant_id="zeta"))
    world.queue.refused_image_ids.add(a_key().image_id)
    platform = world.platform()
    world.clock.advance(minutes=1)
    waits = []
    for _ in range(3):
        reconcile_world(platform)
        row = the_row(world)
        assert row.due_at is not None
        waits.append(row.due_at - world.clock())
        world.clock.now = row.due_at + timedelta(seconds=31)

    assert waits == [timedelta(seconds=30), timedelta(seconds=60), timedelta(seconds=120)]
    assert the_row(world, a_key(2, tenant_id="zeta")).has_outstanding_intent
    world.queue.refused_image_ids.clear()
    reconcile_world(platform)
    assert the_row(world).has_outstanding_intent
    assert the_row(world).postponed == 0


def test_queue_that_does_not_answer_moves_no_row() -> None:
    """An outage is no row's fault: one call is tried, and the next cycle finds everything as it was."""
    world = a_fake_platform()
    rows = [a_row(number) for number in range(150)]
    world.images.add(*rows)
    world.clock.advance(minutes=1)
    world.calls.fail("queue.send", UnavailableError("no answer"), times=9)

    cycle = reconcile_world(world.platform())

    assert cycle.applied is not None
    assert cycle.applied.faults == ["EmitIntent: no answer"]
    assert world.calls.count("queue.send") == 1
    assert {row.due_at for row in world.images.rows.values()} == {NOON}


def test_table_that_does_not_take_a_stamp_ends_the_emission() -> None:
    """At most one slice of jobs is sent twice, and none is lost."""
    world = a_fake_platform()
    world.images.add(*(a_row(number) for number in range(150)))
    world.clock.advance(minutes=1)
    world.calls.fail("images.write", UnavailableError("throttled"))

    reconcile_world(world.platform())
    assert len(world.queue.jobs) == 100
    reconcile_world(world.platform())

    sent = Counter(job.image_id for job in world.queue.jobs)
    assert len(sent) == 150
    assert set(sent.values()) == {1, 2}


def test_tenant_whose_bucket_fails_backs_off_alone() -> None:
    """The first failure of a bucket spares its tenant's other rows a call each; other tenants go on."""
    world = a_fake_platform()
    stuck = [a_row(n, status=Status.PENDING_VALIDATION, due_at=NOON) for n in range(3)]
    other = a_row(9, tenant_id="zeta", status=Status.PENDING_VALIDATION, due_at=NOON)
    assert other.original is not None
    world.objects.add(other.original.bucket, other.original.key, b"image")
    world.images.add(*stuck, replace(other, original=an_original(other.key, version_id="version-1")))
    world.clock.advance(minutes=1)
    world.calls.fail("objects.get", DeniedError("AccessDenied"))

    cycle = reconcile_world(world.platform())

    assert cycle.applied is not None
    assert cycle.applied.faults == ["Revalidate: AccessDenied"]
    assert cycle.applied.counts["postpone"] == 3
    assert world.calls.count("objects.get") == 2
    assert the_row(world, other.key).status is Status.PENDING_VLM_ENRICHMENT
    assert {(row.attempts, row.postponed) for row in (the_row(world, each.key) for each in stuck)} == {(0, 1)}


def test_upload_whose_key_cannot_be_looked_for_is_not_given_up() -> None:
    """Blind is never absence: an upload fails only when its object was seen to be missing."""
    world = a_fake_platform()
    world.images.add(a_row(status=Status.PENDING_UPLOAD, due_at=NOON))
    world.clock.advance(minutes=1)
    world.calls.fail("objects.head", DeniedError("AccessDenied"))

    reconcile_world(world.platform())

    row = the_row(world)
    assert (row.status, row.postponed) == (Status.PENDING_UPLOAD, 1)
    assert row.due_at == world.clock() + timedelta(seconds=30)


def test_look_does_not_move_on_where_an_adoption_failed() -> None:
    """The page is looked at again: what could not be adopted is not behind us."""
    world = a_fake_platform()
    info = world.objects.add(
        NAMES.uploads_bucket("acme"), original_key(a_key().image_id, "photo.jpg"), b"image"
    )
    world.calls.fail("objects.head", UnavailableError("no answer"))
    look = LookOnFrom(tenant_id="acme", from_id=a_key().image_id)

    applied = apply(world.platform(), [AdoptObject(key=a_key(), info=info), look])

    assert applied.faults == ["AdoptObject: no answer"]
    assert world.records.get(RecordKind.ARRIVALS, "acme") is None


def test_actions_beyond_the_deadline_are_left_except_those_that_cost_one_call() -> None:
    """A cycle whose time is up still asks for the capacity its jobs need."""
    world = a_fake_platform()
    rows = [a_row(number) for number in range(3)]
    world.images.add(*rows)
    cycle = reconcile_world(replace(world.platform(), plane="cli"), dry_run=True)
    assert not cycle.actions
    world.clock.advance(minutes=1)
    planned = reconcile_world(world.platform(), dry_run=True).actions

    slow = AbandonUpload(row=a_row(9, status=Status.PENDING_UPLOAD))
    applied = apply(world.platform(), [*planned, slow], deadline=world.clock())

    assert any(isinstance(action, ScaleOut) for action in planned)
    assert applied.left == 4
    assert world.queue.jobs == []
    assert world.fleet.desired == 1


def test_slice_that_has_begun_is_finished_and_the_next_is_left() -> None:
    """Jobs that were sent are stamped, however late it is."""
    world = a_fake_platform()
    world.images.add(*(a_row(number) for number in range(250)))
    world.clock.advance(minutes=1)
    planned = reconcile_world(world.platform(), dry_run=True).actions
    ticking = replace(world.platform(), clock=lambda: world.clock.advance(seconds=1))

    applied = apply(ticking, planned, deadline=world.clock() + timedelta(seconds=3))

    assert applied.left == 150
    assert len(world.queue.jobs) == 100
    assert sum(row.has_outstanding_intent for row in world.images.rows.values()) == 100


def test_quarantine_ends_the_wait_for_the_last_job_too() -> None:
    """A row in quarantine is in no index: neither as a gap nor as a job that is out."""
    world = a_fake_platform()
    row = a_row(intent_at=NOON, intent_id="i", emissions=5)
    world.images.add(row)

    apply(world.platform(), [Quarantine(row=row, reason="five jobs brought nothing")])

    kept = the_row(world)
    assert (kept.quarantined, kept.has_outstanding_intent, kept.is_gap) == (True, False, False)
    assert kept.last_error == "quarantined: five jobs brought nothing"


def test_actions_on_a_row_that_moved_on_change_nothing() -> None:
    """Whoever was faster is right: every write is conditional on the row it was planned from."""
    world = a_fake_platform()
    stale = a_row()
    world.images.add(a_row(status=Status.ENRICHED))

    applied = apply(world.platform(), [Quarantine(row=stale, reason="too late")])

    assert the_row(world).status is Status.ENRICHED
    assert not +applied.counts


def test_rows_that_contradict_themselves_are_put_right() -> None:
    """Stale derived state leaves the indexes, and an answerless row is asked again."""
    world = a_fake_platform()
    tidied = a_row(1, status=Status.ENRICHED, intent_at=NOON, intent_id="i", due_at=NOON)
    held = a_row(2, quarantined=True, intent_at=NOON, intent_id="i")
    empty = a_row(3, status=Status.ENRICHED, decision=None)
    world.images.add(tidied, held, empty)

    cycle = reconcile_rows(world.platform(), [tidied.key, held.key, empty.key])

    assert cycle.applied is not None
    assert +cycle.applied.counts == {"tidy": 2, "replay": 1}
    done, waits = the_row(world, tidied.key), the_row(world, held.key)
    assert (done.due_at, done.intent_at, done.intent_id) == (None, None, None)
    assert (waits.due_at, waits.intent_at, waits.intent_id) == (NOON, None, None)
    assert (the_row(world, empty.key).generation, the_row(world, empty.key).is_gap) == (2, True)


def test_lost_job_whose_answers_exist_is_finished_without_another_job() -> None:
    """A worker died between result and head, then the queue was purged: nobody need score again."""
    world = a_fake_platform()
    row = a_row(intent_at=NOON, intent_id="i", emissions=1)
    world.images.add(row)
    world.images.put_result(row.key, a_result("0-old", generation=0))
    world.images.put_result(row.key, a_result())
    for _ in range(14):
        world.clock.advance(seconds=10)
        reconcile_world(world.platform())

    assert the_row(world).status is Status.ENRICHED
    assert the_row(world).result_id == a_result().result_id
    assert world.queue.jobs == []


def test_capacity_actions_are_carried_out_by_capacity_and_counted_if_they_changed_anything() -> None:
    """One place decides who may lower the fleet."""
    world = a_fake_platform()
    world.fleet.set_desired(1)

    applied = apply(
        world.platform(),
        [Terminate(instance_id="i-gone", reason="no pulse"), FallBack(version="1", reason="boots fail")],
    )

    assert applied.counts["terminate"] == 0
    assert applied.counts["fall_back"] == 1


def test_faults_of_a_bucket_in_another_cycle_do_not_count_in_this_one() -> None:
    """Trouble is remembered by the row's date, not by the process."""
    world = a_fake_platform()
    row = a_row(status=Status.PENDING_UPLOAD, due_at=NOON)
    world.images.add(row)
    world.calls.fail("objects.head", DeniedError("AccessDenied"))
    platform = world.platform()
    apply(platform, [AbandonUpload(row=row)])

    applied = apply(platform, [AbandonUpload(row=row), Revalidate(row=a_row(2))])

    assert applied.counts["upload:abandoned"] == 1
