"""Finding one thing and what surrounds it, to say why it is where it is."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from parjanya_dagster.control.dead_letters import open_dead_letters
from parjanya_dagster.control.listing import images_of
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.trail import trail
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.errors import EdgeError, InvalidRequestError
from parjanya_dagster.core.names import checked_tenant
from parjanya_dagster.core.reconcile.dead_letters import DeadLetterRecord
from parjanya_dagster.core.reconcile.why import Answer, Surroundings, why_image
from parjanya_dagster.core.reconcile.why_tenant import oldest_waiting, why_tenant
from parjanya_dagster.core.truth.identity import ImageKey, created_at_of, image_key_from
from parjanya_dagster.core.truth.row import ImageRow
from parjanya_dagster.core.truth.trail import TrailEntry

TENANT: Final = "tenant:"
NEWEST_READ: Final = 1000
_TRAIL_READ: Final = 200
_REPLAYS: Final = ("replay", "redrive", "regrade")


def why(platform: Platform, subject: str) -> Answer:
    """Return why an image or a tenant is where it is.

    Args:
        subject: an image id, `tenant#image`, or `tenant:TENANT`.

    Raises:
        InvalidRequestError: there is no such thing; the message says what was looked at.
    """
    if subject.startswith(TENANT):
        return _why_tenant(platform, checked_tenant(subject.removeprefix(TENANT)))
    row = _row(platform, subject)
    around = _surroundings(platform.of_fleet(row.fleet), row)
    return why_image(row, around, platform.limits, platform.clock())


def waits_of(platform: Platform, rows: Sequence[ImageRow]) -> dict[ImageKey, Answer]:
    """Return why each row that waits by itself does so; nothing where that cannot be read.

    For pages that list many: queue, group and heartbeats are read once, and only if any row waits.
    """
    waiting = [row for row in rows if not row.status.is_settled and not row.quarantined]
    if not waiting:
        return {}
    here = {row.key: platform.of_fleet(row.fleet) for row in waiting}
    try:
        asked = {at.fleet_name: at for at in here.values()}
        around = {name: _surroundings(at) for name, at in asked.items()}
    except EdgeError:
        return {}
    if any(isinstance(each.queue, Blind) or isinstance(each.fleet, Blind) for each in around.values()):
        return {}  # why it cannot be read is for operators, and for `why`
    now = platform.clock()
    return {
        row.key: why_image(row, around[here[row.key].fleet_name], platform.limits, now) for row in waiting
    }


def _why_tenant(platform: Platform, tenant_id: str) -> Answer:
    rows = images_of(platform, tenant_id, limit=NEWEST_READ)
    is_registered = tenant_id in platform.control.tenants()
    oldest = oldest_waiting(rows)
    if not rows and not is_registered:
        raise InvalidRequestError(
            f"there is no tenant '{tenant_id}': it has neither a registry marker nor images; "
            "see `parjanya tenant list`",
        )
    return why_tenant(
        tenant_id,
        rows,
        is_registered=is_registered,
        around=_surroundings(platform.of_fleet(oldest.fleet if oldest else None)),
        limits=platform.limits,
        now=platform.clock(),
    )


def _row(platform: Platform, subject: str) -> ImageRow:
    keys = _keys(platform, subject)
    rows = platform.images.get_many(keys) if keys else []
    if not rows:
        looked = ", ".join(sorted({key.tenant_id for key in keys})) or "no tenant"
        raise InvalidRequestError(
            f"nothing is known as '{subject}': it is no image of {looked}. Give an image id, `tenant#image` "
            "or `tenant:TENANT`; batches have no ids yet",
        )
    return rows[0]


def _keys(platform: Platform, subject: str) -> list[ImageKey]:
    if "#" in subject:
        with suppress(ValueError):
            return [image_key_from(subject)]
        return []
    try:
        created_at_of(subject)
    except (ValueError, OverflowError, OSError):  # no UUID, or one that holds no time
        return []
    return [ImageKey(tenant_id=tenant, image_id=subject) for tenant in platform.control.tenants()]


def _surroundings(platform: Platform, row: ImageRow | None = None) -> Surroundings:
    return Surroundings(
        queue=platform.queue.depth(),
        fleet=platform.fleet.size(),
        heartbeats=platform.control.heartbeats(),
        fleet_name=platform.fleet_name,
        dead_letter=_dead_letter(platform, row) if row else None,
        trail=_trail(platform, row) if row else (),
    )


def _dead_letter(platform: Platform, row: ImageRow) -> DeadLetterRecord | None:
    """Return the newest open dead letter of an image."""
    return next((each for each in open_dead_letters(platform) if each.image == str(row.key)), None)


def _trail(platform: Platform, row: ImageRow) -> Sequence[TrailEntry]:
    """Return the replays that may have made the row's present generation."""
    if row.generation == 1:
        return ()
    before = [each.at for each in platform.images.results(row.key) if each.generation < row.generation]
    since = max(before, default=created_at_of(row.key.image_id))
    return [
        entry
        for entry in trail(platform, limit=_TRAIL_READ)
        if entry.action.startswith(_REPLAYS) and _overlaps(entry, since, row.entered_at)
    ]


def _overlaps(entry: TrailEntry, since: datetime, until: datetime) -> bool:
    return entry.begun_at <= until and (entry.ended_at is None or entry.ended_at >= since)
