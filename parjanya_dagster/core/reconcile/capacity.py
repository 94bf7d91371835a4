"""Capacity: what the fleet may cost and how fast it should be, and how many instances a demand needs."""

from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil

from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.reconcile.boot_breaker import BreakerLimits
from parjanya_dagster.core.reconcile.capacity_plan import Learned, Offer, Wish, most_instances


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthLimits:
    """When an instance counts as dead.

    Args:
        silence: without a pulse for longer; several times the interval of pulses.
        stall: holding messages without progress for longer; beyond the worker's own longest stage deadline,
            after which it ends itself.
        suspicion: how long silence or stall must have been seen before an instance is ended: a control plane
            that slept must first look twice.
        shortest_boot: no instance younger than this is called dead, ...
        boots: ... nor one younger than this many times the learned start-up time.
    """

    silence: timedelta = timedelta(minutes=3)
    stall: timedelta = timedelta(minutes=15)
    suspicion: timedelta = timedelta(seconds=90)
    shortest_boot: timedelta = timedelta(minutes=5)
    boots: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityLimits:
    """What the fleet may cost, how fast it should be, and what is believed before anything was learned.

    Args:
        seconds_per_image: prior of the time one instance needs for one image, > 0.
        time_allowed: time in which the present demand should be done, start-up included.
        max_instances: never more than this, whatever the demand, ≥ 1.
        usd_per_instance_hour: price of one instance, > 0.
        price_cap_usd_per_hour: the most all instances together may cost per hour; None for no cap.
        cold_start: prior of the start-up time of an instance that is launched.
        warm_start: the same of one out of the warm pool.
        least_work: an instance that has less than this to do may go; the others take it over.
        longest_keep: the last instance is kept for the next demand for no longer than this.
    """

    seconds_per_image: float = 0.25
    time_allowed: timedelta = timedelta(minutes=2)
    max_instances: int = 4
    usd_per_instance_hour: float = 0.8048
    price_cap_usd_per_hour: float | None = None
    cold_start: timedelta = timedelta(minutes=4)
    warm_start: timedelta = timedelta(seconds=36)
    least_work: timedelta = timedelta(seconds=30)
    longest_keep: timedelta = timedelta(minutes=15)
    health: HealthLimits = field(default_factory=HealthLimits)
    breaker: BreakerLimits = field(default_factory=BreakerLimits)

    def __post_init__(self) -> None:
        """Refuse a cap under which nothing could ever run.

        Raises:
            ConfigError: the price cap pays for no instance.
        """
        if most_instances(self.offer, self.wish) < 1:
            raise ConfigError(
                f"a price cap of ${self.price_cap_usd_per_hour:.2f} an hour pays for no instance at "
                f"${self.usd_per_instance_hour:.2f} an hour: raise PARJANYA_PRICE_CAP_USD, or choose a "
                "cheaper instance"
            )

    @property
    def offer(self) -> Offer:
        """What may be bought."""
        return Offer(max_instances=self.max_instances, usd_per_instance_hour=self.usd_per_instance_hour)

    @property
    def wish(self) -> Wish:
        """What the user wants."""
        return Wish(deadline=self.time_allowed, price_cap_usd_per_hour=self.price_cap_usd_per_hour)

    def prior(self, *, is_warm: bool) -> Learned:
        """Return what is believed of the next instance before anything was learned."""
        start = self.warm_start if is_warm else self.cold_start
        return Learned(start=start, images_per_s=1 / self.seconds_per_image)

    @property
    def most(self) -> int:
        """The most instances ever asked for, ≥ 1: a function of settings, the same in every plane."""
        return most_instances(self.offer, self.wish)


def capacity_for(demand: int, limits: CapacityLimits) -> int:
    """Return the instances that do a demand in the time allowed once they run, in [0, most allowed].

    Args:
        demand: images, ≥ 0; one already needs an instance.
    """
    needed = ceil(demand * limits.seconds_per_image / limits.time_allowed.total_seconds())
    return min(max(needed, int(demand > 0)), limits.most)
