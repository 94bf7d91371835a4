"""In-memory twin of the workers' Auto Scaling group."""

from collections.abc import Callable
from datetime import datetime

from parjanya_dagster.core.belief.signals import Blind, FleetSignal, FleetSize, Reading
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.simulation.fakes.calls import Calls


class FakeFleet:
    """A group whose instances are in service at once, unless `boots` is switched off."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        calls: Calls | None = None,
        *,
        desired: int = 0,
        min_size: int = 0,
        max_size: int = 4,
    ) -> None:
        self.desired = desired
        self.in_service = desired
        self.boots = True
        self._min_size = min_size
        self._max_size = max_size
        self._clock = clock
        self._calls = calls or Calls()

    def size(self) -> FleetSignal:
        """See `Fleet`; Blind when a test asked `fleet.size` to fail."""
        try:
            with self._calls("fleet.size"):
                size = FleetSize(
                    desired=self.desired,
                    in_service=self.in_service,
                    min_size=self._min_size,
                    max_size=self._max_size,
                )
                return Reading(value=size, at=self._clock())
        except EdgeError as error:
            return Blind(signal="fleet.size", reason=str(error), at=self._clock())

    def set_desired(self, desired: int) -> None:
        """See `Fleet`."""
        with self._calls("fleet.set_desired"):
            if not self._min_size <= desired <= self._max_size:
                raise EdgeError(f"desired {desired} is outside [{self._min_size}, {self._max_size}]")
            self.desired = desired
            if self.boots or desired < self.in_service:
                self.in_service = desired
