"""Two independent incidents at once: both are named, unless one truly accounts for the other."""

from collections.abc import Mapping
from itertools import combinations
from typing import Final

import pytest

from parjanya_dagster.control.diagnose import diagnosis_of
from parjanya_dagster.simulation.scene_acts import as_plane, opening
from parjanya_dagster.simulation.scenes import SCENES

ORDER: Final = ("9", "1", "8", "6a", "6b", "3", "2", "4", "5", "7")
"""In which two come about: a purge takes every message, a denial stops what follows it."""
HIDDEN: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("1", "7"): ("1", "a lost job shows as a count that is missing, and the queue cannot be counted"),
    ("3", "7"): ("3", "that jobs wait on the queue cannot be known while it cannot be read"),
    ("6a", "3"): ("3", "an open breaker holds capacity back: failing starts are why none is asked for"),
    ("6b", "3"): ("3", "an open breaker holds capacity back: failing starts are why none is asked for"),
}
"""Pairs of which one is not named, which one, and why."""
PAIRS: Final = [tuple(sorted(pair, key=ORDER.index)) for pair in combinations(sorted(SCENES), 2)]


def test_pairs_are_all_and_each_exception_has_its_reason() -> None:
    """Ten incidents make 45 pairs; an exception names one of its own two."""
    assert len(PAIRS) == 45
    assert set(ORDER) == set(SCENES)
    assert set(HIDDEN) <= set(PAIRS)
    assert all(hidden in pair and reason for pair, (hidden, reason) in HIDDEN.items())


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_two_incidents_at_once_are_both_named_and_nothing_else_is(pair: tuple[str, str]) -> None:
    """One fault never masks another, and none is reported twice as its own consequence."""
    world = opening()
    for code in pair:
        SCENES[code].stage(world)

    named = sorted(str(finding.incident) for finding in diagnosis_of(as_plane(world, "cli")))

    hidden = {HIDDEN[pair][0]} if pair in HIDDEN else set()
    assert named == sorted(set(pair) - hidden)


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_two_incidents_repaired_one_after_the_other_leave_nothing(pair: tuple[str, str]) -> None:
    """Each repair ends its own finding, whatever else is wrong; the last ends the last."""
    world = opening()
    for code in pair:
        SCENES[code].stage(world)
    for code in reversed(pair):
        SCENES[code].repair(world)

    assert diagnosis_of(as_plane(world, "cli")) == []
