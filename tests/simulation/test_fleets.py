"""Worlds with a fleet of larger instances: what runs out of memory elsewhere gets its verdict there."""

from dataclasses import replace

import pytest

from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.climate import climate_of
from parjanya_dagster.simulation.draws import chance
from parjanya_dagster.simulation.episode import live
from parjanya_dagster.simulation.faults import Fault
from parjanya_dagster.simulation.world import World

LARGE = "large"
_SHARE = 0.4


class Studio(World):
    """A world in which many images never fit into the usual instances' memory."""

    def __init__(self, seed: str) -> None:
        super().__init__(seed, climate=replace(climate_of(seed), fleets=(LARGE,)))

    def nature_of(self, key: ImageKey) -> Fault | None:
        """See `World`."""
        is_too_large = chance(self.seed, "too large", self.alias(key.image_id)) < _SHARE
        return Fault.IMAGE_TOO_LARGE if is_too_large else super().nature_of(key)


@pytest.mark.parametrize("seed", ["fleets.7", "fleets.17", "fleets.21", "fleets.33"])
def test_images_that_run_out_of_memory_get_verdicts_on_the_larger_fleet_and_both_go_to_zero(
    seed: str,
) -> None:
    """Whatever befalls them: no image is lost, spend stays capped, and nothing runs when nothing waits."""
    world = Studio(seed)

    episode = live(world)

    assert episode.violations == ()
    moved = [row for row in world.rows.values() if row.fleet == LARGE]
    assert moved
    assert {world.nature_of(row.key) for row in moved} == {Fault.IMAGE_TOO_LARGE}
    assert {row.status for row in moved} <= {Status.ENRICHED, Status.VLM_FAILED, Status.ERASED}
    assert not [row for row in world.rows.values() if (row.last_error or "").startswith("oom")]
    assert Status.ENRICHED in {row.status for row in moved}
    assert [(len(crew.fleet.members), crew.fleet.desired) for crew in world.crews.values()] == [(0, 0)] * 2
    assert world.crews[LARGE].group.paid_s > 0
