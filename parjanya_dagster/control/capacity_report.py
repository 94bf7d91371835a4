"""The report on capacity: what waits, what there is, which sizes are possible, and what was decided before.

It plans as a cycle would and applies nothing, so that what it says is what the next cycle would do.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from parjanya_dagster.control.capacity import Decision, last_decisions
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.reconcile import Cycle, reconcile_world
from parjanya_dagster.core.belief.pulse import Pulse
from parjanya_dagster.core.belief.signals import Blind, FleetSize, Instance, Reading
from parjanya_dagster.core.reconcile.actions import (
    Action,
    FallBack,
    ReportBlind,
    ScaleIn,
    ScaleOut,
    Terminate,
)
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.capacity_target import Target, target_of
from parjanya_dagster.core.reconcile.capacity_view import CapacityView
from parjanya_dagster.core.reconcile.plan import fleet_reading


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityReport:
    """Capacity as it is now.

    Args:
        fleet: the extra fleet that this is about; None for the usual one.
        size: the group; None while it cannot be read.
        target: how large it should be; None while the group cannot be read.
        actions: what the next cycle would do.
        decisions: what was decided before, newest first.
        blind: what could not be read.
    """

    at: datetime
    fleet: str | None = None
    size: FleetSize | None
    target: Target | None
    view: CapacityView
    limits: CapacityLimits
    actions: Sequence[Action]
    decisions: Sequence[Decision]
    blind: Sequence[Blind]

    @property
    def next_steps(self) -> list[str]:
        """What the next cycle would do, for a person."""
        own = (each for each in self.actions if getattr(each, "fleet", self.fleet) == self.fleet)
        return [words for words in map(words_of, own) if words]

    def document(self) -> dict[str, Any]:
        """Return the report as plain values: the contract of `parjanya capacity --json`."""
        target, limits = self.target, self.limits
        return {
            "at": self.at.isoformat(),
            "of_fleet": self.fleet,
            "wish": {
                "deadline_s": limits.time_allowed.total_seconds(),
                "price_cap_usd_per_hour": limits.price_cap_usd_per_hour,
                "usd_per_instance_hour": limits.usd_per_instance_hour,
                "max_instances": limits.max_instances,
            },
            "demand": target and {"words": target.demand.words, "images": target.demand.images},
            "learned": target
            and {
                "start_s": target.learned.start.total_seconds(),
                "images_per_s": target.learned.images_per_s,
                "boots": len(self.view.known.marks),
                "drains": len(self.view.rates),
                "gaps_s": list(self.view.known.gaps_s),
            },
            "plan": target and target.plan.document(),
            "target": target and {"least": target.least, "enough": target.enough, "most": target.most},
            "fleet": self.size
            and {
                "desired": self.size.desired,
                "in_service": self.size.in_service,
                "warm": self.size.warm,
                "template_version": self.size.template_version,
                "instances": [
                    _instance(each, self._pulse_of(each), now=self.at) for each in self.size.instances
                ],
            },
            "breaker": _breaker(target, now=self.at),
            "next": self.next_steps,
            "decisions": [_decision(each) for each in self.decisions],
            "blind": [{"signal": each.signal, "reason": each.reason} for each in self.blind],
        }

    def _pulse_of(self, instance: Instance) -> Pulse | None:
        pulses = self.view.pulses
        return pulses.value.get(instance.instance_id) if isinstance(pulses, Reading) else None


def report_capacity(platform: Platform, *, decisions: int = 5) -> CapacityReport:
    """Return the report on the usual fleet; see `report_fleets`."""
    return report_fleets(platform, decisions=decisions)[0]


def report_fleets(platform: Platform, *, decisions: int = 5) -> list[CapacityReport]:
    """Return a report on each fleet, the usual one first; nothing is changed.

    Args:
        decisions: how many earlier ones to return with the first; they are of all fleets.

    Raises:
        EdgeError: the record of decisions cannot be read; anything else becomes Blind.
    """
    cycle, now = reconcile_world(platform, dry_run=True), platform.clock()
    made = last_decisions(platform, limit=decisions)
    return [
        _report_of(platform.of_fleet(name), cycle, made if name is None else (), now=now)
        for name in cycle.snapshot.sights
    ]


def _report_of(
    platform: Platform, cycle: Cycle, decisions: Sequence[Decision], *, now: datetime
) -> CapacityReport:
    snapshot, fleet = cycle.snapshot, platform.fleet_name
    reading = fleet_reading(snapshot, repairs=cycle.actions, limits=platform.limits, now=now, fleet=fleet)
    size = None if isinstance(reading.fleet, Blind) else reading.fleet.value
    return CapacityReport(
        at=now,
        fleet=fleet,
        size=size,
        target=target_of(reading, size, limits=platform.capacity, now=now) if size else None,
        view=snapshot.sights[fleet].view,
        limits=platform.capacity,
        actions=cycle.actions,
        decisions=decisions,
        blind=(*reading.blind, *snapshot.unread),
    )


def words_of(action: Action) -> str:
    """Return an action for a person; empty for one that leaves the fleet alone."""
    match action:
        case ScaleOut(desired=desired, reason=reason):
            return f"raise to {desired}: {reason}"
        case ScaleIn(desired=desired, reason=reason):
            return f"lower to {desired}: {reason}"
        case Terminate(instance_id=instance_id, reason=reason):
            return f"end {instance_id}: {reason}"
        case FallBack(version=version, reason=reason):
            return f"launch from template version {version}: {reason}"
        case ReportBlind(blind=blind):
            return f"lower nothing: {blind.signal} cannot be read ({blind.reason})"
        case _:
            return ""


def _instance(instance: Instance, pulse: Pulse | None, *, now: datetime) -> dict[str, Any]:
    return {
        **asdict(instance),
        "pulse_age_s": None if pulse is None else round((now - pulse.at).total_seconds(), 1),
        "stage": None if pulse is None else pulse.stage,
        "held": None if pulse is None else pulse.held,
        "settled": None if pulse is None else pulse.settled,
    }


def _breaker(target: Target | None, *, now: datetime) -> dict[str, Any] | None:
    if target is None or target.breaker is None:
        return None
    breaker = target.breaker
    return {
        "version": breaker.version,
        "is_open": breaker.is_open(now),
        "failed_in_a_row": len(breaker.failed),
        "words": breaker.words,
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "at": decision.at.isoformat(),
        "plane": decision.plane,
        "action": decision.action,
        "fleet": decision.fleet,
        "desired": decision.desired,
        "reason": decision.reason,
        "plan": decision.plan.words if decision.plan else None,
    }
