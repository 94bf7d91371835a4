"""The dead-letter consumer over fakes: every crash between record, row and message."""

import contextlib
from dataclasses import replace

import pytest

from parjanya_dagster.control.dead_letters import acknowledge, open_dead_letters
from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.core.errors import DeniedError, InvalidRequestError, UnavailableError
from parjanya_dagster.core.reconcile.actions import Ruling
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NOON, a_job, a_key, a_result, a_row


def a_world_with_a_dead_letter(*, attempts: int = 0) -> FakePlatform:
    """Return a platform in which the job of one waiting row was given up."""
    world = a_fake_platform()
    row = a_row(intent_at=NOON, intent_id="intent-1", emissions=1, attempts=attempts)
    world.images.add(row)
    world.queue.bury(a_job(row).model_dump_json())
    world.clock.advance(seconds=20)
    return world


def the_row(world: FakePlatform) -> ImageRow:
    """Return the row as it is now."""
    row = world.images.get(a_key())
    assert row is not None
    return row


def rulings(world: FakePlatform) -> list[str]:
    """Return what is on record, newest first."""
    found = world.records.newest(RecordKind.DEAD_LETTER, limit=10)
    return [document["ruling"] for _, document in found]


def test_letter_without_evidence_goes_back_to_the_gap_and_is_sent_again() -> None:
    """An outage that ate every delivery costs time and nothing else."""
    world = a_world_with_a_dead_letter()

    reconcile_world(world.platform())

    row = the_row(world)
    assert (row.returns, row.intent_id, row.is_gap) == (1, None, True)
    assert world.queue.dead_bodies == []
    assert rulings(world) == [Ruling.RETURNED]
    world.clock.advance(seconds=61)
    reconcile_world(world.platform())
    assert the_row(world).has_outstanding_intent


def test_letter_with_evidence_fails_the_image_before_it_is_deleted() -> None:
    """Truth, then delete: the failure is durable when the message goes."""
    world = a_world_with_a_dead_letter(attempts=2)

    reconcile_world(world.platform())

    assert the_row(world).status is Status.VLM_FAILED
    assert rulings(world) == [Ruling.FAILED]
    writes = [name for name in world.calls.writes if not name.startswith(("control", "heart"))]
    assert writes == ["records.create", "images.write", "dead_letters.delete"]


def test_letter_whose_result_exists_costs_no_second_scoring() -> None:
    """The worker wrote its result and died; the head names it now."""
    world = a_world_with_a_dead_letter()
    world.images.put_result(a_key(), a_result())

    reconcile_world(world.platform())

    assert the_row(world).status is Status.ENRICHED
    assert the_row(world).result_id == a_result().result_id
    assert rulings(world) == [Ruling.FINISHED]


def test_letters_that_nobody_waits_for_are_recorded_and_deleted() -> None:
    """Duplicates, forgotten rows and noise leave the queue empty, so that lost jobs can be told again."""
    world = a_fake_platform()
    world.images.add(a_row(status=Status.ENRICHED))
    world.queue.bury(a_job(a_row()).model_dump_json())
    world.queue.bury(a_job(a_row(2)).model_dump_json())
    world.queue.bury("not a job")

    reconcile_world(world.platform())

    assert world.queue.dead_bodies == []
    assert sorted(rulings(world)) == [Ruling.SUPERSEDED, Ruling.SUPERSEDED, Ruling.UNREADABLE]
    [unreadable] = open_dead_letters(world.platform())
    assert unreadable.body == "not a job"


@pytest.mark.parametrize("effect", ["records.create", "images.write", "dead_letters.delete"])
@pytest.mark.parametrize("after", [False, True])
def test_letter_when_the_process_dies_anywhere_is_settled_once(effect: str, *, after: bool) -> None:
    """Whatever crashes in between, one return is counted, and the first ruling stays on record."""
    world = a_world_with_a_dead_letter()
    world.calls.fail(effect, KeyboardInterrupt(), after=after)
    with contextlib.suppress(KeyboardInterrupt):
        reconcile_world(world.platform())

    for _ in range(3):
        world.clock.advance(minutes=4)
        reconcile_world(world.platform())

    assert world.queue.dead_bodies == []
    assert the_row(world).returns == 1
    assert rulings(world) == [Ruling.RETURNED]
    assert the_row(world).has_outstanding_intent


def test_letter_when_a_store_does_not_answer_comes_back() -> None:
    """A fault is reported, nothing is lost, and the next look settles it."""
    world = a_world_with_a_dead_letter(attempts=2)
    world.calls.fail("records.create", UnavailableError("throttled"))

    cycle = reconcile_world(world.platform())

    assert cycle.applied is not None
    assert "SettleDeadLetter: throttled" in cycle.applied.faults
    assert len(world.queue.dead_bodies) == 1
    world.clock.advance(minutes=4)
    reconcile_world(world.platform())
    assert the_row(world).status is Status.VLM_FAILED


