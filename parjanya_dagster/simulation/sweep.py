"""Sweeps: a small story, played once for every single thing that can go wrong in it.

A story without faults is played first, and every place in it is noted; then each place gets each of its
faults, one at a time. Nothing is left to chance.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.simulation.climate import Climate
from parjanya_dagster.simulation.episode import Episode, live
from parjanya_dagster.simulation.faults import Deed, Fault, Place
from parjanya_dagster.simulation.world import World

_CRASHES: Final = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER)
_FAILURES: Final = (Fault.UNAVAILABLE, Fault.ANSWER_LOST, Fault.SLOW)
_STALE: Final = (Fault.STALE_INDEX, Fault.STALE_COUNT, Fault.DELIVERED_TWICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A small story.

    Args:
        uploads: images that are sent.
        deeds: what people do besides; `(deed, place)`.
        given: faults that are part of the story.
        chaos_s: how long it takes until its calm.
    """

    name: str
    uploads: int = 1
    given: tuple[Place, ...] = ()
    chaos_s: int = 150
    receive_limit: int = 100

    @property
    def climate(self) -> Climate:
        """The numbers of its world."""
        limits = Limits(upload_url_life=timedelta(minutes=5), longest_transfer=timedelta(minutes=10))
        return Climate(
            limits=limits,
            tenants=("acme",),
            uploads=self.uploads,
            chaos_s=self.chaos_s,
            index_lag_s=0.5,
            warm=1,
            receive_limit=self.receive_limit,
        )

    @property
    def places(self) -> tuple[Place, ...]:
        """What happens in it when nothing goes wrong."""
        uploads = ((Deed.UPLOAD.value, f"acme/{number}") for number in range(1, self.uploads + 1))
        return (*uploads, *self.given)


STORIES: Final = (
    Story(name="one upload becomes a verdict"),
    Story(name="a replay", given=((Deed.REPLAY.value, "all"),), chaos_s=240),
    Story(name="the queue is purged", given=((Fault.QUEUE_PURGED.value, "0"),), chaos_s=300),
    Story(name="an upload never comes", given=((Fault.UPLOAD_NEVER_CAME.value, "acme/1"),), chaos_s=1020),
    Story(name="an upload comes late", given=((Fault.UPLOAD_CAME_LATE.value, "acme/1"),), chaos_s=1800),
    Story(name="an image kills the engine", given=((Fault.ENGINE_KILLED.value, "acme/1"),), chaos_s=420),
    Story(name="a row is forgotten", given=((Fault.ROW_FORGOTTEN.value, "acme/1"),), chaos_s=1800),
)


def told(story: Story, *further: Place) -> Episode:
    """Play a story in which further things happen."""
    return live(World(story.name, only=(*story.places, *further), climate=story.climate))


def places_of(story: Story) -> list[Place]:
    """Return every single thing that can go wrong in a story, and where."""
    noted: list[Place] = []
    world = World(story.name, only=story.places, climate=story.climate)
    world.chaos.on_place = lambda fault, where: noted.append((fault.value, where))
    live(world)
    return list(dict.fromkeys(noted))


def swept(story: Story, *, is_wanted: Callable[[Fault], bool]) -> Iterator[tuple[Place, Episode]]:
    """Play a story once for each thing that can go wrong in it; yield that and what came of it."""
    for what, where in places_of(story):
        if is_wanted(Fault(what)):
            yield (what, where), told(story, (what, where))
