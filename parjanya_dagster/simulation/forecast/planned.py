"""How many instances, and for how long: the product's own capacity code, asked as its planes ask it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.reconcile.capacity_plan import (
    CapacityPlan,
    Learned,
    Wish,
    capacity_plan,
    most_instances,
)
from parjanya_dagster.core.reconcile.capacity_plan import Offer as CapacityOffer
from parjanya_dagster.core.reconcile.keep_alive import is_worth_keeping
from parjanya_dagster.simulation.forecast.assumptions import Assumptions, Offer

BEGIN: Final = datetime(2026, 11, 22, 18, tzinfo=UTC)
"""The trace's zero on the clock, so that a plan can say when it is done."""


@dataclass(slots=True, kw_only=True)
class Planner:
    """The capacity code's answers for one fleet; it remembers the plans it made.

    Args:
        warm_pool: stopped instances; a fleet within the pool starts as quickly as the pool does.

    Raises:
        InvalidRequestError: the price cap pays for no instance.
    """

    offer: Offer
    assumed: Assumptions
    warm_pool: int
    plans: list[CapacityPlan] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Refuse a cap under which nothing could ever run."""
        if most_instances(self._offer, self._wish) < 1:
            raise InvalidRequestError(
                f"price_cap_usd_per_h is ${self.assumed.price_cap_usd_per_h:.2f}, which pays for no "
                f"{self.offer.instance_type} at ${self.offer.usd_per_h:.2f} an hour"
            )

    def desired(self, demand: int, running: int, at_s: float) -> int:
        """Return the instances the product desires.

        Args:
            demand: images that wait, ≥ 0.
            running: instances in service, ≥ 0.
            at_s: on the trace's clock.
        """
        plan = self._plan(demand, running, at_s, start_s=self.assumed.warm_start_s)
        if plan.instances > self.warm_pool:
            slowest_s = max(self.assumed.cold_start_s, self.assumed.warm_start_s)
            plan = self._plan(demand, running, at_s, start_s=slowest_s)
        self.plans.append(plan)
        return plan.instances

    def keeps(self, gaps_s: Sequence[float], idle_s: float) -> bool:
        """Return whether the product keeps an idle fleet for the next demand."""
        start_s = self.assumed.warm_start_s if self.warm_pool else self.assumed.cold_start_s
        return is_worth_keeping(
            gaps_s,
            idle=timedelta(seconds=idle_s),
            start=timedelta(seconds=start_s),
            longest=timedelta(seconds=self.assumed.longest_keep_s),
        )

    @property
    def _offer(self) -> CapacityOffer:
        return CapacityOffer(
            max_instances=self.assumed.max_instances, usd_per_instance_hour=self.offer.usd_per_h
        )

    @property
    def _wish(self) -> Wish:
        return Wish(
            deadline=timedelta(seconds=self.assumed.deadline_s),
            price_cap_usd_per_hour=self.assumed.price_cap_usd_per_h,
        )

    def _plan(self, demand: int, running: int, at_s: float, *, start_s: float) -> CapacityPlan:
        return capacity_plan(
            demand,
            Learned(start=timedelta(seconds=start_s), images_per_s=self.offer.images_per_s),
            self._offer,
            self._wish,
            now=BEGIN + timedelta(seconds=at_s),
            running=running,
        )
