"""The fleet's health: which instances show neither pulse nor progress, and which of them to end.

A control plane that slept, or a table that nobody could write to, makes every instance look silent at once.
So an instance is ended only after it has been doubted for a while, one per cycle, and never under Blind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from parjanya_dagster.core.belief.boot import Boot
from parjanya_dagster.core.belief.pulse import Pulse
from parjanya_dagster.core.belief.signals import Blind, FleetSize, Instance, Launch, StepsSignal
from parjanya_dagster.core.reconcile.capacity import HealthLimits
from parjanya_dagster.core.reconcile.capacity_memory import BootMark
from parjanya_dagster.core.reconcile.capacity_view import CapacityView
from parjanya_dagster.core.reconcile.wording import counted, lasting


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why an instance seems to be dead.

    Args:
        is_certain: its worker said so itself; nothing need be waited for.
        never_came_up: it has shown no life since it was launched, which speaks against its template.
    """

    instance: Instance
    reason: str
    is_certain: bool = False
    never_came_up: bool = False

    def mark(self, *, version: str | None, now: datetime) -> BootMark | None:
        """Return the failed boot that its end stands for; None if it had come up, or said so itself."""
        of = self.instance.template_version or version
        if not self.never_came_up or of is None:
            return None
        return BootMark(mark=self.instance.instance_id, version=of, at=now, error=self.reason)


def doubts_of(
    size: FleetSize, view: CapacityView, limits: HealthLimits, *, start: timedelta, now: datetime
) -> list[Doubt]:
    """Return the instances in service that seem to be dead; none unless everything about them was read.

    Args:
        start: learned start-up time of an instance that is launched.
    """
    pulses, boots, launches = _readings(view)
    if pulses is None or boots is None or launches is None:
        return []
    boot_bound = max(limits.shortest_boot, limits.boots * start)
    doubts = [
        _doubt_of(
            instance,
            pulse=pulses.get(instance.instance_id),
            boot=next((each for each in boots if each.instance_id == instance.instance_id), None),
            launch=next((each for each in launches if each.instance_id == instance.instance_id), None),
            limits=limits,
            boot_bound=boot_bound,
            now=now,
        )
        for instance in size.instances
        if instance.is_in_service
    ]
    return [doubt for doubt in doubts if doubt is not None]


def one_to_end(
    doubts: Sequence[Doubt], suspects: Mapping[str, datetime], limits: HealthLimits, *, now: datetime
) -> Doubt | None:
    """Return the instance to end in this cycle: the one doubted for the longest, and long enough.

    Args:
        suspects: since when each has been doubted; source: `CapacityMemory.suspects`.
    """
    due = [
        doubt
        for doubt in doubts
        if doubt.is_certain or now - suspects.get(doubt.instance.instance_id, now) >= limits.suspicion
    ]
    return min(due, key=lambda each: suspects.get(each.instance.instance_id, now), default=None)


def living(size: FleetSize, view: CapacityView, limits: HealthLimits, *, now: datetime) -> int:
    """Return the instances in service that show a pulse; all in service where pulses were not looked at."""
    if view.pulses is None or isinstance(view.pulses, Blind):
        return size.in_service
    pulses = view.pulses.value
    return sum(
        instance.is_in_service
        and instance.instance_id in pulses
        and pulses[instance.instance_id].is_fresh(limits.silence, now=now)
        for instance in size.instances
    )


def may_hold_work(
    size: FleetSize, steps: StepsSignal | None, view: CapacityView, limits: HealthLimits, *, now: datetime
) -> bool:
    """Return whether messages in flight may be in some worker's hands; else they are in back-off.

    Whatever is not known to be idle counts as working.
    """
    if isinstance(steps, Blind) or (steps is not None and steps.value > 0):
        return True
    if not size.instances:
        return size.desired > 0 or size.in_service > 0
    if view.pulses is None or isinstance(view.pulses, Blind):
        return True
    pulses = view.pulses.value
    return not all(_is_idle(each, pulses.get(each.instance_id), limits, now=now) for each in size.instances)


def _is_idle(instance: Instance, pulse: Pulse | None, limits: HealthLimits, *, now: datetime) -> bool:
    if instance.lifecycle.startswith("Pending"):
        return True
    return pulse is not None and pulse.held == 0 and pulse.is_fresh(limits.silence, now=now)


def _readings(
    view: CapacityView,
) -> tuple[Mapping[str, Pulse] | None, tuple[Boot, ...] | None, tuple[Launch, ...] | None]:
    if (
        view.pulses is None
        or view.boots is None
        or view.launches is None
        or isinstance(view.pulses, Blind)
        or isinstance(view.boots, Blind)
        or isinstance(view.launches, Blind)
    ):
        return None, None, None
    return view.pulses.value, view.boots.value, view.launches.value


def _doubt_of(
    instance: Instance,
    *,
    pulse: Pulse | None,
    boot: Boot | None,
    launch: Launch | None,
    limits: HealthLimits,
    boot_bound: timedelta,
    now: datetime,
) -> Doubt | None:
    if boot is not None and boot.error and (pulse is None or pulse.at <= boot.at):
        reason = f"its boot failed while {boot.stage}: {boot.error}"
        return Doubt(instance=instance, reason=reason, is_certain=True)
    if pulse is not None and pulse.is_fresh(limits.silence, now=now):
        stalled = now - pulse.progress_at
        if pulse.held == 0 or stalled < limits.stall:
            return None
        held = counted(pulse.held, "message")
        return Doubt(instance=instance, reason=f"it holds {held} without progress for {lasting(stalled)}")
    begun = [each.started_at for each in (launch, boot) if each is not None]
    born = max(begun, default=None)
    if pulse is not None and (born is None or pulse.at >= born):
        return Doubt(instance=instance, reason=f"it has shown no pulse for {lasting(now - pulse.at)}")
    if born is None or now - born < boot_bound:
        return None  # its age is unknown, or it may still be booting
    stage = f"the last it said was '{boot.stage}'" if boot else "its worker never said anything"
    reason = f"no pulse {lasting(now - born)} after its start; {stage}"
    return Doubt(instance=instance, reason=reason, never_came_up=True)
