"""Operators of a simulated world: they replay and erase images, and let go on what was held back."""

from functools import partial
from typing import Final

from parjanya_dagster.control.erase import erase_images
from parjanya_dagster.control.replay import Done, carry_out, preview_replay
from parjanya_dagster.core.policy.preview import Tariff
from parjanya_dagster.core.reconcile.replay import EVERYTHING, is_held_back
from parjanya_dagster.core.reconcile.replay_plan import Selection
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.simulation.draws import between, chance
from parjanya_dagster.simulation.faults import Deed
from parjanya_dagster.simulation.kernel import Process
from parjanya_dagster.simulation.world import World

_TARIFF: Final = Tariff(seconds_per_image=0.25, usd_per_hour=1.0)
_REPLAYS: Final = 4
_SHARE: Final = 0.4
_ERASED_SHARE: Final = 0.3


def let_operators_replay(world: World) -> None:
    """Plan this world's replays: each of some of the images that are settled by then."""
    for number in range(_REPLAYS):
        if world.chaos.is_done(Deed.REPLAY, str(number), rate=0.5):
            delay_s = between(60, world.climate.chaos_s, world.seed, "replay", number)
            world.kernel.after(delay_s, partial(_replay_some, world, number))
    if world.chaos.is_done(Deed.REPLAY, "all", rate=0.0):
        at_s = 0.75 * world.climate.chaos_s  # when everything has its verdict
        world.kernel.after(at_s, lambda: replay(world, "replay all", list(world.rows)))


def let_operators_erase(world: World) -> None:
    """Plan this world's erasures, of images wherever they stand by then."""
    if world.chaos.is_done(Deed.ERASE, "some", rate=0.4):
        delay_s = between(60, world.climate.chaos_s, world.seed, "erase")
        world.kernel.after(delay_s, partial(_erase_some, world))


def erase_on(world: World) -> None:
    """Go on with erasures that were not complete: of images that were being worked on, or in an outage."""
    if world.to_erase:
        world.kernel.spawn(Process("erase", "operator"), "erase", lambda: _erase(world))


def let_go_on(world: World) -> int:
    """Replay what is held back, as the runbook says once its cause is gone; return how many rows that is."""
    held_back = [row.key for row in world.rows.values() if is_held_back(row)]
    if held_back:
        replay(world, "release", held_back)
    return len(held_back)


def _replay_some(world: World, number: int) -> None:
    keys = [
        row.key
        for row in world.rows.values()
        if chance(world.seed, "replayed", number, world.alias(row.key.image_id)) < _SHARE
    ]
    if keys:
        replay(world, f"replay {number}", keys)


def replay(world: World, label: str, keys: list[ImageKey]) -> None:
    """Replay images, whatever was decided about them."""
    world.kernel.spawn(Process(label, "operator"), label, lambda: _carry_out(world, keys))


def _carry_out(world: World, keys: list[ImageKey]) -> None:
    platform = world.as_seen_by("operator")
    preview = preview_replay(platform, Selection(keys=tuple(keys)), EVERYTHING, tariff=_TARIFF)
    done = Done()
    for _ in carry_out(platform, preview.plan, done=done):
        pass


def _erase_some(world: World) -> None:
    world.to_erase = {
        row.key
        for row in world.rows.values()
        if chance(world.seed, "erased", world.alias(row.key.image_id)) < _ERASED_SHARE
    }
    erase_on(world)


def _erase(world: World) -> None:
    erased = erase_images(world.as_seen_by("operator"), sorted(world.to_erase), who="operator")
    if erased.is_complete:
        world.to_erase = set()
