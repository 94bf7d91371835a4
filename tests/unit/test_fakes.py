"""The fakes' own promises: what tests rely on beyond the ports' contracts."""

from dataclasses import replace
from typing import get_type_hints

import pytest

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.truth.row import Lane
from parjanya_dagster.simulation.fakes.calls import WRITES
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import NOON, a_job, a_row


def test_index_when_it_lags_shows_neither_the_new_nor_forgets_the_old() -> None:
    """Code that trusts an index instead of re-reading the row fails in tests, as it would on AWS."""
    fakes = a_fake_platform()
    row = a_row()
    fakes.images.add(row)
    fakes.images.set_index_lag(seconds=10)
    later = fakes.clock.now.replace(hour=13)

    fakes.images.write(row, replace(row, intent_at=NOON, intent_id="intent-1"))

    assert fakes.images.due_gaps(Lane.FRESH, due_before=later, limit=9) == [row.key]
    assert fakes.images.outstanding(sent_before=later, limit=9) == []
    assert fakes.images.listing("acme", limit=9) == [row]

    fakes.clock.advance(seconds=10)

    assert fakes.images.due_gaps(Lane.FRESH, due_before=later, limit=9) == []
    assert fakes.images.outstanding(sent_before=later, limit=9) == [row.key]


def test_failure_after_the_effect_leaves_the_effect() -> None:
    """A crash between send and stamp is one line of a test."""
    fakes = a_fake_platform()
    fakes.calls.fail("queue.send", UnavailableError("lost answer"), after=True)

    with pytest.raises(UnavailableError):
        fakes.queue.send([a_job()])

    assert len(fakes.queue.jobs) == 1


def test_failure_before_the_effect_happens_as_often_as_asked() -> None:
    """An outage of a known length."""
    fakes = a_fake_platform()
    fakes.calls.fail("queue.depth", UnavailableError("throttled"), times=1)

    assert isinstance(fakes.queue.depth(), Blind)
    assert not isinstance(fakes.queue.depth(), Blind)


def test_journal_knows_the_writes_among_the_calls() -> None:
    """That a second cycle writes nothing can be asserted over all ports at once."""
    fakes = a_fake_platform()

    fakes.images.create(a_row())
    fakes.images.get(a_row().key)

    assert fakes.calls.names == ["images.create", "images.get"]
    assert fakes.calls.writes == ["images.create"]


def test_every_write_in_the_journal_is_a_method_of_a_port() -> None:
    """A renamed method cannot silently stop counting as a write."""
    ports = get_type_hints(Platform)

    for name in WRITES:
        port, _, method = name.partition(".")
        assert hasattr(ports[port], method), name


def test_dead_letter_appears_when_deliveries_are_spent() -> None:
    """The receive limit is a backstop that the fake has too."""
    fakes = a_fake_platform()
    fakes.queue.send([a_job()])

    for _ in range(20):
        assert len(fakes.queue.receive(limit=10, wait_s=0)) == 1
        fakes.clock.advance(minutes=3)

    assert fakes.queue.receive(limit=10, wait_s=0) == []
    assert len(fakes.queue.dead_bodies) == 1
