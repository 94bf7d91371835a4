"""Operators of a simulated world: they publish policies, replay and erase images, let go on what is held."""

from functools import partial
from typing import Final

from parjanya_dagster.control.erase import erase_images
from parjanya_dagster.control.policies import publish_policy
from parjanya_dagster.control.replay import Done, carry_out, preview_replay
from parjanya_dagster.core.policy.preview import Tariff
from parjanya_dagster.core.reconcile.replay import (
    EVERYTHING,
    FROM_THE_FILE,
    RULES_ALONE,
    Boundary,
    is_held_back,
)
from parjanya_dagster.core.reconcile.replay_plan import Selection, failure_of
from parjanya_dagster.core.reconcile.why import OOM
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.draws import between, chance
from parjanya_dagster.simulation.faults import Deed
from parjanya_dagster.simulation.kernel import Process
from parjanya_dagster.simulation.policies import LATER_POLICIES, policy_document
from parjanya_dagster.simulation.world import World

_TARIFF: Final = Tariff(seconds_per_image=0.25, usd_per_hour=1.0)
_REPLAYS: Final = 4
_REGRADES: Final = 2
_REVALIDATIONS: Final = 2
_MOVES: Final = 3
_SHARE: Final = 0.4
_ERASED_SHARE: Final = 0.3


def let_operators_replay(world: World) -> None:
    """Plan this world's replays: each of some of the images that are settled by then."""
    for number in range(_REPLAYS):
        if world.chaos.is_done(Deed.REPLAY, str(number), rate=0.5):
            delay_s = between(60, world.climate.chaos_s, world.seed, "replay", number)
            world.kernel.after(delay_s, partial(_replay_some, world, f"replay {number}", EVERYTHING))
    if world.chaos.is_done(Deed.REPLAY, "all", rate=0.0):
        at_s = 0.75 * world.climate.chaos_s  # when everything has its verdict
        world.kernel.after(at_s, lambda: replay(world, "replay all", list(world.rows)))


def let_operators_publish(world: World) -> None:
    """Plan this world's further policies, and replays by the rules alone, before and after them."""
    for version in LATER_POLICIES:
        if world.chaos.is_done(Deed.PUBLISH, version, rate=0.5):
            delay_s = between(60, world.climate.chaos_s, world.seed, "publish", version)
            world.kernel.after(delay_s, partial(_publish, world, version))
    for number in range(_REGRADES):
        if world.chaos.is_done(Deed.REGRADE, str(number), rate=0.5):
            delay_s = between(120, world.climate.chaos_s, world.seed, "regrade", number)
            world.kernel.after(delay_s, partial(_replay_some, world, f"regrade {number}", RULES_ALONE))


def let_operators_revalidate(world: World) -> None:
    """Plan when rejected files are read again; often somebody has mended the decoder before."""
    for number in range(_REVALIDATIONS):
        if world.chaos.is_done(Deed.REVALIDATE, str(number), rate=0.4):
            delay_s = between(
                world.climate.chaos_s / 2, world.climate.chaos_s, world.seed, "revalidate", number
            )
            is_mended = world.chaos.is_done(Deed.MEND_DECODER, str(number), rate=0.6)
            world.kernel.after(delay_s, partial(_revalidate, world, number, is_mended=is_mended))


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


def let_operators_give_room(world: World) -> None:
    """Plan when operators look for images that ran out of memory, in a world with larger instances."""
    for number in range(_MOVES):
        if world.climate.fleets and world.chaos.is_done(Deed.REPLAY, f"to larger {number}", rate=0.7):
            delay_s = between(300, world.climate.chaos_s, world.seed, "to larger", number)
            world.kernel.after(delay_s, lambda: give_room(world))


def give_room(world: World) -> None:
    """Replay what ran out of memory on the larger instances, as the runbook says."""
    keys = [row.key for row in without_room(world)]
    if keys:
        replay(world, "to larger", keys, fleet=world.climate.fleets[0])


def without_room(world: World) -> list[ImageRow]:
    """Return the rows that larger instances could score, in a world that has some."""
    return [row for row in world.rows.values() if failure_of(row) == OOM] if world.climate.fleets else []


def _publish(world: World, version: str) -> None:
    label, platform = f"publish {version}", world.as_seen_by("operator")
    text = policy_document(version)
    world.kernel.spawn(Process(label, "operator"), label, lambda: publish_policy(platform, text))


def _revalidate(world: World, number: int, *, is_mended: bool) -> None:
    if is_mended:
        world.reader.mend()
    keys = [row.key for row in world.rows.values() if row.status is Status.REJECTED_TECHNICAL]
    if keys:
        replay(world, f"revalidate {number}", keys, FROM_THE_FILE)


def _replay_some(world: World, label: str, boundary: Boundary) -> None:
    keys = [
        row.key
        for row in world.rows.values()
        if chance(world.seed, label, world.alias(row.key.image_id)) < _SHARE
    ]
    if keys:
        replay(world, label, keys, boundary)


def replay(
    world: World,
    label: str,
    keys: list[ImageKey],
    boundary: Boundary = EVERYTHING,
    *,
    fleet: str | None = None,
) -> None:
    """Replay images, whatever was decided about them."""
    process = Process(label, "operator")
    world.kernel.spawn(process, label, lambda: _carry_out(world, process, keys, boundary, fleet))


def _carry_out(
    world: World, process: Process, keys: list[ImageKey], boundary: Boundary, fleet: str | None
) -> None:
    world.policies.begins(process)
    platform = world.as_seen_by("operator")
    preview = preview_replay(platform, Selection(keys=tuple(keys)), boundary, tariff=_TARIFF, fleet=fleet)
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
