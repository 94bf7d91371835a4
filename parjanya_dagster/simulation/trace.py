"""Traces: everything that happened in a world that broke a promise, cut down to what it takes.

A trace is a seed and a list of faults and deeds with their places. Played again, nothing else happens.

Source: Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28(2), 2002
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.simulation.episode import Episode, play
from parjanya_dagster.simulation.faults import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What it takes to play a world again."""

    seed: str
    places: tuple[Place, ...]

    def document(self) -> dict[str, Any]:
        """Return the trace as it is written to files."""
        return {"seed": self.seed, "happened": [list(place) for place in self.places]}

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """Return the trace in a file.

        Raises:
            InvalidRequestError: the file holds no trace.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            places = tuple((str(what), str(where)) for what, where in document["happened"])
            return cls(seed=str(document["seed"]), places=places)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidRequestError(f"{path} holds no trace of the simulator: {error}") from error

    def played(self) -> Episode:
        """Play it."""
        return play(self.seed, only=self.places)


def shrunk(episode: Episode, *, tries: int = 400) -> Trace:
    """Return the shortest trace found that breaks the same promise as an episode did.

    Args:
        tries: worlds played at most.
    """
    broken = {violation.invariant for violation in episode.violations}

    def breaks(places: Sequence[Place]) -> bool:
        again = play(episode.seed, only=places)
        return bool(broken & {violation.invariant for violation in again.violations})

    return Trace(seed=episode.seed, places=tuple(minimal(episode.happened, breaks, tries=tries)))


def minimal(
    items: Sequence[Place], breaks: Callable[[Sequence[Place]], bool], *, tries: int
) -> Sequence[Place]:
    """Return a subset from which no piece can be taken away, by halves, quarters and so on.

    Args:
        breaks: whether a subset still shows what all of them show.
    """
    pieces = 2
    while len(items) > 1 and tries > 0:
        size = max(1, len(items) // pieces)
        for start in range(0, len(items), size):
            rest = [*items[:start], *items[start + size :]]
            tries -= 1
            if breaks(rest):
                items, pieces = rest, max(pieces - 1, 2)
                break
            if tries <= 0:
                return items
        else:
            if size == 1:
                return items
            pieces = min(2 * pieces, len(items))
    return items
