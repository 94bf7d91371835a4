"""Listings of a tenant's images, and the backlog, from bounded reads."""

from collections import Counter
from typing import Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Lane

_BACKLOG_READ: Final = 1000


def images_of(
    platform: Platform, tenant_id: str, *, limit: int = 100, before_image_id: str | None = None
) -> list[ImageRow]:
    """Return a tenant's newest images, newest first."""
    return platform.images.listing(tenant_id, limit=limit, before_image_id=before_image_id)


def backlog(platform: Platform) -> Counter[str]:
    """Return pending rows by tenant, as the sparse indexes show them; at most 1,000 per index are read."""
    now = platform.clock()
    keys: set[ImageKey] = set(platform.images.outstanding(sent_before=now, limit=_BACKLOG_READ))
    for lane in Lane:
        keys.update(platform.images.due_gaps(lane, due_before=now, limit=_BACKLOG_READ))
    return Counter(key.tenant_id for key in keys)
