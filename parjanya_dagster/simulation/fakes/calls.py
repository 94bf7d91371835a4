"""What was called on the fakes, and the failures a test asks for.

One journal is shared by every fake of a platform, so that a test can say "the second cycle writes
nothing", or "crash after this side effect", without a patch.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

WRITES: Final = frozenset(
    {
        "images.create",
        "images.write",
        "images.put_facts",
        "images.put_result",
        "queue.send",
        "queue.delete",
        "queue.extend",
        "dead_letters.delete",
        "objects.put",
        "buckets.ensure",
        "control.register_tenant",
        "control.put_token",
        "control.publish_policy",
        "control.beat",
        "heart.beat",
        "control.remember_empty_readings",
        "control.take_lease",
        "archive.delete_versions",
        "archive.remove_bucket",
        "archive.delete_evidence",
        "archive.bury",
        "archive.forget_tokens",
        "archive.forget_tenant",
        "records.put",
        "records.create",
        "records.replace",
        "records.remove",
        "records.add",
        "fleet.set_desired",
        "fleet.terminate",
        "fleet.use_template",
    }
)


def suffix_of(fleet: str | None) -> str:
    """Return what names of calls end with that concern an extra fleet's queue or group."""
    return f"@{fleet}" if fleet else ""


def method_of(name: str) -> str:
    """Return the port's method that a call is of, whatever fleet it concerns."""
    return name.partition("@")[0]


class Twist(StrEnum):
    """What a service may do with a call without breaking its word."""

    STALE = "stale"
    """Answer from what was so a while ago: index reads and queue counts only."""
    TWICE = "twice"
    """Deliver a message that somebody else still holds, or carry out a call once more, later."""


@dataclass(slots=True)
class _Failure:
    error: BaseException
    times: int
    after: bool


class Calls:
    """Journal of calls, named `port.method`.

    Args:
        twist: what the call under way does; asked by the fakes, set by the simulator.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.twist: Twist | None = None
        self._failures: dict[str, _Failure] = {}

    @property
    def writes(self) -> list[str]:
        """Names of the calls that may change the outside, in order."""
        return [name for name in self.names if method_of(name) in WRITES]

    def count(self, name: str) -> int:
        """Return how often `name` was called."""
        return self.names.count(name)

    def clear(self) -> None:
        """Forget what was called; asked-for failures stay."""
        self.names.clear()

    def fail(self, name: str, error: BaseException, *, times: int = 1, after: bool = False) -> None:
        """Raise `error` in the next `times` calls of `name`, before their effect.

        With `after`, the effect happens first: a crash right behind it, or an answer that got lost.
        """
        self._failures[name] = _Failure(error, times, after)

    def __call__(self, name: str) -> AbstractContextManager[None]:
        """Record one call around its effect."""
        return self._recorded(name)

    @contextmanager
    def _recorded(self, name: str) -> Iterator[None]:
        self.names.append(name)
        failure = self._failures.get(name)
        fails = failure is not None and failure.times > 0
        if failure is not None and fails:
            failure.times -= 1
            if not failure.after:
                raise failure.error
        yield
        if failure is not None and fails:
            raise failure.error
