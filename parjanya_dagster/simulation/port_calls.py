"""Calls of ports inside a simulated world: the place where actors wait, fail and die."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final

from parjanya_dagster.core.errors import DeniedError, UnavailableError
from parjanya_dagster.simulation.fakes.calls import WRITES, Calls, Twist, method_of
from parjanya_dagster.simulation.faults import Chaos, Fault
from parjanya_dagster.simulation.kernel import Crashed, Kernel

_SLOW_MS: Final = 90_000
_TWISTS: Final = {
    Fault.STALE_INDEX: Twist.STALE,
    Fault.STALE_COUNT: Twist.STALE,
    Fault.DELIVERED_TWICE: Twist.TWICE,
    Fault.CAPACITY_CALL_TWICE: Twist.TWICE,
}


class SimulatedCalls(Calls):
    """A journal that lets the kernel and chaos act at every call of an actor.

    The world's own looks at its fakes are no calls: nothing happens to them.
    """

    def __init__(self, kernel: Kernel, chaos: Chaos) -> None:
        super().__init__()
        self.denied: set[tuple[str, str]] = set()
        self.written: dict[str, int] = {}
        self._kernel = kernel
        self._chaos = chaos
        self._points: dict[str, _Point] = {}

    def __call__(self, name: str) -> AbstractContextManager[None]:
        """See `Calls`."""
        point = self._points.get(name)
        if point is None:
            point = self._points[name] = _Point(self, name)
        return point

    def enter(self, name: str) -> None:
        """Let the calling actor wait its turn.

        Raises:
            Crashed: its process died.
            EdgeError: the call failed before it had an effect.
        """
        self.twist = None
        kernel = self._kernel
        actor = kernel.current
        if actor is None:
            return
        actor.calls += 1
        fault = self._chaos.at_call(actor, name, actor.stream.draw())
        bits = actor.stream.draw()
        kernel.pass_by(actor, bits=bits, extra_ms=bits % _SLOW_MS if fault is Fault.SLOW else 0)
        process = actor.process
        if fault is Fault.CRASH_BEFORE:
            process.kill()
            raise Crashed
        if (process.role, method_of(name)) in self.denied:
            process.blind.add(name)
            raise DeniedError(f"{process.role} may not {name}")
        if fault is Fault.UNAVAILABLE:
            process.blind.add(name)
            raise UnavailableError(f"{name} did not answer")
        process.blind.discard(name)
        actor.ends_with = fault
        self.twist = _TWISTS.get(fault) if fault else None

    def leave(self, name: str) -> None:
        """Count the effect.

        Raises:
            Crashed: the process died right behind its effect.
            UnavailableError: the answer was lost.
        """
        actor = self._kernel.current
        if actor is None:
            return
        self._kernel.steps += 1
        if method_of(name) in WRITES:
            self.written[name] = self.written.get(name, 0) + 1
        if actor.ends_with is Fault.CRASH_AFTER:
            actor.process.kill()
            raise Crashed
        if actor.ends_with is Fault.ANSWER_LOST:
            actor.process.blind.add(name)
            raise UnavailableError(f"the answer of {name} was lost")


class _Point:
    """The context of every call of one port method."""

    __slots__ = ("_calls", "_name")

    def __init__(self, calls: SimulatedCalls, name: str) -> None:
        self._calls = calls
        self._name = name

    def __enter__(self) -> None:
        self._calls.enter(self._name)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._calls.leave(self._name)
