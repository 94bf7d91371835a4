"""Finding one thing: by id, by key, by tenant, and what is said when there is no such thing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from parjanya_dagster.control.trail import recorded
from parjanya_dagster.control.why import waits_of, why
from parjanya_dagster.core.errors import DeniedError, InvalidRequestError, UnavailableError
from parjanya_dagster.core.reconcile.why import Owner
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from parjanya_dagster.simulation.scene_acts import TENANT, opening, stream, upload, work
from parjanya_dagster.simulation.scenes import SCENES


@pytest.fixture
def world() -> FakePlatform:
    """Return a world in which all is well."""
    return opening()


def test_why_of_an_image_by_id_or_key_follows_it_to_its_end(world: FakePlatform) -> None:
    """The same row answers under both names, and another way at each step."""
    (key,) = upload(world, 1)
    platform = world.platform()
    assert why(platform, key.image_id).reason == "no job was sent for it yet"

    stream(world, [key])
    assert why(platform, str(key)).owner is Owner.WORKER

    work(world)
    assert why(platform, key.image_id).owner is Owner.NOBODY


def test_why_of_a_replayed_image_names_the_replay_that_may_have_done_it(world: FakePlatform) -> None:
    """Only what happened between its two generations can have replayed it."""
    (key,) = upload(world, 1)
    stream(world, [key])
    work(world)
    platform = world.platform()
    with recorded(platform, "eve", "replay too early"):
        world.clock.advance(seconds=0)
    world.clock.advance(minutes=1)
    row = world.images.rows[key]
    for who, action in (("ada", "replay --image"), ("bob", "tenant add brave")):
        with recorded(platform, who, action):
            world.clock.advance(seconds=1)
    again = replace(row, generation=2, status=Status.PENDING_VLM_ENRICHMENT, entered_at=world.clock())
    world.images.add(replace(again, status=Status.ENRICHED, entered_at=world.clock() + timedelta(seconds=9)))

    answer = why(platform, str(key))

    told = " ".join(answer.evidence)
    assert "'replay --image' by ada" in told
    assert "bob" not in told


def test_why_of_an_image_with_a_dead_letter_tells_it() -> None:
    """What is on record of a given-up message is part of the answer."""
    world = opening()
    SCENES["8"].stage(world)
    failed = next(row for row in world.images.rows.values() if row.status is Status.VLM_FAILED)

    assert "a message of it was given up" in " ".join(why(world.platform(), str(failed.key)).evidence)


@pytest.mark.parametrize(
    "subject", ["nothing", "acme#gone", "#", "01900000-0000-7000-8000-000000000000", "b-7"]
)
def test_why_of_something_unknown_says_what_can_be_asked_for(world: FakePlatform, subject: str) -> None:
    """A batch, a typing error and a foreign image all get a sentence, never a trace."""
    with pytest.raises(InvalidRequestError, match=r"tenant:TENANT.*batches have no ids yet"):
        why(world.platform(), subject)


def test_why_of_a_tenant_registered_or_not(world: FakePlatform) -> None:
    """A marker or images are enough to be known."""
    platform = world.platform()
    upload(world, 1)
    assert why(platform, f"tenant:{TENANT}").status == "waiting"

    world.archive.forget_tenant(TENANT)
    assert why(platform, f"tenant:{TENANT}").status == "unregistered"
    with pytest.raises(InvalidRequestError, match="neither a registry marker nor images"):
        why(platform, "tenant:nobody")
    with pytest.raises(InvalidRequestError, match="cannot name a tenant"):
        why(platform, "tenant:!")


def test_waits_of_a_page_are_told_for_rows_that_wait_by_themselves(world: FakePlatform) -> None:
    """What is settled, or set aside for a person, says so itself; the surroundings are read once."""
    settled, waiting, aside = upload(world, 3)
    stream(world, [settled])
    work(world)
    world.images.add(replace(world.images.rows[aside], quarantined=True))
    rows = [world.images.rows[key] for key in (settled, waiting, aside)]
    world.calls.clear()

    waits = waits_of(world.platform(), rows)

    assert {key: answer.reason for key, answer in waits.items()} == {waiting: "no job was sent for it yet"}
    assert world.calls.names == ["queue.depth", "fleet.size", "control.heartbeats"]


def test_waits_of_a_page_without_any_ask_nothing(world: FakePlatform) -> None:
    """A page of decided images costs what it did."""
    world.calls.clear()

    assert waits_of(world.platform(), []) == {}
    assert world.calls.names == []


@pytest.mark.parametrize("name", ["queue.depth", "fleet.size", "control.heartbeats"])
@pytest.mark.parametrize("error", [UnavailableError("no answer"), DeniedError("arn:secret")])
def test_waits_of_a_page_when_surroundings_cannot_be_read_are_left_out(
    world: FakePlatform, name: str, error: Exception
) -> None:
    """A photographer's page neither fails for it, nor tells what an operator must know."""
    (key,) = upload(world, 1)
    world.calls.fail(name, error)

    assert waits_of(world.platform(), [world.images.rows[key]]) == {}
