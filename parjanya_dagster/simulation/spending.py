"""Spending: what the fleet costs, looked at whenever it could cost more."""

from collections.abc import Callable
from typing import Final

from parjanya_dagster.core.reconcile.capacity import CapacityLimits

_PROMISE: Final = "spend stays within the cap"
_SECONDS_PER_HOUR: Final = 3600
_CENT: Final = 1e-6
"""What adding up floats may be off by."""


class Spending:
    """The account of one world.

    Args:
        limits: prices, and what may be paid.
        report: told of a broken promise, as (invariant, detail).
    """

    def __init__(self, limits: CapacityLimits, report: Callable[[str, str], None]) -> None:
        self._price = limits.usd_per_instance_hour
        self._most = limits.max_instances
        self._cap = limits.price_cap_usd_per_hour
        self._report = report

    def ordered(self, instances: int) -> None:
        """Look at how many instances are desired, or are there: each is paid for."""
        usd = instances * self._price
        if instances > self._most:
            self._report(_PROMISE, f"{instances} instances of {self._most}")
        elif self._cap is not None and usd > self._cap + _CENT:
            self._report(_PROMISE, f"{instances} instances cost ${usd:.2f} an hour of ${self._cap:.2f}")

    def paid(self, instance_s: float, world_s: float) -> None:
        """Look at the bill of a whole world.

        Args:
            instance_s: seconds of all instances together, from launch to end.
            world_s: seconds that the world has lasted.
        """
        usd = instance_s * self._price / _SECONDS_PER_HOUR
        per_hour = self._most * self._price if self._cap is None else self._cap
        allowed = per_hour * world_s / _SECONDS_PER_HOUR
        if usd > allowed + _CENT:
            self._report(_PROMISE, f"${usd:.4f} in {world_s:.0f} s, of ${allowed:.4f}")
