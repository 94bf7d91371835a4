"""Weather: what befalls a world as a whole, for a while or at one moment."""

from collections.abc import Callable
from functools import partial
from typing import Final

from parjanya_dagster.core.names import PREVIEWS
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.simulation.draws import Stream, between
from parjanya_dagster.simulation.faults import Fault
from parjanya_dagster.simulation.instances import BROKEN_TEMPLATE
from parjanya_dagster.simulation.world import World

_TRIES: Final = 3
_DENIAL_S: Final = (60.0, 1500.0)
_OUTAGE_S: Final = (300.0, 2400.0)
_FORGETTING_S: Final = (30.0, 1500.0)
_DENIABLE: Final = (
    ("queue.depth",),
    ("queue.dead_letter_depth",),
    ("queue.send",),
    ("queue.receive",),
    ("queue.delete",),
    ("queue.extend",),
    ("images.write",),
    ("images.get_many",),
    ("images.due_gaps", "images.outstanding"),
    ("images.facts",),
    ("images.put_result",),
    ("objects.get",),
    ("objects.head",),
    ("objects.put",),
    ("control.beat",),
    ("control.published_policy",),
    ("control.remember_empty_readings", "control.empty_readings"),
    ("fleet.size",),
    ("fleet.set_desired",),
    ("steps.open",),
    ("reader.read",),
)
"""Permissions that go missing together."""
_ROLES: Final = ("lambda", "lambda", "worker", "dagster")


def let_weather_change(world: World) -> None:
    """Plan what befalls this world."""
    for number in range(_TRIES):
        _sometime(world, Fault.PERMISSION_DENIED, number, partial(_deny, world, number))
        _sometime(world, Fault.DAGSTER_DOWN, number, partial(_stop_dagster, world, number))
        _sometime(world, Fault.QUEUE_PURGED, number, world.fakes.queue.purge)
        _sometime(world, Fault.STRANGE_MESSAGE, number, lambda: world.fakes.queue.put_body("no job at all"))
    _sometime(world, Fault.TEMPLATE_BROKEN, 0, partial(_break_template, world))


def let_it_fall_apart(world: World, key: ImageKey, alias: str) -> None:
    """Plan what befalls one image: a killed local process forgets its row, or its preview goes missing."""
    delay_s = between(*_FORGETTING_S, world.seed, "forgetting", alias)
    if world.chaos.strikes(Fault.ROW_FORGOTTEN, alias):
        world.kernel.promise(delay_s, partial(world.forget, key))
    if world.chaos.strikes(Fault.PREVIEW_LOST, alias):
        bucket = world.fakes.names.uploads_bucket(key.tenant_id)
        lose = partial(world.fakes.objects.lose, bucket, f"{PREVIEWS}{key.image_id}/model.png")
        world.kernel.promise(delay_s, lose)


def _sometime(world: World, fault: Fault, number: int, befall: Callable[[], object]) -> None:
    if world.chaos.strikes(fault, str(number)):
        at_s = between(0, world.climate.chaos_s * 0.9, world.seed, fault, number)
        world.kernel.after(at_s, befall)


def _deny(world: World, number: int) -> None:
    draws = Stream(world.seed, "denied", number)
    role = _ROLES[draws.draw() % len(_ROLES)]
    denied = {(role, name) for name in _DENIABLE[draws.draw() % len(_DENIABLE)]}
    world.calls.denied |= denied
    length_s = between(*_DENIAL_S, world.seed, "denial", number)
    world.kernel.after(length_s, lambda: world.calls.denied.difference_update(denied))


def _break_template(world: World) -> None:
    world.fleet.template_version = BROKEN_TEMPLATE


def _stop_dagster(world: World, number: int) -> None:
    length_s = between(*_OUTAGE_S, world.seed, "outage", number)
    world.dagster.down_until_ms = world.kernel.now_ms + int(length_s * 1000)
