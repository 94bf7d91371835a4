"""The target: how many instances there should be at least, how many at most, and why."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil

from parjanya_dagster.core.belief.demand import Demand, demand_of
from parjanya_dagster.core.belief.signals import FleetSize
from parjanya_dagster.core.reconcile.boot_breaker import Breaker, breaker_of
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.capacity_plan import CapacityPlan, Learned, capacity_plan
from parjanya_dagster.core.reconcile.capacity_view import FleetReading
from parjanya_dagster.core.reconcile.fleet_health import living, may_hold_work
from parjanya_dagster.core.reconcile.keep_alive import is_worth_keeping


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """How large the fleet should be.

    Args:
        least: fewer are too few: what deadline and open steps need, as far as `most` allows.
        enough: more are too many: what the demand keeps busy, or keep-alive keeps; in [least, most].
        most: what settings, the group and the breaker allow.
        breaker: of the template version that is launched; None where the group names none.
    """

    demand: Demand
    learned: Learned
    plan: CapacityPlan
    least: int
    enough: int
    most: int
    breaker: Breaker | None


def target_of(reading: FleetReading, size: FleetSize, *, limits: CapacityLimits, now: datetime) -> Target:
    """Return the target for this reading; both its numbers are monotone in the demand.

    Args:
        size: the group, which was readable.
    """
    view = reading.view
    is_held = reading.whole and may_hold_work(size, reading.steps, view, limits.health, now=now)
    demand = demand_of(queue=reading.queue, steps=reading.steps, gaps=reading.gaps, is_held=is_held)
    learned = view.learned(limits, is_warm=size.warm > 0)
    plan = capacity_plan(demand.images, learned, limits.offer, limits.wish, now=now, running=size.in_service)
    breaker = breaker_of(view.known, size.template_version, limits.breaker) if size.template_version else None
    most = min(limits.most, size.max_size)
    if breaker is not None and breaker.until is not None:
        most = min(most, living(size, view, limits.health, now=now) + breaker.is_trying(now))
    # Each step takes a whole instance, however few images it has.
    least = min(max(plan.instances, demand.steps, size.min_size), most)
    busy = ceil(demand.images / learned.images_per_s / limits.least_work.total_seconds())
    kept = int(not demand.live and _is_kept(reading, learned, limits, now=now))
    return Target(
        demand=demand,
        learned=learned,
        plan=plan,
        least=least,
        enough=min(max(least, busy, kept), most),
        most=most,
        breaker=breaker,
    )


def _is_kept(reading: FleetReading, learned: Learned, limits: CapacityLimits, *, now: datetime) -> bool:
    quiet = reading.view.quiet
    if quiet is None:
        return False
    return is_worth_keeping(
        reading.view.known.gaps_s, idle=now - quiet.since, start=learned.start, longest=limits.longest_keep
    )
