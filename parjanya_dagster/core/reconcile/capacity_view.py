"""What capacity looks at: the queue, the group, what workers say, and what was learned."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from parjanya_dagster.core.belief.boot import BootsSignal
from parjanya_dagster.core.belief.pulse import PulsesSignal
from parjanya_dagster.core.belief.signals import (
    Blind,
    FleetSignal,
    LaunchesSignal,
    QueueSignal,
    StepsSignal,
)
from parjanya_dagster.core.ports import EmptyReadings
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.capacity_memory import CapacityMemory, learned_from
from parjanya_dagster.core.reconcile.capacity_plan import Learned


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityView:
    """One reading of everything capacity knows beside the queue and the group.

    Args:
        memory: what was learned, or Blind.
        rates: images per second that drains measured, oldest first.
        pulses: the last pulse of each instance; None where they were not looked at.
        boots: the newest boots; None where they were not looked at.
        launches: the group's newest launches; None where they were not looked at.
        quiet: since when nothing has waited, as remembered.
        surplus: since when the fleet has been larger than the demand needs, as remembered.
    """

    memory: CapacityMemory | Blind = field(default_factory=CapacityMemory)
    rates: tuple[float, ...] = ()
    pulses: PulsesSignal | None = None
    boots: BootsSignal | None = None
    launches: LaunchesSignal | None = None
    quiet: EmptyReadings | None = None
    surplus: EmptyReadings | None = None

    @property
    def known(self) -> CapacityMemory:
        """What was learned; nothing while that cannot be read."""
        return CapacityMemory() if isinstance(self.memory, Blind) else self.memory

    @property
    def blind(self) -> tuple[Blind, ...]:
        """What could not be read."""
        parts = (self.memory, self.pulses, self.boots, self.launches)
        return tuple(each for each in parts if isinstance(each, Blind))

    def knowing(self, memory: CapacityMemory) -> "CapacityView":
        """Return the view with this memory; a Blind one stays Blind."""
        return self if isinstance(self.memory, Blind) else replace(self, memory=memory)

    def learned(self, limits: CapacityLimits, *, is_warm: bool) -> Learned:
        """Return the estimates for the next instance, launched or out of the warm pool."""
        return learned_from(self.known, self.rates, prior=limits.prior(is_warm=is_warm), is_warm=is_warm)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReading:
    """Everything that the fleet's actions follow from.

    Args:
        gaps: rows that are due and have no message yet, ≥ 0.
        steps: Dagster steps queued or leased; None where they were not looked at.
        whole: False when only an event's rows were looked at; such a look lowers nothing.
        reading_gap: two readings further apart than this do not prove the time between them.
    """

    queue: QueueSignal
    fleet: FleetSignal
    view: CapacityView
    gaps: int
    steps: StepsSignal | None = None
    whole: bool = True
    reading_gap: timedelta

    @property
    def blind(self) -> tuple[Blind, ...]:
        """What could not be read; anything at all forbids to lower."""
        parts = (self.queue, self.steps, self.fleet)
        return (*self.view.blind, *(each for each in parts if isinstance(each, Blind)))

    @property
    def may_lower(self) -> bool:
        """Everything was looked at, and could be read."""
        return self.whole and not self.blind
