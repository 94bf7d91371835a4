"""The boot breaker."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.reconcile.boot_breaker import Breaker, BreakerLimits, breaker_of, fallback_version
from parjanya_dagster.core.reconcile.capacity_memory import BootMark, CapacityMemory, with_marks
from tests.builders import NOON

LIMITS = BreakerLimits()
MINUTE = timedelta(minutes=1)


def after(boots: str, *, version: str = "2", of: CapacityMemory | None = None) -> CapacityMemory:
    """Return a memory after boots a minute apart: `x` failed, `o` came up."""
    marks = [
        BootMark(
            mark=f"{version}-{number}",
            version=version,
            at=NOON + number * MINUTE,
            error="no weights" if each == "x" else None,
        )
        for number, each in enumerate(boots)
    ]
    return with_marks(of or CapacityMemory(), marks)


def breaker(boots: str) -> Breaker:
    """Return the breaker after these boots."""
    return breaker_of(after(boots), "2", LIMITS)


@pytest.mark.parametrize("boots", ["", "xx", "xxxo", "xxoxx", "o"])
def test_breaker_stays_closed_without_three_failures_in_a_row(boots: str) -> None:
    """Chance is no cause, and one success closes it."""
    closed = breaker(boots)

    assert closed.until is None
    assert not closed.is_open(NOON)
    assert not closed.is_trying(NOON)
    assert "boots" in closed.words


def test_breaker_when_three_boots_failed_in_a_row_is_open_then_tries_once() -> None:
    """Nothing is relaunched for ever; after a pause one launch decides."""
    opened = breaker("oxxx")

    assert opened.since == NOON + 3 * MINUTE
    assert opened.is_open(NOON + 4 * MINUTE)
    assert not opened.is_trying(NOON + 4 * MINUTE)
    assert opened.is_trying(NOON + 8 * MINUTE)
    assert not opened.is_open(NOON + 8 * MINUTE)
    assert "3 boots of template version 2 failed in a row, the last of 'no weights'" in opened.words


def test_breaker_that_tries_in_vain_pauses_for_twice_as_long() -> None:
    """Back-off, up to four hours."""
    pauses = [
        each.until - each.failed[-1].at for each in map(breaker, ("xxx", "xxxx", "x" * 30)) if each.until
    ]

    assert pauses == [timedelta(minutes=5), timedelta(minutes=10), timedelta(hours=4)]


@given(st.text("xo", max_size=12), st.text("xo", max_size=12))
def test_breaker_of_a_version_ignores_every_other(own: str, other: str) -> None:
    """A broken version says nothing about its neighbours."""
    both = after(other, version="1", of=after(own))

    assert breaker_of(both, "2", LIMITS) == breaker_of(after(own), "2", LIMITS)


def test_fallback_is_the_last_version_that_came_up() -> None:
    """Work goes on with what is known to boot."""
    memory = after("xxx", of=after("o", version="1"))

    assert fallback_version(memory, "2", LIMITS) == "1"


@pytest.mark.parametrize("memory", [after("xxx"), after("oxxx"), after("xxx", of=after("oxxx", version="1"))])
def test_fallback_is_none_when_no_other_version_boots(memory: CapacityMemory) -> None:
    """No version ever came up, it was the same one, or it is broken itself by now."""
    assert fallback_version(memory, "2", LIMITS) is None
