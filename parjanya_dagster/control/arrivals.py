"""Arrivals: objects that no event told of, found by a look at a page of one tenant's originals at a time.

Ids sort by time, so a listing that begins where nothing can arrive any more costs what is new. Where the
next look begins is kept only when that spares it something: an idle platform looks, and writes nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from math import ceil
from typing import Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.core.names import image_id_of_key
from parjanya_dagster.core.ports import ObjectInfo
from parjanya_dagster.core.reconcile.actions import AdoptObject, LookOnFrom
from parjanya_dagster.core.reconcile.snapshot import Arrivals
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.identity import ImageKey, new_image_id
from parjanya_dagster.core.truth.row import BEFORE_UPLOAD

_ROUND: Final = 60
"""Looks in which every tenant has its turn, while `_MOST_AT_ONCE` tenants a look suffice for that."""
_MOST_AT_ONCE: Final = 20
_WORTH_KEEPING: Final = 4
"""When one part in so many of a page is old, the place where the next look begins is worth a write."""
_MARGIN: Final = timedelta(minutes=15)
_NO_ENTROPY: Final = bytes(10)


def look_for_arrivals(
    platform: Platform, *, last_at: datetime | None, now: datetime
) -> tuple[Arrivals, list[Blind]]:
    """Return what is new or forgotten among the originals of the tenants whose turn it is.

    A plane looks once in every `limits.arrivals_every`; its own heartbeat remembers the last time.

    Args:
        last_at: the plane's last heartbeat.
    """
    turn = _turn(now, every=platform.limits.arrivals_every)
    if last_at is not None and _turn(last_at, every=platform.limits.arrivals_every) == turn:
        return Arrivals(), []
    strays: list[AdoptObject] = []
    looks: list[LookOnFrom] = []
    blinds: list[Blind] = []
    for tenant_id in _tenants_of(turn, platform):
        try:
            found, look = _look(platform, tenant_id, now=now)
        except EdgeError as error:
            # One tenant's bucket is that tenant's trouble: the others are looked at.
            blinds.append(Blind(signal=f"originals of {tenant_id}", reason=str(error), at=platform.clock()))
            continue
        strays += found
        looks += [look] if look else []
    return Arrivals(strays=tuple(strays), looks=tuple(looks)), blinds


def remember_look(platform: Platform, action: LookOnFrom) -> None:
    """Keep where the next look at a tenant's originals begins."""
    platform.records.put(RecordKind.ARRIVALS, action.tenant_id, {"from_id": action.from_id})


def _turn(at: datetime, *, every: timedelta) -> int:
    return int(at.timestamp() // every.total_seconds())


def _tenants_of(turn: int, platform: Platform) -> list[str]:
    tenants = platform.control.tenants()
    count = min(_MOST_AT_ONCE, ceil(len(tenants) / _ROUND))
    return [tenants[(turn * count + at) % len(tenants)] for at in range(count)]


def _look(
    platform: Platform, tenant_id: str, *, now: datetime
) -> tuple[list[AdoptObject], LookOnFrom | None]:
    limits = platform.limits
    known = platform.records.get(RecordKind.ARRIVALS, tenant_id)
    from_id = str(known["from_id"]) if known else ""
    objects = platform.objects.originals(platform.names.uploads_bucket(tenant_id), from_id=from_id)
    page = list(islice(objects, limits.arrivals_page))
    by_key = {
        ImageKey(tenant_id=tenant_id, image_id=image_id): info
        for info in page
        if (image_id := image_id_of_key(info.key))
    }
    young = [key.image_id for key, info in by_key.items() if info.modified_at > now - limits.arrival_age]
    rows = {row.key: row for row in platform.images.get_many(list(by_key))} if by_key else {}
    strays = [
        AdoptObject(key=key, info=info)
        for key, info in by_key.items()
        if key.image_id not in young and ((row := rows.get(key)) is None or row.status in BEFORE_UPLOAD)
    ]
    next_id = _next_id(platform, page, young, now=now)
    moves = next_id is not None and next_id > from_id
    return strays, LookOnFrom(tenant_id=tenant_id, from_id=next_id) if next_id and moves else None


def _next_id(
    platform: Platform, page: Sequence[ObjectInfo], young: Sequence[str], *, now: datetime
) -> str | None:
    """Return where the next look may begin; None where moving on is not worth a write.

    Never behind a young object, which nobody looked at yet, nor, at the end of the listing, behind an id
    whose upload may still be under way.
    """
    limits = platform.limits
    ids = [image_id for info in page if (image_id := image_id_of_key(info.key))]
    if len(page) == limits.arrivals_page:
        return min([*young, *ids[-1:]], default=None)
    nothing_arrives_before = new_image_id(
        now - limits.upload_url_life - limits.longest_transfer - _MARGIN, _NO_ENTROPY
    )
    old = [image_id for image_id in ids if image_id < min([nothing_arrives_before, *young])]
    return old[-1] if len(old) * _WORTH_KEEPING >= limits.arrivals_page else None
