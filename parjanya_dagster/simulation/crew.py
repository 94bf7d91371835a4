"""A crew: one fleet of a world with its group, what its workers work on, and the account of what it costs."""

from collections.abc import Callable
from typing import Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.simulation.draws import between
from parjanya_dagster.simulation.fakes.calls import Calls, suffix_of
from parjanya_dagster.simulation.fakes.fleet import FakeFleet
from parjanya_dagster.simulation.faults import Chaos, Fault
from parjanya_dagster.simulation.instances import Group
from parjanya_dagster.simulation.invariants import Watch
from parjanya_dagster.simulation.kernel import Kernel
from parjanya_dagster.simulation.spending import Spending
from parjanya_dagster.simulation.worker import Worker

_RESTART_S: Final = 5.0
_AGAIN_S: Final = (1.0, 180.0)
"""When a call that was delivered twice takes effect for the second time."""
_OF_ITS_SIZE: Final = frozenset({Fault.ENGINE_OUT_OF_MEMORY, Fault.IMAGE_TOO_LARGE})
"""What an image does to an engine on the usual instances, and not on larger ones."""


class Crew:
    """One fleet of a world.

    Args:
        name: of an extra fleet, whose instances are larger; None for the usual one.
        fleet: what the product sees of the group.
        platform: returns the platform as its workers have it.
        nature: what an image does to the usual engine; None for nothing unusual.
        on_outcome: told how each attempt concluded.
    """

    def __init__(
        self,
        kernel: Kernel,
        chaos: Chaos,
        calls: Calls,
        watch: Watch,
        *,
        seed: str,
        name: str | None,
        fleet: FakeFleet,
        spending: Spending,
        platform: Callable[[], Platform],
        nature: Callable[[ImageKey], Fault | None],
        on_outcome: Callable[[str], None],
    ) -> None:
        self.fleet = fleet
        self.spending = spending
        self._kernel = kernel
        self._calls = calls
        self._watch = watch
        self._seed = seed
        self._name = name
        self._platform = platform
        self._nature = nature
        self._on_outcome = on_outcome
        self.group = Group(
            kernel,
            chaos,
            fleet,
            seed=seed,
            occupy=self._occupy,
            on_launched=spending.ordered,
            label=f"{name}-" if name else "",
        )
        fleet.on_desired = self._desired
        fleet.on_twice = self._set_again

    def _occupy(self, instance_id: str) -> Worker:
        """Start a worker; when it dies and its instance lives, start another."""
        worker = Worker(
            self._kernel,
            self._platform(),
            label=f"worker {instance_id}",
            nature=self._nature_here,
            instance_id=instance_id,
            set_protection=lambda is_protected: self._protect(instance_id, is_protected=is_protected),
            on_outcome=self._on_outcome,
        )
        worker.process.on_death = lambda: self._kernel.after(_RESTART_S, lambda: self._restart(instance_id))
        return worker

    def _nature_here(self, key: ImageKey) -> Fault | None:
        nature = self._nature(key)
        return None if self._name and nature in _OF_ITS_SIZE else nature

    def _desired(self, before: int, after: int) -> None:
        self._watch.desired(before, after, self._kernel.current, fleet=self._name)
        self.spending.ordered(after)
        self.group.desired_changed()

    def _set_again(self, desired: int) -> None:
        actor = self._kernel.current
        where = f"{actor.label}@{actor.calls}" if actor else "nobody"
        delay_s = between(*_AGAIN_S, self._seed, "set again", where)
        self._kernel.promise(delay_s, lambda: self.fleet.again(desired))

    def _protect(self, instance_id: str, *, is_protected: bool) -> None:
        with self._calls(f"instance.protect{suffix_of(self._name)}"):
            self.group.protect(instance_id, protected=is_protected)

    def _restart(self, instance_id: str) -> None:
        member = self.group.instance(instance_id)
        if member is not None and member.is_in_service:
            self.group.occupied_by(instance_id, self._occupy(instance_id))
