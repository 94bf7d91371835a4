"""Reconciliation over fakes: observe, plan, apply, heartbeat."""

import contextlib
from datetime import timedelta

from parjanya_dagster.control.reconcile import reconcile_rows, reconcile_world
from parjanya_dagster.core.errors import DeniedError, UnavailableError
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import NOON, a_key, a_row, an_original


def test_reconcile_of_a_changed_row_sends_then_stamps() -> None:
    """Incident 1: the job is on the queue before the row says so."""
    world = a_fake_platform()
    world.images.add(a_row())

    reconcile_rows(world.platform(), [a_key()])

    row = world.images.get(a_key())
    assert row is not None
    assert row.has_outstanding_intent
    assert [job.intent_id for job in world.queue.jobs] == [row.intent_id]
    writes = world.calls.writes
    assert writes.index("queue.send") < writes.index("images.write")
    assert world.fleet.desired == 1


def test_reconcile_again_does_nothing() -> None:
    """Idempotent: applied to the world it produced, it plans nothing."""
    world = a_fake_platform()
    world.images.add(a_row())
    platform = world.platform()
    reconcile_rows(platform, [a_key()])
    world.calls.clear()

    cycle = reconcile_rows(platform, [a_key()])

    assert not cycle.actions
    assert not world.calls.writes


def test_reconcile_after_a_crash_between_send_and_stamp_sends_again() -> None:
    """A crash in between duplicates work and never loses it."""
    world = a_fake_platform()
    world.images.add(a_row())
    platform = world.platform()
    world.calls.fail("images.write", KeyboardInterrupt(), times=1)
    with contextlib.suppress(KeyboardInterrupt):
        reconcile_rows(platform, [a_key()])

    reconcile_rows(platform, [a_key()])

    assert len(world.queue.jobs) == 2


def test_reconcile_when_the_queue_refuses_leaves_the_gap() -> None:
    """A row is never stamped for a job that was not sent."""
    world = a_fake_platform()
    world.images.add(a_row())
    world.calls.fail("queue.send", UnavailableError("throttled"))

    cycle = reconcile_rows(world.platform(), [a_key()])

    row = world.images.get(a_key())
    assert row is not None
    assert row.is_gap
    assert cycle.applied is not None
    assert any("throttled" in fault for fault in cycle.applied.faults)


def test_reconcile_of_a_row_in_a_foreign_bucket_quarantines_it_by_name() -> None:
    """Incident 4: the wrong bucket is refused at construction, and named on the row."""
    world = a_fake_platform()
    world.images.add(a_row(original=an_original(bucket="somebody-elses")))

    reconcile_rows(world.platform(), [a_key()])

    row = world.images.get(a_key())
    assert row is not None
    assert row.quarantined
    assert "somebody-elses" in (row.last_error or "")
    assert not world.queue.jobs


def test_sweep_finds_a_gap_the_stream_never_told_of() -> None:
    """Incident 2: a silent stream is repaired by the sweep."""
    world = a_fake_platform()
    world.images.add(a_row())
    world.clock.advance(minutes=1)

    reconcile_world(world.platform())

    assert len(world.queue.jobs) == 1
    assert world.control.heartbeats() == {"lambda": NOON + timedelta(minutes=1)}


def test_sweep_that_could_not_read_the_queue_does_not_beat() -> None:
    """The worst failure is a blind control plane that looks alive."""
    world = a_fake_platform()
    world.calls.fail("queue.depth", DeniedError("AccessDenied"))

    cycle = reconcile_world(world.platform())

    assert world.control.heartbeats() == {}
    assert cycle.applied is not None
    assert cycle.applied.blind


def test_dry_run_changes_nothing() -> None:
    """A dry run is a plan that is not applied."""
    world = a_fake_platform()
    world.images.add(a_row())
    world.clock.advance(minutes=1)

    cycle = reconcile_world(world.platform(), dry_run=True)

    assert cycle.actions
    assert not world.calls.writes


