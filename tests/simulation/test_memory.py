"""Worlds in which the engine runs out of memory: about an image among others, or about one alone."""

import pytest

from parjanya_dagster.simulation.faults import Fault
from parjanya_dagster.simulation.sweep import Story, told


@pytest.mark.parametrize(
    ("fault", "outcomes"),
    [
        (Fault.ENGINE_OUT_OF_MEMORY, {"completed": 4}),
        (Fault.IMAGE_TOO_LARGE, {"completed": 3, "terminal_failure": 1}),
    ],
)
def test_world_without_room_for_an_image_decides_every_other(fault: Fault, outcomes: dict[str, int]) -> None:
    """Memory costs at most the image that has no room anywhere, with no retry, crash or blame."""
    story = Story(name="no room", given=((fault.value, "acme/2"),), uploads=4, chaos_s=300)

    episode = told(story)

    assert episode.violations == ()
    assert dict(episode.outcomes) == outcomes
