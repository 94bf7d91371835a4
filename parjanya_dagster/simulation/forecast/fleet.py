"""Our fleet on a trace: a discrete-event model of instances that boot, score and idle out.

Images are a fluid between two events: what is in service scores at one constant rate, so a million images
cost no more to compute than a thousand. The error is at most one image per instance. Instances are single,
for each is launched, billed and stopped by itself.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil, inf

from parjanya_dagster.simulation.forecast.arrivals import Arrival

_LOOK_EVERY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetModel:
    """How instances behave; all rates per instance.

    Args:
        images_per_s: throughput while scoring, > 0.
        cold_start_s: from the capacity call to the first receive, of a new instance.
        warm_start_s: the same, of an instance from the pool.
        warm_pool: stopped instances ready to start, ≥ 0; they return when the fleet goes to zero.
        reaction_s: from the arrival to the capacity call; payment begins with the call.
        idle_s: time without work after which the fleet may go to zero.
    """

    images_per_s: float
    cold_start_s: float
    warm_start_s: float
    warm_pool: int
    reaction_s: float
    idle_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One instance from the capacity call to its end.

    Args:
        from_pool: it was started, not launched, so its volume is the pool's.
    """

    from_s: float
    to_s: float
    from_pool: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What happened, on the trace's clock.

    Args:
        lives: one per instance and start, in order of starting.
        worst_wait_s: longest time from an arrival to the last score of its images.
        waited_image_s: sum over the images of the time from arrival to score.
    """

    lives: tuple[Life, ...]
    most_instances: int
    first_score_s: float
    last_score_s: float
    worst_wait_s: float
    waited_image_s: float


Desired = Callable[[int, int, float], int]
"""Instances for a demand in images, at least one for any; given those in service, and the time."""
Keeps = Callable[[Sequence[float], float], bool]
"""Whether to wait on for work; given the gaps between demands so far and the present one, seconds."""


def run_fleet(trace: Sequence[Arrival], model: FleetModel, desired: Desired, keeps: Keeps) -> Course:
    """Return the course of a trace.

    Args:
        trace: sorted by time, not empty.
        desired: asked at each arrival; it never lowers a fleet that works. Between two arrivals demand only
            falls, so that asking more often would change nothing.
        keeps: asked after `idle_s`, and every minute from then on.
    """
    fleet = _Fleet(model, keeps)
    for arrival in trace:
        fleet.advance(arrival.at_s)
        fleet.take(arrival.images)
        fleet.grow(desired(ceil(fleet.backlog), fleet.serving, arrival.at_s))
    fleet.advance(inf)
    return fleet.course()


@dataclass(slots=True)
class _Instance:
    called_s: float
    ready_s: float
    from_pool: bool


@dataclass(slots=True)
class _Fleet:
    """The state between two events."""

    model: FleetModel
    keeps: Keeps
    now: float = 0.0
    backlog: float = 0.0
    idle_since: float = 0.0
    look_s: float = 0.0
    """When an idle fleet is next asked whether it stays."""
    gaps_s: list[float] = field(default_factory=list)
    arrived: int = 0
    waves: deque[tuple[int, float]] = field(default_factory=deque)
    """Unfinished arrivals, oldest first: images arrived up to and with this one, and when."""
    serving: int = 0
    alive: list[_Instance] = field(default_factory=list)
    """In order of becoming ready; the first `serving` of them are."""
    lives: list[Life] = field(default_factory=list)
    most: int = 0
    first_score_s: float = inf
    worst_wait_s: float = 0.0
    waited_image_s: float = 0.0

    def take(self, images: int) -> None:
        """Let images arrive now."""
        if self.arrived and not self.backlog:
            self.gaps_s.append(self.now - self.idle_since)
        self.backlog += images
        self.arrived += images
        self.waves.append((self.arrived, self.now))

    def grow(self, desired: int) -> None:
        """Start instances up to `desired`, from the pool while it has any."""
        called_s = self.now + self.model.reaction_s
        from_pool = sum(each.from_pool for each in self.alive)
        for _ in range(desired - len(self.alive)):
            is_warm = from_pool < self.model.warm_pool
            from_pool += is_warm
            start_s = self.model.warm_start_s if is_warm else self.model.cold_start_s
            self.alive.append(_Instance(called_s=called_s, ready_s=self.now + start_s, from_pool=is_warm))
        self.alive.sort(key=lambda each: each.ready_s)
        self.most = max(self.most, len(self.alive))

    def advance(self, until: float) -> None:
        """Let everything happen that is due by then."""
        while True:
            ready_s = self.alive[self.serving].ready_s if self.serving < len(self.alive) else inf
            look_s = self.look_s if self.alive and not self.backlog else inf
            moment = min(ready_s, self._drained_s(), look_s)
            if moment > until or moment == inf:
                break
            self._score(moment)
            if moment == look_s:
                self._look()
            elif moment == ready_s:
                self.serving += 1
                self.first_score_s = min(self.first_score_s, moment + 1 / self.model.images_per_s)
        if until < inf:
            self._score(until)

    def course(self) -> Course:
        """Return what happened; the fleet is at zero."""
        return Course(
            lives=tuple(self.lives),
            most_instances=self.most,
            first_score_s=self.first_score_s,
            last_score_s=self.idle_since,
            worst_wait_s=self.worst_wait_s,
            waited_image_s=self.waited_image_s,
        )

    def _drained_s(self) -> float:
        if not (self.serving and self.backlog):
            return inf
        return self.now + self.backlog / (self.serving * self.model.images_per_s)

    def _score(self, until: float) -> None:
        """Work off the backlog until then; nothing else happens in between."""
        rate = self.serving * self.model.images_per_s if self.backlog else 0.0
        drained_s = self._drained_s()
        left = 0.0 if drained_s <= until else self.backlog - rate * (until - self.now)
        self.waited_image_s += (self.backlog + left) / 2 * (min(drained_s, until) - self.now)
        scored = self.arrived - self.backlog
        while self.waves and self.waves[0][0] <= self.arrived - left:
            wave, arrived_s = self.waves.popleft()
            self.worst_wait_s = max(self.worst_wait_s, self.now + (wave - scored) / rate - arrived_s)
        if self.backlog and not left:
            self.idle_since = drained_s
            self.look_s = drained_s + self.model.idle_s
        self.now, self.backlog = until, left

    def _look(self) -> None:
        """Wait on, or go to zero; who was still booting ends with the others."""
        if self.keeps(self.gaps_s, self.now - self.idle_since):
            self.look_s += _LOOK_EVERY_S
            return
        self.lives += [
            Life(from_s=each.called_s, to_s=max(self.now, each.called_s), from_pool=each.from_pool)
            for each in self.alive
        ]
        self.alive.clear()
        self.serving = 0
