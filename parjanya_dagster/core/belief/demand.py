"""Demand: everything that waits for an instance, and the part of it that one could work on now.

Demand that counts one kind only scales to zero with a backlog (SkyPilot PR 9927); demand that counts what
is in back-off keeps a GPU awake for nothing.
"""

from dataclasses import dataclass

from parjanya_dagster.core.belief.signals import Blind, QueueSignal, StepsSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What waits, in images; a Dagster step counts as one.

    Args:
        visible: messages that can be received now.
        in_flight: messages that are hidden: held by a worker, or in back-off.
        delayed: messages that were sent with a delay.
        gaps: rows that are due and have no message yet.
        steps: Dagster steps queued or leased, each of which takes a whole instance.
        is_held: some worker holds messages, or may do so; else whatever is in flight is in back-off.
        blind: what could not be read; its numbers are 0 here and unknown in truth.
    """

    visible: int = 0
    in_flight: int = 0
    delayed: int = 0
    gaps: int = 0
    steps: int = 0
    is_held: bool = True
    blind: tuple[Blind, ...] = ()

    @property
    def live(self) -> int:
        """What an instance could work on now: the part that is not in back-off, ≥ 0."""
        return self.visible + self.gaps + self.steps + (self.in_flight if self.is_held else 0)

    @property
    def images(self) -> int:
        """What a fleet must be large enough for; 0 while nothing of it can be worked on."""
        if not self.live:
            return 0
        return self.visible + self.in_flight + self.delayed + self.gaps + self.steps

    @property
    def words(self) -> str:
        """The demand for a person, e.g. `12 visible, 3 in flight`."""
        counts = {
            "visible": self.visible,
            "in flight" if self.is_held else "in flight in back-off": self.in_flight,
            "delayed": self.delayed,
            "without a job yet": self.gaps,
            "steps": self.steps,
        }
        unread = [f"{each.signal} unreadable" for each in self.blind]
        return ", ".join([*(f"{count} {name}" for name, count in counts.items() if count), *unread]) or "none"


def demand_of(*, queue: QueueSignal, steps: StepsSignal | None, gaps: int, is_held: bool) -> Demand:
    """Return the demand that these readings show.

    Args:
        steps: None where they were not looked at.
        gaps: rows that are due and have no message.
        is_held: see `Demand`.
    """
    depth = None if isinstance(queue, Blind) else queue.value
    return Demand(
        visible=depth.visible if depth else 0,
        in_flight=depth.in_flight if depth else 0,
        delayed=depth.delayed if depth else 0,
        gaps=gaps,
        steps=0 if steps is None or isinstance(steps, Blind) else steps.value,
        is_held=is_held,
        blind=tuple(each for each in (queue, steps) if isinstance(each, Blind)),
    )
