"""The audit trail: an entry before the first change, its end after the last."""

import pytest

from parjanya_dagster.control.trail import recorded, trail, who_of_run
from parjanya_dagster.core.errors import InvalidRequestError, UnavailableError
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.simulation.fakes.platform import a_fake_platform

AWAY = UnavailableError("away")


class Killed(BaseException):
    """What a killed process looks like from inside: nothing catches it."""


def test_change_when_it_succeeds_leaves_who_what_and_counts_before_and_after() -> None:
    """Everything that an auditor asks is in one entry."""
    world = a_fake_platform()
    platform = world.platform()

    with recorded(platform, "ada", "replay", plan_digest="d1", before={"vlm_failed": 3}) as recording:
        world.clock.advance(seconds=2)
        recording.after["replayed"] = 3

    (entry,) = trail(platform, limit=10)
    assert (entry.who, entry.action, entry.plan_digest) == ("ada", "replay", "d1")
    assert (dict(entry.before), dict(entry.after)) == ({"vlm_failed": 3}, {"replayed": 3})
    assert entry.outcome == "done"
    assert entry.ended_at is not None
    assert (entry.ended_at - entry.begun_at).total_seconds() == 2
    assert entry.entry_id.startswith("2026-03-01T12:00:00")


def test_change_when_it_begins_is_on_record_before_anything_happens() -> None:
    """What dies in the middle has left its beginning."""
    platform = a_fake_platform().platform()

    with recorded(platform, "ada", "replay"):
        (entry,) = trail(platform, limit=10)

    assert entry.outcome is None
    assert entry.ended_at is None


def test_change_when_the_process_is_killed_leaves_an_entry_that_only_began() -> None:
    """A killed process writes nothing more."""
    platform = a_fake_platform().platform()

    with pytest.raises(Killed), recorded(platform, "ada", "replay"):
        raise Killed

    (entry,) = trail(platform, limit=10)
    assert entry.outcome is None


def test_change_when_it_is_long_says_on_its_way_how_far_it_came() -> None:
    """A process that dies in the middle has left its numbers, too."""
    platform = a_fake_platform().platform()

    with recorded(platform, "ada", "replay") as recording:
        recording.after["replayed"] = 25
        recording.save()
        (entry,) = trail(platform, limit=10)

    assert (dict(entry.after), entry.outcome) == ({"replayed": 25}, None)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (ValueError("no"), "failed: ValueError: no"),
        (InvalidRequestError("ask again"), "failed: ask again"),
    ],
)
def test_change_when_it_is_cut_short_says_how_far_it_came(error: BaseException, outcome: str) -> None:
    """Counts of what was done stand beside why it ended."""
    platform = a_fake_platform().platform()

    def change() -> None:
        with recorded(platform, "ada", "replay") as recording:
            recording.after["replayed"] = 1
            raise error

    with pytest.raises(type(error)):
        change()

    (entry,) = trail(platform, limit=10)
    assert (entry.outcome, dict(entry.after)) == (outcome, {"replayed": 1})


def test_change_when_the_trail_cannot_be_written_does_not_happen() -> None:
    """Nothing is changed without an entry."""
    world = a_fake_platform()
    world.calls.fail("records.put", AWAY)
    happened = []

    with pytest.raises(UnavailableError), recorded(world.platform(), "ada", "replay"):
        happened.append("change")

    assert happened == []


def test_change_when_it_fails_and_so_does_its_entry_raises_its_own_error() -> None:
    """The cause is what a person must hear; the entry stays begun."""
    world = a_fake_platform()
    platform = world.platform()

    def change() -> None:
        with recorded(platform, "ada", "replay"):
            world.calls.fail("records.put", AWAY)
            raise ValueError("cause")

    with pytest.raises(ValueError, match="cause"):
        change()

    (entry,) = trail(platform, limit=10)
    assert entry.outcome is None


def test_change_when_only_its_end_cannot_be_written_raises() -> None:
    """An operator learns that the trail does not tell the end."""
    world = a_fake_platform()

    with pytest.raises(UnavailableError), recorded(world.platform(), "ada", "replay"):
        world.calls.fail("records.put", AWAY)


def test_trail_when_it_is_long_shows_the_newest_first() -> None:
    """Ids begin with the time, so the newest come without reading the rest."""
    world = a_fake_platform()
    platform = world.platform()
    for action in ("first", "second", "third"):
        with recorded(platform, "ada", action):
            world.clock.advance(seconds=1)

    assert [entry.action for entry in trail(platform, limit=2)] == ["third", "second"]
    assert len(world.records.newest(RecordKind.TRAIL, limit=9)) == 3


@pytest.mark.parametrize(
    ("tags", "who"),
    [
        ({"who": "ada", "dagster/backfill": "b1"}, "ada"),
        ({"dagster/schedule_name": "nightly"}, "dagster schedule nightly"),
        ({"dagster/sensor_name": "backlog"}, "dagster sensor backlog"),
        ({"dagster/backfill": "b1"}, "dagster backfill b1"),
        ({"tenant": "acme"}, "dagster ui"),
    ],
)
def test_run_when_launched_names_its_launcher(tags: dict[str, str], who: str) -> None:
    """A run that nobody's automation asked for was launched by a person in the UI."""
    assert who_of_run(tags) == who
