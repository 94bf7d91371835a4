"""An episode: a time of faults, a time of calm, and what must be true when everything was said and done.

Liveness is judged in the calm: within bounded virtual time nothing waits any more, no instance is left, and
further cycles write nothing but heartbeats.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.climate import Climate
from parjanya_dagster.simulation.faults import Place
from parjanya_dagster.simulation.functions import SWEEP_EVERY_S
from parjanya_dagster.simulation.invariants import Violation
from parjanya_dagster.simulation.kernel import MS_PER_S
from parjanya_dagster.simulation.operators import (
    erase_on,
    give_room,
    let_go_on,
    let_operators_erase,
    let_operators_give_room,
    let_operators_publish,
    let_operators_replay,
    let_operators_revalidate,
    without_room,
)
from parjanya_dagster.simulation.photographers import let_photographers_upload
from parjanya_dagster.simulation.weather import let_weather_change
from parjanya_dagster.simulation.world import World

_CALM_S: Final = 4 * 3600
_LOOK_EVERY_S: Final = 67
"""Not a multiple of what happens every minute, so that a look does not always meet the same moment of it."""
_QUIET_CYCLES: Final = 3
_CHANCES: Final = 6
_MAY_BE_WRITTEN: Final = frozenset({"control.beat", "heart.beat"})
_BEFORE_UPLOAD: Final = (Status.PENDING_UPLOAD, Status.UPLOAD_FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """What came of one world.

    Args:
        happened: every fault and deed, in order: the trace that plays it again.
        calm_s: virtual seconds from the last fault until nothing was left to do.
    """

    seed: str
    steps: int
    virtual_s: float
    calm_s: float
    violations: tuple[Violation, ...]
    happened: tuple[Place, ...]
    faults: Counter[str]
    transitions: Counter[str]
    actions: Counter[str]
    outcomes: Counter[str]


def play(seed: str, *, only: Iterable[Place] | None = None, climate: Climate | None = None) -> Episode:
    """Live through one world; it ends at its first violation.

    Args:
        only: the trace to play; None lets the seed decide.
    """
    return live(World(seed, only=only, climate=climate))


def live(world: World) -> Episode:
    """Live through a world from its first moment; it ends at its first violation."""
    world.found()
    let_photographers_upload(world)
    let_operators_replay(world)
    let_operators_publish(world)
    let_operators_revalidate(world)
    let_operators_erase(world)
    let_operators_give_room(world)
    let_weather_change(world)
    _run_for(world, world.climate.chaos_s)
    began_ms = world.kernel.now_ms
    calm_s = come_to_rest(world)
    for crew in world.crews.values():
        crew.spending.paid(crew.group.paid_s, world.kernel.now_ms / MS_PER_S)
    if not world.chaos.counts:
        world.watch.ended_without_faults()
    return Episode(
        seed=world.seed,
        steps=world.kernel.steps,
        virtual_s=world.kernel.now_ms / MS_PER_S,
        calm_s=calm_s if calm_s is not None else (world.kernel.now_ms - began_ms) / MS_PER_S,
        violations=tuple(world.violations()),
        happened=tuple(world.chaos.happened),
        faults=world.chaos.counts,
        transitions=world.watch.transitions,
        actions=world.actions,
        outcomes=world.outcomes,
    )


def unfinished(world: World) -> list[str]:
    """Return what is still waiting for something, as sentences; [] when the world is at rest."""
    waiting = [
        f"{world.alias(row.key.image_id)} waits in {row.status}"
        for row in world.rows.values()
        if not row.status.is_settled
    ]
    for name, crew in world.crews.items():
        if crew.fleet.members or crew.fleet.desired:
            left = f"{len(crew.fleet.members)} instances of {crew.fleet.desired}"
            waiting.append(f"{left} are left of fleet {name}" if name else f"{left} are left")
    known = {row.key.image_id for row in world.rows.values() if row.status not in _BEFORE_UPLOAD}
    waiting += [f"{world.alias(each)} is stored and no row says so" for each in world.stored() - known]
    queues = (world.fakes.queue, *(each.queue for each in world.fakes.others.values()))
    if any(queue.next_visible_at is not None or queue.dead_bodies for queue in queues):
        waiting.append("a message is left")
    waiting += [f"{world.alias(row.key.image_id)} needs more memory" for row in without_room(world)]
    waiting += [f"{world.alias(key.image_id)} is to be erased" for key in world.to_erase]
    if world.functions.running or world.kernel.promised:
        waiting.append(f"{world.functions.running} invocations run, {world.kernel.promised} events are due")
    return waiting


def come_to_rest(world: World) -> float | None:
    """End every fault and let the calm do its work; return the virtual seconds it took.

    None when a promise was broken; the world's violations say which.
    """
    world.calm_down()
    began_ms = world.kernel.now_ms
    while left := unfinished(world):
        if world.violations():
            return None
        if world.kernel.now_ms - began_ms > _CALM_S * MS_PER_S:
            world.watch.report("the backlog and the fleet reach zero", "; ".join(left[:5]))
            return None
        let_go_on(world)
        give_room(world)
        erase_on(world)
        _run_for(world, _LOOK_EVERY_S)
    took_s = (world.kernel.now_ms - began_ms) / MS_PER_S
    _stay_quiet(world)
    return took_s


def _stay_quiet(world: World) -> None:
    """Look for a few cycles that write nothing but heartbeats; bookmarks may take a while to arrive."""
    written: list[str] = []
    for _ in range(_CHANCES):
        world.calls.written.clear()
        _run_for(world, _QUIET_CYCLES * SWEEP_EVERY_S)
        written = sorted(set(world.calls.written) - _MAY_BE_WRITTEN)
        if not written or world.violations():
            return
    world.watch.report("a world at rest is left alone", ", ".join(written))


def _run_for(world: World, seconds: float) -> None:
    until_ms = world.kernel.now_ms + int(seconds * MS_PER_S)
    world.kernel.run(until_ms=until_ms, may_go_on=world.is_sound)
