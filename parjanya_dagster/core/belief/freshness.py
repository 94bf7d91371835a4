"""Freshness: a reading that is too old says nothing about now."""

from datetime import datetime, timedelta
from typing import TypeVar

from parjanya_dagster.core.belief.signals import Blind, Reading

T = TypeVar("T")


def sighted(signal: Reading[T] | Blind, *, name: str, life: timedelta, now: datetime) -> Reading[T] | Blind:
    """Return the signal, or Blind when it was read longer ago than `life`.

    Args:
        name: what the signal is called where it is reported, e.g. `queue.depth`.
    """
    if isinstance(signal, Blind) or now - signal.at <= life:
        return signal
    age_s = (now - signal.at).total_seconds()
    return Blind(signal=name, reason=f"stale: it was read {age_s:.0f} s ago", at=now)
