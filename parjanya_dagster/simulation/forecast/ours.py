"""Our system on a trace: the product's capacity plan, our model of the fleet, and the bill."""

from collections.abc import Sequence

from parjanya_dagster.simulation.forecast.arrivals import Arrival
from parjanya_dagster.simulation.forecast.assumptions import Assumptions, Offer
from parjanya_dagster.simulation.forecast.estimate import Estimate
from parjanya_dagster.simulation.forecast.fleet import Course, FleetModel, run_fleet
from parjanya_dagster.simulation.forecast.planned import Planner

_HOUR_S = 3600.0
_DAY_S = 24 * _HOUR_S
_ROUNDING = 1 + 1e-9
"""A plan that ends at the deadline exactly is kept, whatever the last bit of a sum says."""


def run_ours(
    trace: Sequence[Arrival], instance_type: str, assumed: Assumptions, *, warm_pool: int
) -> Estimate:
    """Return what our fleet of one type does with a trace.

    Args:
        trace: sorted by time, not empty.
        warm_pool: stopped instances held for it; 0 starts every instance cold.

    Raises:
        InvalidRequestError: nothing is assumed about the type, or the price cap pays for none of it.
    """
    offer = assumed.offer(instance_type)
    planner = Planner(offer=offer, assumed=assumed, warm_pool=warm_pool)
    model = _model(offer, assumed, warm_pool=warm_pool)
    course = run_fleet(trace, model, planner.desired, planner.keeps)
    images = sum(arrival.images for arrival in trace)
    cost_usd = _bill(course, offer, assumed, warm_pool=warm_pool)
    scored_usd = images / offer.images_per_s * offer.usd_per_h / _HOUR_S
    largest = max(planner.plans, key=lambda plan: plan.instances)
    return Estimate(
        system=f"{instance_type}, pool of {warm_pool}" if warm_pool else f"{instance_type}, cold",
        images=images,
        instances=course.most_instances,
        wall_clock_s=course.last_score_s - trace[0].at_s,
        first_score_s=course.first_score_s - trace[0].at_s,
        mean_wait_s=course.waited_image_s / images,
        cost_usd=cost_usd,
        idle_usd=cost_usd - scored_usd,
        promise=all(plan.gives_way is None for plan in planner.plans),
        kept=course.worst_wait_s <= assumed.deadline_s * _ROUNDING,
        explanation=largest.words,
    )


def _model(offer: Offer, assumed: Assumptions, *, warm_pool: int) -> FleetModel:
    return FleetModel(
        images_per_s=offer.images_per_s,
        cold_start_s=assumed.cold_start_s,
        warm_start_s=assumed.warm_start_s,
        warm_pool=warm_pool,
        reaction_s=assumed.reaction_s,
        idle_s=assumed.idle_s,
    )


def _bill(course: Course, offer: Offer, assumed: Assumptions, *, warm_pool: int) -> float:
    """Return USD: instances by the second, their volumes, and the pool's volumes for whole days."""
    usd = 0.0
    for life in course.lives:
        paid_s = max(life.to_s - life.from_s, assumed.billing_minimum_s)
        usd += paid_s * offer.usd_per_h / _HOUR_S
        usd += 0.0 if life.from_pool else paid_s * assumed.volume_usd_per_s
    days = -(-course.last_score_s // _DAY_S)
    return usd + days * _DAY_S * warm_pool * assumed.volume_usd_per_s
