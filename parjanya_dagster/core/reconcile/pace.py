"""Pace: a token bucket, so that what is put back does not fall over the ones that wait."""

from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from typing import Final, Self

_SECONDS_PER_MINUTE: Final = 60
_MILLIS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """A bucket that fills steadily and holds a second's worth, at least one.

    Args:
        per_minute: tokens that flow in per minute, > 0.
        tokens: in the bucket at `at`, ≥ 0.
    """

    per_minute: float
    tokens: float
    at: datetime

    @classmethod
    def starting(cls, per_minute: float, *, now: datetime) -> Self:
        """Return a bucket with one token."""
        return cls(per_minute=per_minute, tokens=1, at=now)

    def refilled(self, now: datetime) -> Self:
        """Return the bucket at a later time; a clock that went back adds nothing."""
        flowed = max((now - self.at).total_seconds(), 0.0) * self.per_minute / _SECONDS_PER_MINUTE
        size = max(1.0, self.per_minute / _SECONDS_PER_MINUTE)
        return replace(self, tokens=min(size, self.tokens + flowed), at=now)

    @property
    def wait_s(self) -> float:
        """Seconds until a token is there, in whole milliseconds; 0 when one is."""
        missing = max(0.0, 1 - self.tokens)
        return ceil(missing * _SECONDS_PER_MINUTE / self.per_minute * _MILLIS) / _MILLIS

    def taken(self) -> Self:
        """Return the bucket without one token."""
        return replace(self, tokens=max(0.0, self.tokens - 1))
