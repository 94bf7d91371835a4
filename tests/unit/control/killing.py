"""Journals for races and crashes: a process killed behind a chosen write, and others who act meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from parjanya_dagster.simulation.fakes.calls import WRITES, Calls


class Killed(BaseException):
    """The process is gone."""


class KillingCalls(Calls):
    """A journal that kills whoever makes the `kill_at`-th write, counted from 1, behind its effect."""

    def __init__(self) -> None:
        super().__init__()
        self.kill_at = 0

    @contextmanager
    def _recorded(self, name: str) -> Iterator[None]:
        with super()._recorded(name):
            yield
        self.kill_at -= name in WRITES
        if self.kill_at == 0 and name in WRITES:
            raise Killed


class Meanwhile(Calls):
    """A journal beside which somebody else acts, at each of the first `times` calls of `name`.

    `act` is set once the world exists; it comes before the call's effect, or right behind it.
    """

    def __init__(self, name: str, *, times: int = 1, behind: bool = False) -> None:
        super().__init__()
        self.act: Callable[[], object] = lambda: None
        self._name = name
        self._times = times
        self._behind = behind

    @contextmanager
    def _recorded(self, name: str) -> Iterator[None]:
        is_due = name == self._name and self._times > 0
        self._times -= is_due
        if is_due and not self._behind:
            self.act()
        with super()._recorded(name):
            yield
        if is_due and self._behind:
            self.act()


def killed_after(calls: KillingCalls, write: int, act: Callable[[], object]) -> bool:
    """Let `act` run until its write of this number; return whether it came that far."""
    calls.kill_at = write
    try:
        act()
    except Killed:
        return True
    finally:
        calls.kill_at = 0
    return False
