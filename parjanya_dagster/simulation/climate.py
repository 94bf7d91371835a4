"""The climate: the numbers of one world, drawn from its seed."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.simulation.draws import between, chance

_TENANTS: Final = ("acme", "brave", "crisp")
_DEPLOYED_RECEIVES: Final = 100
_FEW_RECEIVES: Final = (1, 2)
_IMPATIENT: Final = 0.3
"""Share of worlds whose queue gives messages up early, and of those where reconciliation gives rows up."""
_FEW_EMISSIONS: Final = 2
_PAGE: Final = 7
_SHORT_RETENTION: Final = 0.2
"""Share of worlds whose queues forget within the time of faults."""
_CAPPED: Final = 0.4
"""Share of worlds whose owner says what an hour may cost, at one of these prices per instance."""
_PRICES_USD: Final = (0.53, 0.8048, 1.21)


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """The numbers of one world, drawn from its seed: small ones, so that long stories are short.

    Args:
        tenants: who uploads.
        uploads: images sent during the time of faults.
        chaos_s: how long faults happen.
        index_lag_s: how far indexes are behind.
        warm: instances in the warm pool.
        receive_limit: deliveries after which a message becomes a dead letter.
        capacity: what instances cost, and what an hour may cost.
        fleets: extra fleets, whose instances have room for what is too large elsewhere.
    """

    limits: Limits
    tenants: tuple[str, ...]
    uploads: int
    chaos_s: int
    index_lag_s: float
    warm: int
    receive_limit: int = _DEPLOYED_RECEIVES
    capacity: CapacityLimits = field(default_factory=CapacityLimits)
    fleets: tuple[str, ...] = ()


def climate_of(seed: str) -> Climate:
    """Return the climate that belongs to a seed."""
    retention = timedelta(minutes=15) if chance(seed, "retention") < _SHORT_RETENTION else timedelta(days=7)
    usual, is_hasty = Limits(), chance(seed, "patience") < _IMPATIENT
    limits = Limits(
        upload_url_life=timedelta(minutes=5),
        longest_transfer=timedelta(minutes=10),
        retention=retention,
        retention_margin=retention / 8,
        arrivals_page=_PAGE,
        max_emissions=_FEW_EMISSIONS if is_hasty else usual.max_emissions,
        max_returns=0 if is_hasty else usual.max_returns,
    )
    return Climate(
        limits=limits,
        tenants=_TENANTS[: 1 + int(3 * chance(seed, "tenants"))],
        uploads=8 + int(56 * chance(seed, "uploads")),
        chaos_s=900 + int(2700 * chance(seed, "length")),
        index_lag_s=(0.0, 0.5, 5.0, 25.0)[int(4 * chance(seed, "lag"))],
        warm=int(3 * chance(seed, "warm")),
        receive_limit=_receives(seed),
        capacity=_capacity_of(seed),
    )


def _receives(seed: str) -> int:
    if chance(seed, "receives") >= _IMPATIENT:
        return _DEPLOYED_RECEIVES
    return _FEW_RECEIVES[int(len(_FEW_RECEIVES) * chance(seed, "few receives"))]


def _capacity_of(seed: str) -> CapacityLimits:
    if chance(seed, "capped") >= _CAPPED:
        return CapacityLimits()
    price = _PRICES_USD[int(len(_PRICES_USD) * chance(seed, "price"))]
    return CapacityLimits(
        usd_per_instance_hour=price, price_cap_usd_per_hour=price * between(1.0, 4.5, seed, "cap")
    )
