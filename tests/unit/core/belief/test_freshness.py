"""Freshness of readings."""

from datetime import timedelta

from parjanya_dagster.core.belief.freshness import sighted
from parjanya_dagster.core.belief.signals import Blind
from tests.builders import NOON, a_queue

LIFE = timedelta(seconds=60)


def test_reading_within_its_life_is_what_it_was() -> None:
    """Belief may lag; it is used while it is young enough."""
    reading = a_queue(3, at=NOON - LIFE)

    assert sighted(reading, name="queue.depth", life=LIFE, now=NOON) is reading


def test_reading_beyond_its_life_is_blind_and_says_how_old_it_was() -> None:
    """An old zero is not a zero."""
    stale = sighted(a_queue(at=NOON - timedelta(minutes=5)), name="queue.depth", life=LIFE, now=NOON)

    assert stale == Blind(signal="queue.depth", reason="stale: it was read 300 s ago", at=NOON)


def test_blind_stays_blind_for_its_own_reason() -> None:
    """The first cause is the one that helps."""
    blind = Blind(signal="queue.depth", reason="AccessDenied", at=NOON - timedelta(hours=1))

    assert sighted(blind, name="queue.depth", life=LIFE, now=NOON) is blind
