"""Objects ↔ rows, both directions: an object without a row gets one; an upload that never came is closed.

A presigned PUT may land after its row was swept, and the local process may forget rows after a crash; the
object key carries the image id and the bucket the tenant, so a row can always be rebuilt.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from parjanya_dagster.control.ingest import ingest_object, ingest_row
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.names import image_id_of_key
from parjanya_dagster.core.ports import ObjectInfo
from parjanya_dagster.core.reconcile.actions import AdoptObject
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.lifecycle import Event, advanced
from parjanya_dagster.core.truth.row import ImageRow, Status

_SLICE: Final = 100


def objects_without_progress(platform: Platform, tenant_id: str) -> Iterator[AdoptObject]:
    """Yield every object of a tenant whose row is missing or never saw its upload."""
    bucket = platform.names.uploads_bucket(tenant_id)
    objects = platform.objects.originals(bucket)
    while batch := list(islice(objects, _SLICE)):
        yield from _unknown(platform, tenant_id, batch)


def adopt_object(platform: Platform, key: ImageKey, info: ObjectInfo) -> str:
    """Ingest an object whose row is missing or stuck; return what came of it."""
    if platform.names.tenant_of_bucket(info.bucket) != key.tenant_id:
        raise InvalidRequestError(f"object {info.bucket}/{info.key} is not in {key.tenant_id}'s bucket")
    return ingest_object(platform, info.bucket, info.key, info.version_id).value


def abandon_upload(platform: Platform, row: ImageRow) -> str:
    """Close an upload whose URL and longest transfer have passed, unless its object is there after all."""
    original = row.original
    info = platform.objects.head(original.bucket, original.key) if original else None
    if info is not None:
        return ingest_row(platform, row, info).value
    failed = advanced(row, Event.UPLOAD_ABANDONED, now=platform.clock())
    after = replace(failed, last_error="upload_missing: no object arrived before the upload's deadline")
    return "abandoned" if platform.images.write(row, after) else "lost_race"


def _unknown(platform: Platform, tenant_id: str, batch: Sequence[ObjectInfo]) -> Iterator[AdoptObject]:
    keys = {
        ImageKey(tenant_id=tenant_id, image_id=image_id): info
        for info in batch
        if (image_id := image_id_of_key(info.key))
    }
    rows = {row.key: row for row in platform.images.get_many(list(keys))}
    for key, info in keys.items():
        row = rows.get(key)
        if row is None or row.status in (Status.PENDING_UPLOAD, Status.UPLOAD_FAILED):
            yield AdoptObject(key=key, info=info)
