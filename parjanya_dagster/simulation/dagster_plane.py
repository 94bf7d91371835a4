"""The second plane: what Dagster's sensor and schedules run of the product, without Dagster itself."""

from collections.abc import Callable, Sequence
from typing import Final

from parjanya_dagster.control.adopt import adopt_object, objects_without_progress
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.reconcile import Cycle, reconcile_world
from parjanya_dagster.simulation.coverage import action_name
from parjanya_dagster.simulation.kernel import MS_PER_S, Kernel, Process

SENSOR_EVERY_S: Final = 60.0
_AUDIT_EVERY: Final = 15
"""Sensor ticks between two looks at every object; in real life a night."""
_DEADLINE_S: Final = 300


class DagsterPlane:
    """A sensor that reconciles, and a schedule that adopts.

    Args:
        tenants: whose objects are looked at.
        on_cycle: told of every cycle of reconciliation.
        on_action: told the name of every other action.
    """

    def __init__(
        self,
        kernel: Kernel,
        platform: Platform,
        *,
        tenants: Sequence[str],
        on_cycle: Callable[[Cycle], None],
        on_action: Callable[[str], None],
    ) -> None:
        self.down_until_ms = 0
        self._kernel = kernel
        self._platform = platform
        self._tenants = tenants
        self._on_cycle = on_cycle
        self._on_action = on_action
        self._ticks = 0

    def tick_for_ever(self) -> None:
        """Tick now, and every minute from now on."""
        self._ticks += 1
        self._kernel.after(SENSOR_EVERY_S, self.tick_for_ever)
        if self._kernel.now_ms < self.down_until_ms:
            return
        self._kernel.steps += 1
        self._run(f"sensor {self._ticks}", lambda: self._on_cycle(reconcile_world(self._platform)))
        if self._ticks % _AUDIT_EVERY == 0:
            self._run(f"audit {self._ticks}", self._adopt)

    def _adopt(self) -> None:
        for tenant_id in self._tenants:
            for action in list(objects_without_progress(self._platform, tenant_id)):
                self._on_action(action_name(action))
                adopt_object(self._platform, action.key, action.info)

    def _run(self, label: str, body: Callable[[], object]) -> None:
        deadline_ms = self._kernel.now_ms + _DEADLINE_S * MS_PER_S
        self._kernel.spawn(Process(label, "dagster", deadline_ms=deadline_ms), label, body)
