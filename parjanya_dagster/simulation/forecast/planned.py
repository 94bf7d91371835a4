"""How many instances: the product's own capacity code, asked as its stream function asks it."""

from dataclasses import dataclass
from datetime import timedelta

from parjanya_dagster.core.reconcile.capacity import CapacityLimits, capacity_for
from parjanya_dagster.simulation.forecast.assumptions import Assumptions, Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What the capacity code answered.

    Args:
        instances: to be desired, ≥ 0.
        holds: whether it says that the deadline holds.
        explanation: in words for a person.
    """

    instances: int
    holds: bool
    explanation: str


def plan_capacity(demand: int, offer: Offer, assumed: Assumptions, *, start_s: float) -> Planned:
    """Return what the product desires for `demand` images, given the start time it has learned."""
    allowed_s = max(assumed.deadline_s - start_s, 1.0)
    limits = CapacityLimits(
        seconds_per_image=1 / offer.images_per_s,
        time_allowed=timedelta(seconds=allowed_s),
        max_instances=assumed.max_instances,
    )
    instances = capacity_for(demand, limits)
    holds = start_s + demand / (instances * offer.images_per_s) <= assumed.deadline_s
    return Planned(instances=instances, holds=holds, explanation=f"{instances} instances")
