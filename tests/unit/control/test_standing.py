"""Where tenants stand: what waits, since when, and what became of the newest."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from parjanya_dagster.control.standing import standings
from parjanya_dagster.core.truth.row import Status, Verdict
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NOON, TENANT, a_decision, a_row


def a_world() -> FakePlatform:
    """Return a world in which a tenant has one image of each kind, entered an hour ago."""
    world = a_fake_platform()
    began = world.clock()
    sent: dict[str, Any] = {"intent_at": began, "intent_id": "i", "emissions": 1}
    world.images.add(
        a_row(1, status=Status.ENRICHED, decision=a_decision()),
        a_row(2, status=Status.VLM_FAILED),
        a_row(3, entered_at=began, **sent),
        a_row(4, entered_at=began + timedelta(minutes=10), due_at=began + timedelta(minutes=10)),
        a_row(5, entered_at=began + timedelta(minutes=20), **sent),
        # replayed: its verdict stays in force, and it waits
        a_row(6, entered_at=began + timedelta(minutes=30), decision=a_decision(), generation=2, **sent),
    )
    world.clock.advance(hours=1)
    return world


def test_standing_tells_waits_and_what_became_of_the_newest() -> None:
    """Verdicts where there are any, statuses where there are none, and the oldest of what waits."""
    world = a_world()
    world.images.add(a_row(7, tenant_id="other", entered_at=NOON))

    [standing] = standings(world.platform(), {TENANT: 4})

    assert (standing.tenant_id, standing.waiting) == (TENANT, 4)
    assert standing.oldest_wait == timedelta(hours=1)
    assert standing.newest == {Verdict.ACCEPT: 1, "vlm_failed": 1, "pending_vlm_enrichment": 4}


def test_standing_of_who_has_nothing_waiting_asks_no_index() -> None:
    """What ended is told from the listing alone."""
    world = a_world()
    world.calls.clear()

    [standing] = standings(world.platform(), {TENANT: 0})

    assert standing.oldest_wait is None
    assert world.calls.names == ["images.listing"]


def test_standing_ignores_what_the_index_has_not_heard_of_yet() -> None:
    """Indexes lag: a row that is settled waits for nobody."""
    world = a_world()
    world.images.set_index_lag(minutes=1)
    for row in list(world.images.rows.values()):
        world.images.add(replace(row, status=Status.ENRICHED))

    [standing] = standings(world.platform(), {TENANT: 4})

    assert standing.oldest_wait is None
