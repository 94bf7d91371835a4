"""A snapshot: one reading of Truth and Belief, everything `plan` may look at."""

from dataclasses import dataclass

from parjanya_dagster.core.belief.signals import FleetSignal, QueueSignal, StepsSignal
from parjanya_dagster.core.ports import EmptyReadings
from parjanya_dagster.core.truth.row import ImageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One reading of the world.

    Args:
        gaps: heads that may wait for the reconciler, re-read consistently.
        outstanding: heads whose job was sent long enough ago to ask after it, re-read consistently.
        queue: the intents queue.
        dead_letters: its dead-letter queue.
        fleet: the workers' group.
        steps: Dagster steps queued or leased; None where only an event's rows were looked at.
        empty_queues: how long both queues have read empty, before this reading.
        empty_demand: how long there has been no demand, before this reading.
        whole: True for a sweep (indexes were read); False when only an event's keys were looked at.
    """

    gaps: tuple[ImageRow, ...] = ()
    outstanding: tuple[ImageRow, ...] = ()
    queue: QueueSignal
    dead_letters: QueueSignal
    fleet: FleetSignal
    steps: StepsSignal | None = None
    empty_queues: EmptyReadings | None = None
    empty_demand: EmptyReadings | None = None
    whole: bool = True