def test_letter_of_a_row_that_moved_on_meanwhile_is_ruled_again() -> None:
    """A late success beats the failure, and the record says what came to hold."""
    world = a_world_with_a_dead_letter(attempts=2)
    scored = replace(a_row(status=Status.ENRICHED), attempts=0)
    original = world.images.write

    def late(before: ImageRow, after: ImageRow) -> bool:
        if after.status is Status.VLM_FAILED:
            world.images.add(scored)
        return original(before, after)

    world.images.write = late  # type: ignore[method-assign]  # the interleaving that no fake can be asked for
    reconcile_world(world.platform())

    assert the_row(world).status is Status.ENRICHED
    assert rulings(world) == [Ruling.SUPERSEDED]
    assert world.queue.dead_bodies == []


def test_letters_when_they_cannot_be_received_are_reported_and_the_rest_goes_on() -> None:
    """Blindness about dead letters stops neither jobs nor the heartbeat."""
    world = a_world_with_a_dead_letter()
    world.images.add(a_row(2))
    world.clock.advance(minutes=1)
    world.calls.fail("dead_letters.receive", DeniedError("AccessDenied"))

    cycle = reconcile_world(world.platform())

    assert cycle.applied is not None
    assert "dead letters: AccessDenied" in cycle.applied.blind
    assert len(world.queue.jobs) == 1
    assert world.control.heartbeats()


def test_letters_when_rows_cannot_be_read_are_left_for_later() -> None:
    """A row that could not be read is not a missing one: its letter is no duplicate."""
    world = a_world_with_a_dead_letter()
    world.calls.fail("images.get_many", UnavailableError("throttled"))

    reconcile_world(world.platform())

    assert rulings(world) == []
    assert len(world.queue.dead_bodies) == 1


def test_letters_are_settled_a_bounded_number_at_a_time() -> None:
    """A flood of dead letters does not make a cycle endless."""
    world = a_fake_platform()
    for _ in range(60):
        world.queue.bury("noise")

    reconcile_world(world.platform())

    assert len(world.queue.dead_bodies) == 10


def test_letter_is_open_until_somebody_has_seen_it() -> None:
    """Who looked first stays on record, and no record of nothing can be acknowledged."""
    world = a_world_with_a_dead_letter()
    platform = world.platform()
    reconcile_world(platform)
    [letter] = open_dead_letters(platform)

    seen = acknowledge(platform, letter.record_id, "ada")

    assert (seen.acknowledged_by, seen.acknowledged_at) == ("ada", world.clock())
    assert acknowledge(platform, letter.record_id, "bob") == seen
    assert open_dead_letters(platform) == []
    with pytest.raises(InvalidRequestError, match="there is no dead letter 'nothing'"):
        acknowledge(platform, "nothing", "ada")


def test_letter_acknowledged_by_two_at_once_belongs_to_the_first() -> None:
    """The write is conditional on the record as it was read."""
    world = a_world_with_a_dead_letter()
    platform = world.platform()
    reconcile_world(platform)
    [letter] = open_dead_letters(platform)
    replaced = world.records.replace

    def raced(*arguments: object, **given: object) -> bool:
        world.records.replace = replaced  # type: ignore[method-assign]  # only the first call is raced
        acknowledge(platform, letter.record_id, "bob")
        return replaced(*arguments, **given)  # type: ignore[arg-type]  # passed on as they came

    world.records.replace = raced  # type: ignore[method-assign]  # the interleaving that no fake can be asked for

    assert acknowledge(platform, letter.record_id, "ada").acknowledged_by == "bob"


def test_letter_that_was_returned_settles_with_its_image() -> None:
    """A job that came back and was scored is healthy: nobody is asked to look at what it went through."""
    world = a_world_with_a_dead_letter()
    platform = world.platform()
    reconcile_world(platform)
    assert len(open_dead_letters(platform)) == 1

    before = the_row(world)
    platform.images.write(before, replace(before, status=Status.ENRICHED, due_at=None))
    writes = list(world.calls.writes)

    assert open_dead_letters(platform) == open_dead_letters(platform) == []
    assert world.calls.writes == writes, "who only looks changes nothing"


def test_letter_that_speaks_against_its_image_stays_until_somebody_has_seen_it() -> None:
    """A failure is an outcome too, and exactly the one to look at."""
    world = a_world_with_a_dead_letter(attempts=2)

    reconcile_world(world.platform())

    assert [each.ruling for each in open_dead_letters(world.platform())] == [Ruling.FAILED]
