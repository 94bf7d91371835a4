"""Sweeps: small stories with every single thing that can go wrong in them, one at a time, none left out."""

from collections.abc import Iterable

import pytest

from parjanya_dagster.simulation.faults import Fault
from parjanya_dagster.simulation.sweep import STORIES, Story, places_of, swept

EVENTS = frozenset(
    {
        Fault.UPLOAD_EVENT_LOST,
        Fault.UPLOAD_EVENT_TWICE,
        Fault.UPLOAD_EVENT_LATE,
        Fault.STREAM_RECORD_LOST,
        Fault.STREAM_RECORD_TWICE,
        Fault.STREAM_RECORD_LATE,
        Fault.SWEEP_SKIPPED,
        Fault.SWEEP_TWICE,
        Fault.DELIVERED_TWICE,
        Fault.CAPACITY_CALL_TWICE,
    }
)
STALE = frozenset({Fault.STALE_INDEX, Fault.STALE_COUNT})
CRASHES = frozenset({Fault.CRASH_AFTER})
FAILURES = frozenset({Fault.UNAVAILABLE, Fault.ANSWER_LOST})
SHORT = STORIES[:2]

stories = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
short_stories = pytest.mark.parametrize("story", SHORT, ids=lambda story: story.name)


def broken(story: Story, kinds: Iterable[Fault]) -> list[str]:
    """Return what broke a promise, and which."""
    wanted = frozenset(kinds)
    return [
        f"{what} at {where}: {episode.violations}"
        for (what, where), episode in swept(story, is_wanted=wanted.__contains__)
        if episode.violations
    ]


@short_stories
def test_story_with_a_crash_after_any_side_effect_ends_well(story: Story) -> None:
    """A process may die behind each of its calls: nothing is lost, nothing takes effect twice."""
    assert broken(story, CRASHES) == []


@short_stories
def test_story_with_any_call_failing_or_its_answer_lost_ends_well(story: Story) -> None:
    """A call may fail before its effect or behind it, and the caller cannot tell which."""
    assert broken(story, FAILURES) == []


@stories
def test_story_with_any_event_lost_doubled_or_late_ends_well(story: Story) -> None:
    """No event is needed, and none does harm when it comes twice or out of order; nor does a raise."""
    assert broken(story, EVENTS) == []


@short_stories
def test_story_with_any_stale_read_ends_well(story: Story) -> None:
    """An index or a count that lags makes a cycle late or superfluous, never wrong."""
    assert broken(story, STALE) == []


@stories
def test_story_has_a_place_for_each_kind_of_fault_that_is_swept(story: Story) -> None:
    """A sweep that finds no place to strike proves nothing."""
    kinds = {what for what, _ in places_of(story)}

    assert {"crash_after", "unavailable", "answer_lost", "stale_index", "stale_count"} <= kinds
