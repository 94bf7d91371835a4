"""Where a tenant stands: how many images wait, since when, and what became of the newest.

For reports to people. It is read when something changed, at a cost that no backlog changes.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from parjanya_dagster.control.listing import images_of
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Lane

NEWEST: Final = 100
"""Images of a tenant that are looked at for what became of them."""
_PROBE: Final = 500
"""Entries per index among which a tenant's oldest wait is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One tenant at one moment.

    Args:
        waiting: images that wait to be uploaded, validated or scored, ≥ 0.
        oldest_wait: of the rows whose turn is next; None when none is among the first of the indexes.
        newest: the newest 100 images by verdict, or by status where there is none.
    """

    tenant_id: str
    waiting: int
    oldest_wait: timedelta | None
    newest: Counter[str]


def standings(platform: Platform, waiting: Mapping[str, int]) -> list[Standing]:
    """Return where these tenants stand, in the order of `waiting`: so many images of each wait.

    Raises:
        EdgeError: rows cannot be read.
    """
    waits = _oldest_waits(platform, waiting.keys()) if any(waiting.values()) else {}
    return [
        Standing(
            tenant_id=tenant_id,
            waiting=count,
            oldest_wait=waits.get(tenant_id),
            newest=Counter(_outcome(row) for row in images_of(platform, tenant_id, limit=NEWEST)),
        )
        for tenant_id, count in waiting.items()
    ]


def _oldest_waits(platform: Platform, tenants: Collection[str]) -> dict[str, timedelta]:
    now, images = platform.clock(), platform.images
    looks = [
        images.outstanding(sent_before=now, limit=_PROBE),
        *(images.due_gaps(lane, due_before=now, limit=_PROBE) for lane in Lane),
    ]
    first: set[ImageKey] = set()
    for look in looks:
        # An index is ordered by time: the entry that stays is its earliest.
        first.update({key.tenant_id: key for key in reversed(look) if key.tenant_id in tenants}.values())
    waits: dict[str, timedelta] = {}
    for row in images.get_many(sorted(first)):
        if not row.status.is_settled:
            tenant_id = row.key.tenant_id
            waits[tenant_id] = max(now - row.entered_at, waits.get(tenant_id, timedelta(0)))
    return waits


def _outcome(row: ImageRow) -> str:
    return str(row.decision.verdict if row.status.is_settled and row.decision else row.status)
