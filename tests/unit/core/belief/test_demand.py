"""Demand."""

import pytest

from parjanya_dagster.core.belief.demand import Demand, demand_of
from parjanya_dagster.core.belief.signals import Blind, Reading
from tests.builders import NOON, a_queue

BLIND = Blind(signal="queue.depth", reason="AccessDenied", at=NOON)


@pytest.mark.parametrize(
    ("demand", "live", "images"),
    [
        (Demand(), 0, 0),
        (Demand(visible=2), 2, 2),
        (Demand(in_flight=2), 2, 2),
        (Demand(gaps=2), 2, 2),
        (Demand(steps=2), 2, 2),
        (Demand(delayed=2), 0, 0),
        (Demand(in_flight=2, is_held=False), 0, 0),
        (Demand(visible=1, in_flight=2, delayed=3, is_held=False), 1, 6),
    ],
)
def test_demand_in_back_off_wakes_nobody_but_counts_beside_what_waits(
    demand: Demand, live: int, images: int
) -> None:
    """SkyPilot PR 9927 and DESIGN section 5: every kind counts, and back-off keeps no GPU alive."""
    assert (demand.live, demand.images) == (live, images)


def test_demand_of_readings_takes_every_count() -> None:
    """Nothing that was read is left out."""
    demand = demand_of(queue=a_queue(1, 2, 3), steps=Reading(value=4, at=NOON), gaps=5, is_held=True)

    assert demand == Demand(visible=1, in_flight=2, delayed=3, steps=4, gaps=5)


def test_demand_that_cannot_be_read_says_so() -> None:
    """KEDA issue 8036: what is unreadable is not zero, and the reader can tell."""
    demand = demand_of(queue=BLIND, steps=BLIND, gaps=0, is_held=True)

    assert demand.blind == (BLIND, BLIND)
    assert "queue.depth unreadable" in demand.words


def test_demand_in_words_names_what_there_is() -> None:
    """A person reads only what is not zero."""
    assert Demand().words == "none"
    assert Demand(visible=12, in_flight=3, is_held=False).words == "12 visible, 3 in flight in back-off"
    assert demand_of(queue=a_queue(), steps=None, gaps=2, is_held=True).words == "2 without a job yet"
