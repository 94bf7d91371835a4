"""Readings of Truth as Belief has them: a value with its time, or Blind with the reason."""

from collections.abc import Callable
from typing import TypeVar

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.belief.signals import Blind, Reading
from parjanya_dagster.core.errors import EdgeError

T = TypeVar("T")


def reading_of(platform: Platform, signal: str, read: Callable[[], T]) -> Reading[T] | Blind:
    """Return what `read` returns, or that `signal` cannot be read now."""
    try:
        return Reading(value=read(), at=platform.clock())
    except EdgeError as error:
        return Blind(signal=signal, reason=str(error), at=platform.clock())
