"""Readings of one tenant's Truth for the assets: what is stored, what waits, and what is stuck."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from parjanya_dagster.control.ingest import ingest_row
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.names import image_id_of_key
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status

_PAGE: Final = 500
_PENDING_READ: Final = 1000
_SAMPLES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Conservation:
    """Objects against rows of one tenant; any residue is a number with samples.

    Args:
        objects: originals in the bucket.
        rows_past_upload: rows whose object was seen.
        without_row: image ids of objects that have no such row, at most 5.
        without_object: image ids of rows past upload whose object is gone, at most 5.
    """

    objects: int
    rows_past_upload: int
    missing_rows: int
    missing_objects: int
    without_row: tuple[str, ...]
    without_object: tuple[str, ...]


def all_images(platform: Platform, tenant_id: str) -> list[ImageRow]:
    """Return every row of a tenant, newest first; for audits and previews, never for a periodic path."""
    rows: list[ImageRow] = []
    while page := platform.images.listing(
        tenant_id, limit=_PAGE, before_image_id=rows[-1].key.image_id if rows else None
    ):
        rows += page
    return rows


def conservation(platform: Platform, tenant_id: str) -> Conservation:
    """Compare a tenant's objects with its rows, both directions."""
    bucket = platform.names.uploads_bucket(tenant_id)
    stored = {image_id_of_key(info.key) for info in platform.objects.originals(bucket)} - {None}
    before_upload = (Status.PENDING_UPLOAD, Status.UPLOAD_FAILED)
    rows = {row.key.image_id for row in all_images(platform, tenant_id) if row.status not in before_upload}
    without_row = sorted(image_id for image_id in stored - rows if image_id)
    without_object = sorted(rows - stored)
    return Conservation(
        objects=len(stored),
        rows_past_upload=len(rows),
        missing_rows=len(without_row),
        missing_objects=len(without_object),
        without_row=tuple(without_row[:_SAMPLES]),
        without_object=tuple(without_object[:_SAMPLES]),
    )


def pending_enrichment(platform: Platform, tenant_id: str) -> list[ImageKey]:
    """Return keys of a tenant's rows that wait to be scored, at most 1,000 per index."""
    now = platform.clock()
    keys = set(platform.images.outstanding(sent_before=now, limit=_PENDING_READ))
    for lane in Lane:
        keys.update(platform.images.due_gaps(lane, due_before=now, limit=_PENDING_READ))
    rows = platform.images.get_many(sorted(key for key in keys if key.tenant_id == tenant_id))
    return sorted(row.key for row in rows if row.status is Status.PENDING_VLM_ENRICHMENT)


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
