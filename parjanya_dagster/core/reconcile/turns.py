"""Turns: how a bounded cycle is shared, so that one tenant's flood delays nobody else."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def in_turns(items: Iterable[T], tenant_of: Callable[[T], str], *, limit: int) -> list[T]:
    """Return up to `limit` items, one of each tenant after the other.

    A tenant's own keep their order, and tenants that of their first item. No tenant gets more than its
    equal share while another still waits.
    """
    by_tenant: dict[str, list[T]] = {}
    for item in items:
        by_tenant.setdefault(tenant_of(item), []).append(item)
    ranked = sorted(
        ((turn, at, item) for at, own in enumerate(by_tenant.values()) for turn, item in enumerate(own)),
        key=lambda each: each[:2],
    )
    return [item for _, _, item in islice(ranked, limit)]
