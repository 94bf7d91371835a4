"""The kernel: virtual time, and processes whose actors are greenlets that run the product's own code.

Every call of a port is a place where an actor may wait, fail or die; between two such places nothing else
runs, so the order of effects is the kernel's decision alone. A process that was killed is gone: whatever its
code still tries in its `finally` blocks raises again and touches nothing.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from typing import Final

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]  # it publishes no types

from parjanya_dagster.core.errors import ParjanyaError
from parjanya_dagster.simulation.draws import Stream
from parjanya_dagster.simulation.fakes.clock import FakeClock

MS_PER_S: Final = 1000
_QUICK_MS: Final = 15
_SELDOM: Final = 0x1F
_SELDOM_MS: Final = 0x3FF


class Crashed(BaseException):
    """The process of this actor is gone."""


class Process:
    """One process of the product: a function's invocation, a worker, a command.

    Args:
        label: a name that stays the same when other faults are taken out of a trace.
        role: what it may do: `lambda`, `dagster`, `worker`, `web` or `operator`.
        deadline_ms: when it is killed if it still runs.
    """

    __slots__ = ("alive", "blind", "deadline_ms", "label", "on_death", "role")

    def __init__(self, label: str, role: str, *, deadline_ms: int | None = None) -> None:
        self.label = label
        self.role = role
        self.deadline_ms = deadline_ms
        self.alive = True
        self.blind: set[str] = set()
        self.on_death: Callable[[], None] = lambda: None

    def kill(self) -> None:
        """End it at once; its actors find out when they are resumed."""
        if self.alive:
            self.alive = False
            self.on_death()


class Actor:
    """A coroutine of a process.

    Args:
        stream: its own draws.
        ends_with: what becomes of the call under way once it had its effect.
    """

    __slots__ = ("calls", "ends_with", "label", "process", "resume", "stream")

    def __init__(self, process: Process, label: str, stream: Stream) -> None:
        self.process = process
        self.label = label
        self.stream = stream
        self.calls = 0
        self.ends_with: object = None
        self.resume: Callable[[], object] = lambda: None


class Kernel:
    """Virtual time and everything that is going to happen.

    Args:
        clock: what the product reads; whole milliseconds.
        seed: of every delay.
    """

    def __init__(self, clock: FakeClock, seed: str) -> None:
        self.now_ms = 0
        self.current: Actor | None = None
        self.steps = 0
        self.promised = 0
        self.defects: list[tuple[str, BaseException]] = []
        self._hub: greenlet = getcurrent()
        self.clock = clock
        self._start: datetime = clock.now
        self._seed = seed
        self._agenda: list[tuple[int, int, Actor | Callable[[], object]]] = []
        self._serial = 0
        self._labels: dict[str, int] = {}

    @property
    def is_idle(self) -> bool:
        """Nothing is going to happen any more."""
        return not self._agenda

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Let something happen later."""
        self._put(self.now_ms + int(seconds * MS_PER_S), act)

    def promise(self, seconds: float, act: Callable[[], object]) -> None:
        """Let something happen later that a world at rest has behind it; `promised` counts them."""
        self.promised += 1

        def keep() -> None:
            self.promised -= 1
            act()

        self.after(seconds, keep)

    def spawn(
        self,
        process: Process,
        label: str,
        body: Callable[[], object],
        *,
        then: Callable[[BaseException | None], None] = lambda _error: None,
        delay_s: float = 0.0,
    ) -> None:
        """Let a process run `body` as an actor; `then` learns how it ended, unless the process died.

        An error that is not one of ours is a defect, and noted.
        """
        count = self._labels[label] = self._labels.get(label, 0) + 1
        name = f"{label}.{count}"
        self.after(delay_s, partial(self._begin, process, name, body, then))

    def run(self, *, until_ms: int, may_go_on: Callable[[], bool]) -> None:
        """Let everything happen that is due by then, while `may_go_on()`; it is asked after every event."""
        self._hub = getcurrent()
        agenda = self._agenda
        clock, start = self.clock, self._start
        while agenda and agenda[0][0] <= until_ms and may_go_on():
            at, _, what = heappop(agenda)
            if at != self.now_ms:
                self.now_ms = at
                clock.now = start + timedelta(milliseconds=at)
            if isinstance(what, Actor):
                self._resume(what)
            else:
                what()
        if self.now_ms < until_ms and may_go_on():
            self.now_ms = until_ms
            clock.now = start + timedelta(milliseconds=until_ms)

    def pass_by(self, actor: Actor, *, bits: int, extra_ms: int = 0) -> None:
        """Let an actor wait a little before its effect; most calls are quick, a few are not.

        Raises:
            Crashed: its process is gone, or ran out of time meanwhile.
        """
        wait_ms = 1 + bits % _QUICK_MS + extra_ms
        if not bits >> 8 & _SELDOM:
            wait_ms += bits >> 16 & _SELDOM_MS
        self.suspend(actor, wait_ms)

    def suspend(self, actor: Actor, wait_ms: int) -> None:
        """Let an actor wait.

        Raises:
            Crashed: its process is gone, or ran out of time meanwhile.
        """
        process = actor.process
        if not process.alive:
            raise Crashed
        until = self.now_ms + wait_ms
        if process.deadline_ms is not None and until >= process.deadline_ms:
            self._put(process.deadline_ms, process.kill)
            until = process.deadline_ms
        self._put(until, actor)
        self._hub.switch()
        if not process.alive:
            raise Crashed

    def sleep(self, seconds: float) -> None:
        """Let the calling actor sleep; does nothing outside an actor."""
        if self.current is not None:
            self.suspend(self.current, int(seconds * MS_PER_S))

    def _put(self, at_ms: int, what: Actor | Callable[[], object]) -> None:
        self._serial += 1
        heappush(self._agenda, (at_ms, self._serial, what))

    def _begin(
        self,
        process: Process,
        label: str,
        body: Callable[[], object],
        then: Callable[[BaseException | None], None],
    ) -> None:
        if not process.alive:
            return
        actor = Actor(process, label, Stream(self._seed, label))
        actor.resume = greenlet(partial(self._live, actor, body, then), self._hub).switch
        self._resume(actor)

    def _resume(self, actor: Actor) -> None:
        self.current = actor
        actor.resume()
        self.current = None

    def _live(
        self,
        actor: Actor,
        body: Callable[[], object],
        then: Callable[[BaseException | None], None],
    ) -> None:
        error: BaseException | None = None
        try:
            body()
        except Crashed:
            return
        except Exception as raised:  # noqa: BLE001 -- an invocation that fails ends; the world goes on
            error = raised
            if not isinstance(raised, ParjanyaError):
                self.defects.append((actor.label, raised))
        if actor.process.alive:
            then(error)
