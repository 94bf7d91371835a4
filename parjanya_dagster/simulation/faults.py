"""Faults and deeds: everything that may happen in a simulated world, by name and place.

Each is a pure function of the seed and the place, so what happened can be written down as a trace, cut down,
and played again. A world draws which faults it knows at all: worlds that know few reach deeper than worlds in
which everything fails.

Source: Groce et al., Swarm Testing, ISSTA 2012
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from parjanya_dagster.simulation.draws import Stream, chance
from parjanya_dagster.simulation.fakes.calls import method_of
from parjanya_dagster.simulation.kernel import Actor


class Deed(StrEnum):
    """What people do; no fault of anybody."""

    UPLOAD = "upload"
    REPLAY = "replay"
    ERASE = "erase"
    PUBLISH = "publish"
    REGRADE = "regrade"
    REVALIDATE = "revalidate"
    MEND_DECODER = "mend_decoder"


class Fault(StrEnum):
    """What goes wrong."""

    CRASH_BEFORE = "crash_before"
    CRASH_AFTER = "crash_after"
    UNAVAILABLE = "unavailable"
    ANSWER_LOST = "answer_lost"
    SLOW = "slow"
    STALE_INDEX = "stale_index"
    STALE_COUNT = "stale_count"
    DELIVERED_TWICE = "delivered_twice"

    UPLOAD_EVENT_LOST = "upload_event_lost"
    UPLOAD_EVENT_TWICE = "upload_event_twice"
    UPLOAD_EVENT_LATE = "upload_event_late"
    STREAM_RECORD_LOST = "stream_record_lost"
    STREAM_RECORD_TWICE = "stream_record_twice"
    STREAM_RECORD_LATE = "stream_record_late"
    SWEEP_SKIPPED = "sweep_skipped"
    SWEEP_TWICE = "sweep_twice"
    INVOCATION_THROTTLED = "invocation_throttled"

    PERMISSION_DENIED = "permission_denied"
    DAGSTER_DOWN = "dagster_down"
    QUEUE_PURGED = "queue_purged"
    ROW_FORGOTTEN = "row_forgotten"
    PREVIEW_LOST = "preview_lost"
    CLOCK_SKEWED = "clock_skewed"

    STRANGE_MESSAGE = "strange_message"

    CAPACITY_CALL_TWICE = "capacity_call_twice"
    LAUNCH_REFUSED = "launch_refused"
    TEMPLATE_BROKEN = "template_broken"
    WORKER_HUNG = "worker_hung"
    BOOT_FAILED = "boot_failed"
    INSTANCE_DIED = "instance_died"
    SPOT_NOTICE = "spot_notice"

    UPLOAD_NEVER_CAME = "upload_never_came"
    UPLOAD_CAME_LATE = "upload_came_late"
    UNREADABLE_IMAGE = "unreadable_image"
    DECODER_KILLED = "decoder_killed"
    ENGINE_RAISED = "engine_raised"
    ENGINE_RAISED_IN_COMPANY = "engine_raised_in_company"
    ENGINE_KILLED = "engine_killed"
    ENGINE_OUT_OF_MEMORY = "engine_out_of_memory"
    IMAGE_TOO_LARGE = "image_too_large"


_RATES: Final[Mapping[Fault, float]] = {
    **dict.fromkeys((Fault.CRASH_BEFORE, Fault.CRASH_AFTER), 0.003),
    **dict.fromkeys((Fault.UNAVAILABLE, Fault.ANSWER_LOST, Fault.SLOW), 0.006),
    **dict.fromkeys((Fault.STALE_INDEX, Fault.STALE_COUNT, Fault.DELIVERED_TWICE), 0.1),
    **dict.fromkeys((Fault.UPLOAD_EVENT_LOST, Fault.UPLOAD_EVENT_TWICE, Fault.UPLOAD_EVENT_LATE), 0.1),
    **dict.fromkeys((Fault.STREAM_RECORD_LOST, Fault.STREAM_RECORD_TWICE, Fault.STREAM_RECORD_LATE), 0.1),
    **dict.fromkeys((Fault.SWEEP_SKIPPED, Fault.SWEEP_TWICE, Fault.INVOCATION_THROTTLED), 0.08),
    **dict.fromkeys((Fault.PERMISSION_DENIED, Fault.DAGSTER_DOWN, Fault.QUEUE_PURGED), 0.4),
    **dict.fromkeys((Fault.ROW_FORGOTTEN, Fault.PREVIEW_LOST), 0.05),
    Fault.CLOCK_SKEWED: 0.5,
    **dict.fromkeys((Fault.STRANGE_MESSAGE, Fault.TEMPLATE_BROKEN), 0.4),
    **dict.fromkeys((Fault.WORKER_HUNG, Fault.CAPACITY_CALL_TWICE), 0.1),
    **dict.fromkeys((Fault.LAUNCH_REFUSED, Fault.BOOT_FAILED, Fault.INSTANCE_DIED, Fault.SPOT_NOTICE), 0.2),
    **dict.fromkeys((Fault.UPLOAD_NEVER_CAME, Fault.UPLOAD_CAME_LATE, Fault.UNREADABLE_IMAGE), 0.06),
    Fault.DECODER_KILLED: 0.04,
    **dict.fromkeys((Fault.ENGINE_RAISED, Fault.ENGINE_RAISED_IN_COMPANY, Fault.ENGINE_KILLED), 0.05),
    **dict.fromkeys((Fault.ENGINE_OUT_OF_MEMORY, Fault.IMAGE_TOO_LARGE), 0.04),
}
"""How likely each is, at each place where it may happen, in a world that knows it."""

_EVERY_CALL: Final = (
    Fault.CRASH_BEFORE,
    Fault.CRASH_AFTER,
    Fault.UNAVAILABLE,
    Fault.ANSWER_LOST,
    Fault.SLOW,
)
_SOME_CALLS: Final[Mapping[str, Fault]] = {
    "images.due_gaps": Fault.STALE_INDEX,
    "images.outstanding": Fault.STALE_INDEX,
    "queue.depth": Fault.STALE_COUNT,
    "queue.receive": Fault.DELIVERED_TWICE,
    "fleet.set_desired": Fault.CAPACITY_CALL_TWICE,
}
_IN_PROCESS: Final = frozenset({"reader.read"})
_ALL_32: Final = 2**32

Place = tuple[str, str]
"""What happened, and where: the value of a `Fault` or `Deed`, and a name that outlives shrinking."""


def faults_of_call(name: str) -> tuple[Fault, ...]:
    """Return what may happen to a call of this port method."""
    name = method_of(name)
    if name in _IN_PROCESS:
        return (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.SLOW)
    special = _SOME_CALLS.get(name)
    return (*_EVERY_CALL, special) if special else _EVERY_CALL


@dataclass(slots=True)
class _Odds:
    """Thresholds of the faults of one call, as shares of 2^32."""

    total: int
    steps: tuple[tuple[int, Fault], ...]


class Chaos:
    """What happens in one world.

    What is `forced` happens to the next call that it can happen to.
    `on_place` is told of every place where a fault may happen while a trace is played.

    Args:
        seed: of every draw.
        only: the trace to play: nothing else happens; None draws from the seed.
    """

    def __init__(self, seed: str, *, only: Iterable[Place] | None = None) -> None:
        self.is_on = True
        self.happened: list[Place] = []
        self.counts: Counter[str] = Counter()
        self.forced: deque[Fault] = deque()
        self._seed = seed
        self._only = None if only is None else frozenset(only)
        self._rates = {fault: self._rate(fault) for fault in Fault}
        self.on_place: Callable[[Fault, str], None] | None = None
        self._odds: dict[str, _Odds] = {}

    def strikes(self, fault: Fault, where: str) -> bool:
        """Whether this fault happens there."""
        if self.on_place is not None and self.is_on:
            self.on_place(fault, where)
        return self.is_on and self._happens(fault, where, self._rates[fault])

    def is_done(self, deed: Deed, where: str, *, rate: float = 1.0) -> bool:
        """Whether somebody does this."""
        return self._happens(deed, where, rate)

    def at_call(self, actor: Actor, name: str, bits: int) -> Fault | None:
        """Return what happens to this call.

        Args:
            bits: 32 bits of the actor's own stream.
        """
        if not self.is_on:
            return None
        if self.forced and self.forced[0] in faults_of_call(name):
            return self._note(self.forced.popleft(), f"{actor.label}@{actor.calls}")
        odds = self._odds.get(name) or self._odds_of(name)
        if self._only is not None:
            where = f"{actor.label}@{actor.calls}"
            if self.on_place is not None:
                for _, fault in odds.steps:
                    self.on_place(fault, where)
            for _, fault in odds.steps:
                if (fault.value, where) in self._only:
                    return self._note(fault, where)
            return None
        if bits >= odds.total:
            return None
        fault = next(fault for limit, fault in odds.steps if bits < limit)
        return self._note(fault, f"{actor.label}@{actor.calls}")

    def _rate(self, fault: Fault) -> float:
        is_known = chance(self._seed, "knows", fault) < 0.5  # noqa: PLR2004 -- half of all faults
        return _RATES[fault] * (0.3, 1.0, 2.0)[Stream(self._seed, "rate", fault).draw() % 3] * is_known

    def _happens(self, what: Fault | Deed, where: str, rate: float) -> bool:
        if self._only is None:
            if chance(self._seed, what, where) >= rate:
                return False
        elif (what.value, where) not in self._only:
            return False
        self._note(what, where)
        return True

    def _odds_of(self, name: str) -> _Odds:
        steps = []
        limit = 0
        for fault in faults_of_call(name):
            limit += int(self._rates[fault] * _ALL_32)
            steps.append((limit, fault))
        odds = self._odds[name] = _Odds(limit, tuple(steps))
        return odds

    def _note(self, what: Fault | Deed, where: str) -> "Fault | None":
        self.happened.append((what.value, where))
        if isinstance(what, Fault):
            self.counts[what.value] += 1
            return what
        return None
