"""Stories that mutants are told: small worlds in which one thing goes wrong, as it did for somebody.

Each is told several times over, with other delays, so that no mutant hides behind a coincidence.
"""

from dataclasses import replace
from typing import Final

from parjanya_dagster.simulation.faults import Deed, Fault, Place
from parjanya_dagster.simulation.sweep import Story

_RECORDS: Final = 12


def _of_one(name: str, *given: Place, chaos_s: int = 600, uploads: int = 1) -> Story:
    return Story(name=name, given=given, chaos_s=chaos_s, uploads=uploads)


def _happens(fault: Fault, *, uploads: int = 1) -> tuple[Place, ...]:
    return tuple((fault.value, f"acme/{number}") for number in range(1, uploads + 1))


UPLOAD: Final = _of_one("an upload becomes a verdict")
SILENT_STREAM: Final = _of_one(
    "the stream says nothing",
    *((Fault.STREAM_RECORD_LOST.value, f"acme/1#{number}") for number in range(1, _RECORDS)),
)
REPLAY: Final = _of_one("a verdict is asked for again", (Deed.REPLAY.value, "all"))
PURGES: Final = _of_one(
    "the queue is purged, and purged again",
    *((Fault.QUEUE_PURGED.value, str(number)) for number in range(3)),
    uploads=6,
)
LATE_UPLOAD: Final = _of_one("an upload comes late", *_happens(Fault.UPLOAD_CAME_LATE), chaos_s=1800)
FORGOTTEN_ROW: Final = _of_one("a row is forgotten", *_happens(Fault.ROW_FORGOTTEN), chaos_s=1800)
DEADLY_FILE: Final = _of_one("a file kills the decoder", *_happens(Fault.DECODER_KILLED), chaos_s=900)
DEADLY_IMAGE: Final = _of_one("an image kills the engine", *_happens(Fault.ENGINE_KILLED), chaos_s=900)


def told_again(story: Story, number: int) -> Story:
    """Return the story with other delays; the first one is the story itself."""
    return replace(story, name=f"{story.name} {number}") if number else story
