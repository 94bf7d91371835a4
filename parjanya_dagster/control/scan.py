"""Readings of one tenant's Truth for the assets: what waits, and what is stuck."""

from collections import Counter
from typing import Final

from parjanya_dagster.control.ingest import ingest_row
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status

_PENDING_READ: Final = 1000


def pending_enrichment(platform: Platform, tenant_id: str) -> list[ImageKey]:
    """Return keys of a tenant's rows that wait to be scored by this fleet, at most 1,000 per index."""
    now = platform.clock()
    keys = set(platform.images.outstanding(sent_before=now, limit=_PENDING_READ))
    for lane in Lane:
        keys.update(platform.images.due_gaps(lane, due_before=now, limit=_PENDING_READ))
    rows = platform.images.get_many(sorted(key for key in keys if key.tenant_id == tenant_id))
    waiting = (row for row in rows if row.status is Status.PENDING_VLM_ENRICHMENT)
    return sorted(row.key for row in waiting if platform.of_fleet(row.fleet) is platform)


def stuck_rows(platform: Platform, status: Status, tenant_id: str | None = None) -> list[ImageRow]:
    """Return rows of `status` that have been due for the reconciler, consistently read."""
    now = platform.clock()
    keys: list[ImageKey] = []
    for lane in Lane:
        keys += platform.images.due_gaps(lane, due_before=now, limit=_PENDING_READ)
    wanted = [key for key in dict.fromkeys(keys) if tenant_id in (None, key.tenant_id)]
    return [row for row in platform.images.get_many(wanted) if row.status is status]


def revalidate_stuck(platform: Platform, tenant_id: str) -> Counter[str]:
    """Ingest a tenant's rows whose ingestion never ended; return outcomes by name."""
    rows = stuck_rows(platform, Status.PENDING_VALIDATION, tenant_id)
    return Counter(ingest_row(platform, row).value for row in rows)
