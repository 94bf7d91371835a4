"""In-memory twin of the executor's count of open steps."""

from collections.abc import Callable
from datetime import datetime

from parjanya_dagster.core.belief.signals import Blind, Reading, StepsSignal
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.simulation.fakes.calls import Calls


class FakeStepBacklog:
    """As many open steps as a test says."""

    def __init__(self, clock: Callable[[], datetime], calls: Calls | None = None) -> None:
        self.count = 0
        self._clock = clock
        self._calls = calls or Calls()

    def open_steps(self) -> StepsSignal:
        """See `StepBacklog`; Blind when a test asked `steps.open` to fail."""
        try:
            with self._calls("steps.open"):
                return Reading(value=self.count, at=self._clock())
        except EdgeError as error:
            return Blind(signal="steps.open", reason=str(error), at=self._clock())
