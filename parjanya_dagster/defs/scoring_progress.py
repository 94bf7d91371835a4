"""The progress of a drain as Dagster shows it: lines of the log and, more rarely, observations of the asset.

Each of them is a row of the event log for ever. So neither speaks of single images, nor of nothing new.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import dagster as dg

from gpu_worker.drain import DrainReport
from gpu_worker.phases import Phase
from parjanya_dagster.defs.metadata import counted, table

_LOG_EVERY_S: Final = 10.0
_OBSERVE_EVERY_S: Final = 30.0


class Progress:
    """What listens to one drain.

    Args:
        images: what was planned, as `tenant#image`.
        instances: that share them.
        waiting: how many of them were last seen unsettled, whoever may have scored them since.
        log: takes lines.
        observe: takes metadata of the asset.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        images: Collection[str],
        *,
        instances: int,
        waiting: Callable[[], int],
        log: Callable[[str], object],
        observe: Callable[[Mapping[str, Any]], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._images = frozenset(images)
        self._instances = instances
        self._waiting = waiting
        self._log = log
        self._observe = observe
        self._clock = clock
        self._logged_at = self._observed_at = clock()
        self._logged, self._observed = "", 0

    def listen(self, report: DrainReport) -> None:
        """Log and observe what changed, each now and then."""
        now, attempts = self._clock(), sum(report.outcomes.values())
        if now - self._logged_at >= _LOG_EVERY_S and (text := self.line(report)) != self._logged:
            self._logged_at, self._logged = now, text
            self._log(text)
        if now - self._observed_at >= _OBSERVE_EVERY_S and attempts != self._observed:
            self._observed_at, self._observed = now, attempts
            self._observe(self.metadata(report))

    def line(self, report: DrainReport) -> str:
        """Return what was done, how fast, and how long the rest will take."""
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(report.outcomes.items()))
        left, left_s = self._left(report), self._left_s(report)
        rest = f"{left} left" if left_s is None else f"{left} left, about {left_s:.0f} s"
        return f"{outcomes or 'nothing yet'}; {report.images_per_s:.1f} images/s; {rest}"

    def metadata(self, report: DrainReport) -> dict[str, Any]:
        """Return the drain so far as metadata: numbers that Dagster plots, and tables."""
        left_s = self._left_s(report)
        known = {} if left_s is None else {"seconds_left": round(left_s)}
        return {
            "images_done": len(report.settled),
            "images_left": self._left(report),
            "images_per_s": round(report.images_per_s, 2),
            **known,
            "outcomes": counted(report.outcomes, of="outcome", unit="attempts"),
            "where_time_goes": time_table(report.phases, attempts=sum(report.outcomes.values())),
        }

    def _left(self, report: DrainReport) -> int:
        return min(len(self._images.difference(report.settled)), self._waiting())

    def _left_s(self, report: DrainReport) -> float | None:
        """Return how long the rest takes if all instances go on as this one did; None before it began."""
        if not report.images_per_s:
            return None
        return self._left(report) / (report.images_per_s * self._instances)


def time_table(phases: Mapping[str, float], *, attempts: int) -> dg.MetadataValue[Any]:
    """Return where the time of images went, as a table; shares leave out the queue, where nobody works.

    Args:
        phases: seconds of all images together, by phase.
        attempts: how many images that were.
    """
    working_s = sum(seconds for phase, seconds in phases.items() if phase != Phase.QUEUE)
    return table(
        {
            "phase": phase.value,
            "s_per_image": round(phases[phase] / attempts, 3),
            "percent": 0.0 if phase is Phase.QUEUE else round(100 * phases[phase] / (working_s or 1.0), 1),
        }
        for phase in Phase
        if phases.get(phase)
    )
