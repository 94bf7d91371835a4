"""The boot breaker: a launch template whose boots fail in a row is launched no more for a while.

Without it a broken image is relaunched for ever, paid by the minute, and nobody is told (SageMaker: 35
minutes of "Creating"). Its state follows from the marks in Truth alone, so that all planes see the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from parjanya_dagster.core.reconcile.capacity_memory import BootMark, CapacityMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """When it opens, and for how long.

    Args:
        failures: boots of one version that fail in a row, ≥ 1.
        first_pause: it stays open for this long after the last of them; doubles with each further one.
        longest_pause: upper bound of that.
    """

    failures: int = 3
    first_pause: timedelta = timedelta(minutes=5)
    longest_pause: timedelta = timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The breaker of one version of the launch template.

    Args:
        failed: the boots that failed in a row until now, oldest first.
        since: when it opened; None while it is closed.
        until: when one launch is tried again; None while it is closed.
    """

    version: str
    failed: tuple[BootMark, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Nothing may be launched from this version."""
        return self.until is not None and now < self.until

    def is_trying(self, now: datetime) -> bool:
        """The pause is over, and one launch decides."""
        return self.until is not None and now >= self.until

    @property
    def words(self) -> str:
        """Why it is open, for a person."""
        if not self.failed or self.until is None:
            return f"template version {self.version} boots"
        return (
            f"{len(self.failed)} boots of template version {self.version} failed in a row, the last of "
            f"'{self.failed[-1].error}'; tried again at {self.until:%H:%M}"
        )


def breaker_of(memory: CapacityMemory, version: str, limits: BreakerLimits) -> Breaker:
    """Return the breaker of a version; one success closes it."""
    own = [each for each in reversed(memory.marks) if each.version == version]
    failed = tuple(reversed(list(takewhile(lambda each: each.error is not None, own))))
    if len(failed) < limits.failures:
        return Breaker(version=version, failed=failed)
    return Breaker(
        version=version,
        failed=failed,
        since=failed[limits.failures - 1].at,
        until=failed[-1].at + _pause(failed, limits),
    )


def fallback_version(memory: CapacityMemory, version: str, limits: BreakerLimits) -> str | None:
    """Return the last version that came up and may be launched instead of `version`, or None."""
    good = memory.good_version
    if good is None or good == version or breaker_of(memory, good, limits).until is not None:
        return None
    return good


def _pause(failed: Sequence[BootMark], limits: BreakerLimits) -> timedelta:
    doublings = min(len(failed) - limits.failures, 16)
    return min(limits.first_pause * float(2**doublings), limits.longest_pause)
