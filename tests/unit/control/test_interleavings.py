"""Planes, workers and people at the same row at the same time: whoever is late loses, and nothing is lost."""

from collections.abc import Callable
from dataclasses import replace

from gpu_worker.effects import Settlement
from gpu_worker.settle import settle
from parjanya_dagster.control.dead_letters import open_dead_letters
from parjanya_dagster.control.reconcile import reconcile_rows, reconcile_world
from parjanya_dagster.core.execution.outcome import Completed, Superseded, standing
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.reconcile.replay import EVERYTHING, replayed
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NOON, a_job, a_key, a_result, a_row


def the_row(world: FakePlatform) -> ImageRow:
    """Return the row as it is now."""
    row = world.images.get(a_key())
    assert row is not None
    return row


def score(world: FakePlatform, job: Job, row: ImageRow) -> object:
    """Let a worker that read `row` finish its job now; return the outcome that held."""
    result = a_result(f"{job.generation}-late", generation=job.generation)
    settlement = Settlement(
        receipt="r", job=job, row=row, outcome=Completed(result=result), has_recorded_attempt=False
    )
    return settle(world.platform(), settlement, scored_by="headless:i-1")


def between_send_and_stamp(world: FakePlatform, act: Callable[[], object]) -> None:
    """Let something happen right after the next job was sent, before its row is stamped."""

    def sent(_body: str) -> None:
        act()

    world.queue.on_sent = sent


def a_gap() -> FakePlatform:
    """Return a platform with one row that waits for its job."""
    world = a_fake_platform()
    world.images.add(a_row())
    return world


def test_worker_that_settles_before_the_stamp_leaves_a_settled_row() -> None:
    """A stamp on a settled row would hold an index entry for ever: the late stamp loses."""
    world = a_gap()
    between_send_and_stamp(world, lambda: score(world, a_job(), the_row(world)))

    reconcile_rows(world.platform(), [a_key()])

    row = the_row(world)
    assert (row.status, row.intent_at, row.intent_id) == (Status.ENRICHED, None, None)


def test_replay_between_send_and_stamp_gets_a_job_of_its_own() -> None:
    """The job of the older generation is superseded, and the new generation is a gap like any other."""
    world = a_gap()

    def settle_and_replay() -> None:
        world.queue.on_sent = lambda _body: None
        score(world, a_job(), the_row(world))
        row = the_row(world)
        world.images.write(row, replayed(row, EVERYTHING, lane=Lane.REGRADE, now=NOON))

    between_send_and_stamp(world, settle_and_replay)
    reconcile_rows(world.platform(), [a_key()])
    assert the_row(world).is_gap

    reconcile_rows(world.platform(), [a_key()])

    old, new = world.queue.jobs
    assert (old.generation, new.generation) == (1, 2)
    assert standing(the_row(world), old.generation) is not None
    assert (the_row(world).intent_id, standing(the_row(world), new.generation)) == (new.intent_id, None)


def test_two_planes_that_send_at_once_cost_one_read_more() -> None:
    """Both jobs are good; the one that comes second finds its row settled."""
    world = a_gap()

    def other_plane() -> None:
        world.queue.on_sent = lambda _body: None
        reconcile_rows(replace(world.platform(), plane="dagster"), [a_key()])

    between_send_and_stamp(world, other_plane)
    reconcile_rows(world.platform(), [a_key()])
    first, second = world.queue.jobs

    score(world, first, the_row(world))

    assert standing(the_row(world), second.generation) == Superseded(reason="row is enriched")


def test_late_success_replaces_a_dead_letter_failure_of_its_own_generation() -> None:
    """The worker was slow, not dead: its answers count, though the letter had been ruled on."""
    world = a_fake_platform()
    waiting = a_row(intent_at=NOON, intent_id="intent-1", emissions=1, attempts=2)
    world.images.add(waiting)
    world.queue.bury(a_job(waiting).model_dump_json())
    reconcile_world(world.platform())
    assert the_row(world).status is Status.VLM_FAILED

    outcome = score(world, a_job(waiting), waiting)

    assert isinstance(outcome, Completed)
    assert the_row(world).status is Status.ENRICHED
    assert len(open_dead_letters(world.platform())) == 1


def test_late_success_of_an_older_generation_changes_nothing() -> None:
    """A zombie never matches a generation that was begun after it."""
    world = a_fake_platform()
    old = a_row(intent_at=NOON, intent_id="intent-1", emissions=1)
    world.images.add(replace(old, generation=2, intent_id="intent-2"))

    outcome = score(world, a_job(old), old)

    assert outcome == Superseded(reason="generation 1 is not 2")
    assert the_row(world).intent_id == "intent-2"


def test_success_on_a_row_in_quarantine_counts() -> None:
    """The fifth job was only slow: its answers take the row out of quarantine."""
    world = a_fake_platform()
    row = a_row(intent_at=NOON, intent_id="intent-1", emissions=5)
    world.images.add(replace(row, quarantined=True, intent_at=None, intent_id=None))

    score(world, a_job(row), row)
    reconcile_rows(world.platform(), [a_key()])

    assert (the_row(world).status, the_row(world).quarantined) == (Status.ENRICHED, False)


def test_dead_letter_of_a_duplicate_returns_no_row_that_waits_for_the_other_job() -> None:
    """Only the job that the row waits for speaks for it."""
    world = a_fake_platform()
    world.images.add(a_row(intent_at=NOON, intent_id="intent-2", emissions=2))
    world.queue.bury(a_job(a_row(), intent_id="intent-1").model_dump_json())

    reconcile_world(world.platform())

    assert (the_row(world).intent_id, the_row(world).returns) == ("intent-2", 0)
