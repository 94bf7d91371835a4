"""A fleet in a fake world: what is asked of it, and what its workers write."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from parjanya_dagster.control.capacity import (
    write_boot,
)
from parjanya_dagster.core.belief.boot import Boot, BootStage
from parjanya_dagster.core.belief.pulse import Pulse
from parjanya_dagster.core.reconcile.actions import ScaleIn, ScaleOut
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.capacity_plan import Learned, capacity_plan
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from tests.builders import NOON

LIMITS = CapacityLimits()
PLAN = capacity_plan(
    90, Learned(start=timedelta(seconds=60), images_per_s=1.0), LIMITS.offer, LIMITS.wish, now=NOON
)
OUT = ScaleOut(desired=2, reason="90 visible", plan=PLAN)
IN = ScaleIn(desired=0, reason="nothing is waiting")


def a_pulse(world: FakePlatform, instance_id: str, **changes: Any) -> Pulse:  # noqa: ANN401 - any field
    """Return the pulse of an idle worker, now."""
    now = world.clock()
    pulse = Pulse(instance_id=instance_id, at=now, progress_at=now, held=0, settled=3, stage="watching")
    return replace(pulse, **changes)


def fail_boot(world: FakePlatform, instance_id: str) -> None:
    """Let a worker say that its boot failed."""
    now = world.clock()
    boot = Boot(
        instance_id=instance_id,
        started_at=now,
        stage=BootStage.VERIFYING,
        at=now,
        error="model.bin is missing",
    )
    write_boot(world.platform(), boot)
