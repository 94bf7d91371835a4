"""The meter of a drain: what concluded attempts came to, for reports and for CloudWatch.

It writes a line per bucket every few seconds. Anybody may note, from any thread; only the drain's own thread
writes, so that no lock is held while the log is.
"""

import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final

from gpu_worker.effects import ReportAttempt
from gpu_worker.journal import outcome_name
from gpu_worker.metrics import Attempt, documents
from gpu_worker.phases import Phase
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.execution.outcome import Completed, TerminalFailure
from parjanya_dagster.core.names import USUAL_FLEET

_EVERY_S: Final = 10.0

log = logging.getLogger("gpu_worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a drain came to so far.

    Args:
        outcomes: attempts by outcome.
        phases: seconds of all images together, by phase.
        settled: `tenant#image` of every image that was given a durable outcome.
        settled_at: when the last of them was, by the monotonic clock.
    """

    outcomes: Mapping[str, int]
    phases: Mapping[str, float]
    settled: tuple[str, ...]
    settled_at: float


class Meter:
    """Counts of one drain.

    Args:
        engine: name of the engine that answers.
    """

    def __init__(self, platform: Platform, *, engine: str) -> None:
        self._outcomes: Counter[str] = Counter()
        self._phases = {phase.value: 0.0 for phase in Phase}
        self._settled: list[str] = []
        self._settled_at = time.monotonic()
        self._platform = platform
        self._engine = engine
        self._unwritten: list[Attempt] = []
        self._written_at = time.monotonic()
        self._lock = Lock()

    def note(self, attempt: ReportAttempt) -> None:
        """Count an attempt."""
        outcome = outcome_name(attempt.outcome)
        with self._lock:
            self._outcomes[outcome] += 1
            for phase, seconds in attempt.seconds.items():
                self._phases[phase] += seconds
            self._unwritten.append(Attempt(bucket=attempt.bucket, outcome=outcome, seconds=attempt.seconds))
            if attempt.job is not None and isinstance(attempt.outcome, Completed | TerminalFailure):
                self._settled.append(str(attempt.job.key))
                self._settled_at = time.monotonic()

    def totals(self) -> Totals:
        """Return what was noted so far."""
        with self._lock:
            return Totals(
                outcomes=dict(self._outcomes),
                phases=dict(self._phases),
                settled=tuple(self._settled),
                settled_at=self._settled_at,
            )

    def write(self, *, is_last: bool = False) -> None:
        """Write what was noted since the last time, if that is a while ago or this is the last time."""
        if not is_last and time.monotonic() - self._written_at < _EVERY_S:
            return
        self._written_at = time.monotonic()
        with self._lock:
            attempts, self._unwritten = self._unwritten, []
        fleet = self._platform.fleet_name or USUAL_FLEET
        for document in documents(attempts, fleet=fleet, engine=self._engine, at=self._platform.clock()):
            log.info("images_measured", extra=document)