def test_purged_queue_is_noticed_and_every_job_sent_again() -> None:
    """200 messages are purged: re-emission starts within three minutes."""
    world = a_fake_platform()
    world.images.add(*(a_row(n) for n in range(200)))
    platform = world.platform()
    reconcile_rows(platform, [a_key(n) for n in range(200)])
    assert len(world.queue.jobs) == 200
    world.queue.purge()

    for _ in range(18):
        world.clock.advance(seconds=10)
        reconcile_world(platform)

    assert len(world.queue.jobs) == 200


def test_fleet_returns_to_zero_after_the_last_verdict() -> None:
    """Scale to zero: two readings without demand, and one later upload wakes it."""
    world = a_fake_platform()
    world.images.add(a_row(status=Status.ENRICHED))
    world.fleet.set_desired(2)
    platform = world.platform()

    for _ in range(2):
        world.clock.advance(seconds=10)
        reconcile_world(platform)
    assert world.fleet.desired == 0

    world.images.add(a_row(2))
    reconcile_rows(platform, [a_key(2)])
    assert world.fleet.desired == 1


def test_scale_in_is_left_to_the_lease_holder() -> None:
    """Any plane may raise the capacity; one at a time lowers it."""
    world = a_fake_platform()
    world.fleet.set_desired(1)
    platform = world.platform()
    world.clock.advance(seconds=10)
    reconcile_world(platform)
    world.clock.advance(seconds=10)
    assert world.control.take_lease("capacity", "dagster", now=world.clock(), duration_s=60)

    reconcile_world(platform)

    assert world.fleet.desired == 1


def test_stuck_validation_is_ingested_again() -> None:
    """A row whose Lambda died is not lost."""
    world = a_fake_platform()
    row = a_row(status=Status.PENDING_VALIDATION)
    assert row.original is not None
    info = world.objects.add(row.original.bucket, row.original.key, b"image")
    world.images.add(
        a_row(status=Status.PENDING_VALIDATION, original=an_original(version_id=info.version_id))
    )
    world.clock.advance(minutes=4)

    reconcile_world(world.platform())

    after = world.images.get(a_key())
    assert after is not None
    assert after.status in (Status.PENDING_VLM_ENRICHMENT, Status.REJECTED_TECHNICAL)


def test_abandoned_upload_is_closed_unless_its_object_came() -> None:
    """Geolens PR 1401: a late PUT becomes a row, an absent one a failure."""
    world = a_fake_platform()
    without, late = a_row(1, status=Status.PENDING_UPLOAD), a_row(2, status=Status.PENDING_UPLOAD)
    assert late.original is not None
    world.objects.add(late.original.bucket, late.original.key, b"image")
    for row in (without, late):
        assert row.original is not None
        world.images.add(
            a_row(
                key=row.key,
                status=Status.PENDING_UPLOAD,
                due_at=NOON,
                original=an_original(row.key, version_id=None),
            )
        )
    world.clock.advance(hours=2)

    reconcile_world(world.platform())

    first, second = world.images.get(a_key(1)), world.images.get(a_key(2))
    assert first is not None
    assert second is not None
    assert first.status is Status.UPLOAD_FAILED
    assert second.status is not Status.PENDING_UPLOAD


def test_row_without_outcome_after_five_jobs_is_quarantined() -> None:
    """The fifth re-emission of one generation ends the loop."""
    world = a_fake_platform()
    world.images.add(a_row(emissions=5))
    world.clock.advance(minutes=1)

    reconcile_world(world.platform())

    row = world.images.get(a_key())
    assert row is not None
    assert row.quarantined


def test_fault_of_one_action_stops_no_other() -> None:
    """A failing repair of one row leaves the others to be repaired."""
    world = a_fake_platform()
    world.images.add(a_row(1, status=Status.PENDING_UPLOAD, due_at=NOON), a_row(2))
    world.clock.advance(minutes=1)
    world.calls.fail("objects.head", UnavailableError("S3 is slow"))

    cycle = reconcile_world(world.platform())

    assert len(world.queue.jobs) == 1
    assert cycle.applied is not None
    assert any("S3 is slow" in fault for fault in cycle.applied.faults)
