"""What the event path did, told to Dagster: one runless observation per tenant whose backlog changed.

Images are scored by workers that no run started. An observation shows that on the asset's page, costs no run,
and never counts as a materialization; Truth remains where it was.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

import dagster as dg

from parjanya_dagster.control.counters import backlog
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.standing import Standing, standings
from parjanya_dagster.defs.assets_scoring import vlm_scores
from parjanya_dagster.defs.metadata import counted

MAX_TENANTS: Final = 20
"""Tenants told of in one tick; the others come with the next, before these."""

Told = dict[str, int]
"""Waiting images by tenant as last told, who was told of longest ago first; who has none is left out."""


def observations(
    world: Platform, told: Mapping[str, int], *, known: Collection[str]
) -> tuple[list[dg.AssetObservation], Told]:
    """Return one observation for each tenant whose backlog changed, and what is told with them.

    Args:
        known: tenants that have a partition; an event of another would make one up.

    Raises:
        EdgeError: backlog or rows cannot be read.
    """
    waiting = backlog(world)
    candidates = [*sorted(waiting.keys() - told.keys()), *told]
    changed = [each for each in candidates if each in known and waiting[each] != told.get(each, 0)]
    news = {tenant: waiting[tenant] for tenant in changed[:MAX_TENANTS]}
    events = [_observation(each) for each in standings(world, news)]
    after = {tenant: count for tenant, count in told.items() if tenant not in news} | news
    return events, {tenant: count for tenant, count in after.items() if count and tenant in known}


def _observation(standing: Standing) -> dg.AssetObservation:
    metadata: dict[str, Any] = {
        "backlog": standing.waiting,
        "newest_images": counted(standing.newest, of="outcome"),
    }
    if standing.oldest_wait is not None:
        metadata["oldest_wait_s"] = round(standing.oldest_wait.total_seconds(), 1)
    return dg.AssetObservation(
        asset_key=vlm_scores.key,
        partition=standing.tenant_id,
        description=f"{standing.waiting} images wait",
        metadata=metadata,
    )
