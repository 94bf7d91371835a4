"""Staging: an incident is brought about in a world without chance, diagnosed, and repaired.

What the diagnosis says before and after the repair is the proof that both do what the runbook says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from parjanya_dagster.control.diagnose import diagnosis_of
from parjanya_dagster.core.reconcile.findings import findings_document
from parjanya_dagster.simulation.kernel import MS_PER_S
from parjanya_dagster.simulation.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One incident.

    Args:
        title: what happened, for a person.
        stage: brings it about, in a world at its first moment.
        repair: does what the runbook says.
        shows_after_s: virtual seconds after which it can be told.
        heals_within_s: virtual seconds after the repair in which everything is well again.
    """

    title: str
    stage: Callable[[World], None]
    repair: Callable[[World], None]
    shows_after_s: int
    heals_within_s: int


def stage(code: str, scene: Scene) -> dict[str, Any]:
    """Play a scene; return the diagnosis before and after its repair, and what is broken or waits then."""
    world = World(f"scene {code}", only=())
    world.found()
    scene.stage(world)
    _pass(world, scene.shows_after_s)
    before = findings_document(diagnosis_of(world.as_seen_by("operator")))
    scene.repair(world)
    _pass(world, scene.heals_within_s)
    after = findings_document(diagnosis_of(world.as_seen_by("operator")))
    return {
        "incident": code,
        "title": scene.title,
        "before": before["findings"],
        "after": after["findings"],
        "violations": [f"{each.invariant}: {each.detail}" for each in world.violations()],
    }


def _pass(world: World, seconds: int) -> None:
    world.kernel.run(until_ms=world.kernel.now_ms + seconds * MS_PER_S, may_go_on=world.is_sound)
