"""What a cycle of reconciliation may cost: it follows what diverges, never what there is."""

from collections import Counter

import pytest

from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NOON, TENANT, a_key, a_row

FEW, MANY = 100, 10_000


def a_settled_world(rows: int) -> FakePlatform:
    """Return a world of so many settled rows, with the objects of the newest hundred."""
    world = a_fake_platform()
    world.control.register_tenant(TENANT, now=NOON)
    world.images.add(*(a_row(at, status=Status.ENRICHED) for at in range(rows)))
    for at in range(rows - FEW, rows):
        key = original_key(a_key(at).image_id, "photo.jpg")
        world.objects.add(world.names.uploads_bucket(TENANT), key, b"")
    world.clock.advance(minutes=5)
    return world


def requests_of_a_cycle(world: FakePlatform) -> Counter[str]:
    """Run one cycle; return what it asked of every port."""
    world.calls.clear()
    reconcile_world(world.platform())
    return Counter(world.calls.names)


def test_idle_cycle_of_a_large_table_asks_no_more_than_one_of_a_small_table() -> None:
    """An idle cycle costs the same whatever the table holds, and reads each index once."""
    few, many = (requests_of_a_cycle(a_settled_world(rows)) for rows in (FEW, MANY))

    assert many == few
    assert (many["images.due_gaps"], many["images.outstanding"], many["images.write"]) == (2, 1, 0)


@pytest.mark.parametrize("gaps", [1, 150])
def test_cycle_with_gaps_asks_for_the_gaps_alone(gaps: int) -> None:
    """Reads and writes follow the gaps, not the rows around them: one write for each, and one bulk read."""
    waiting = [a_row(MANY + at, due_at=NOON) for at in range(gaps)]
    few, many = a_settled_world(FEW), a_settled_world(MANY)
    for world in (few, many):
        requests_of_a_cycle(world)
        world.images.add(*waiting)

    asked = requests_of_a_cycle(many)

    assert asked == requests_of_a_cycle(few)
    assert (asked["images.write"], asked["images.get_many"]) == (gaps, 1)
