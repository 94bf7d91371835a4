"""Ingestion: an uploaded object becomes a validated image row.

The attempt is written before the bytes are decoded, so a file that kills the process is recognised at its
third crash and rejected by name instead of being tried for ever.
"""

from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.errors import EdgeError, IllegalTransitionError
from parjanya_dagster.core.names import PREVIEWS, image_id_of_key
from parjanya_dagster.core.ports import ObjectInfo
from parjanya_dagster.core.reading import Readable, Unreadable
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.lifecycle import VALIDATION_PATIENCE, Event, advanced
from parjanya_dagster.core.truth.result import IngestFacts
from parjanya_dagster.core.truth.row import ImageRow, Original, Previews, Status

_MAX_ATTEMPTS: Final = 3


class Ingested(StrEnum):
    """What an ingestion did."""

    VALIDATED = "validated"
    REJECTED = "rejected"
    ALREADY_DONE = "already_done"
    NOT_AN_ORIGINAL = "not_an_original"
    OBJECT_MISSING = "object_missing"
    LOST_RACE = "lost_race"


def row_of_object(key: ImageKey, info: ObjectInfo, *, now: datetime) -> ImageRow:
    """Return the row of an object that has none, as if its upload had just been announced.

    Its generation is clock milliseconds, so that no job or result of a forgotten row matches it.
    """
    return ImageRow(
        key=key,
        status=Status.PENDING_UPLOAD,
        generation=int(now.timestamp() * 1000),
        entered_at=now,
        due_at=now,
        file_name=info.key.rsplit("/", 1)[-1],
        original=original_of(info),
    )


def original_of(info: ObjectInfo) -> Original:
    """Return an object as a row names it: this version, and no later one."""
    return Original(
        bucket=info.bucket,
        key=info.key,
        version_id=info.version_id,
        etag=info.etag,
        size_bytes=info.size_bytes,
    )


def ingest_object(platform: Platform, bucket: str, key: str, version_id: str | None) -> Ingested:
    """Ingest the object of a created event; only a tenant's originals are looked at, never a preview."""
    tenant_id = platform.names.tenant_of_bucket(bucket)
    image_id = image_id_of_key(key)
    if tenant_id is None or image_id is None:
        return Ingested.NOT_AN_ORIGINAL
    info = platform.objects.head(bucket, key, version_id=version_id)
    if info is None:
        return Ingested.OBJECT_MISSING
    row = platform.images.get(ImageKey(tenant_id=tenant_id, image_id=image_id))
    if row is None:
        row = row_of_object(ImageKey(tenant_id=tenant_id, image_id=image_id), info, now=platform.clock())
        if not platform.images.create(row):
            return Ingested.LOST_RACE
    return ingest_row(platform, row, info)


def ingest_row(platform: Platform, row: ImageRow, info: ObjectInfo | None = None) -> Ingested:
    """Ingest the object of a row that waits for it.

    Args:
        info: the object, when the caller has just seen it; otherwise the row's own pinned version is used.

    Raises:
        EdgeError: bucket or table did not answer; the attempt does not count against the image.
    """
    begun = _begin(platform, row, info)
    if isinstance(begun, Ingested):
        return begun
    try:
        return _ingest(platform, begun)
    except EdgeError:
        # What surrounds the image failed. Only what kills the process unheard counts against the image.
        with suppress(EdgeError):
            platform.images.write(begun, replace(begun, attempts=begun.attempts - 1))
        raise


def _ingest(platform: Platform, begun: ImageRow) -> Ingested:
    original = begun.original
    if begun.attempts > _MAX_ATTEMPTS:
        found = original and platform.objects.head(
            original.bucket, original.key, version_id=original.version_id
        )
        reason = "validation_crashed" if found else "object_missing"
        return _reject(platform, begun, begun, Unreadable(reasons=(reason,)))
    if original is None:
        return Ingested.OBJECT_MISSING
    data = platform.objects.get(original.bucket, original.key, version_id=original.version_id)
    if data is None:
        return Ingested.OBJECT_MISSING
    hashed = replace(begun, original=replace(original, sha256=sha256(data).hexdigest(), size_bytes=len(data)))
    outcome = platform.reader.read(data)
    if isinstance(outcome, Unreadable):
        return _reject(platform, begun, hashed, outcome)
    return _accept(platform, begun, hashed, outcome)


def _begin(platform: Platform, row: ImageRow, info: ObjectInfo | None) -> ImageRow | Ingested:
    """Write that this attempt begins; return the row as written."""
    now = platform.clock()
    if row.status is Status.PENDING_VALIDATION:
        begun = row
    else:
        try:
            begun = advanced(row, Event.UPLOAD_SEEN, now=now)
        except IllegalTransitionError:
            return Ingested.ALREADY_DONE
    if info is not None and (begun.original is None or begun.original.version_id is None):
        begun = replace(begun, original=original_of(info))
    begun = replace(begun, attempts=begun.attempts + 1, due_at=now + VALIDATION_PATIENCE)
    return begun if platform.images.write(row, begun) else Ingested.LOST_RACE


def _accept(platform: Platform, begun: ImageRow, hashed: ImageRow, outcome: Readable) -> Ingested:
    now = platform.clock()
    # An adopted original lies elsewhere; nothing is ever written there.
    bucket = platform.names.uploads_bucket(begun.key.tenant_id)
    stem = f"{PREVIEWS}{begun.key.image_id}"
    previews = Previews(display_key=f"{stem}/1536.jpg", model_key=f"{stem}/model.png")
    platform.objects.put(bucket, previews.display_key, outcome.display, content_type="image/jpeg")
    platform.objects.put(bucket, previews.model_key, outcome.model, content_type="image/png")
    platform.images.put_facts(begun.key, _facts(platform, outcome))
    after = replace(advanced(hashed, Event.VALIDATED, now=now), previews=previews, last_error=None)
    return Ingested.VALIDATED if platform.images.write(begun, after) else Ingested.LOST_RACE


def _reject(platform: Platform, begun: ImageRow, hashed: ImageRow, outcome: Unreadable) -> Ingested:
    if outcome.technical or outcome.exif:
        platform.images.put_facts(begun.key, _facts(platform, outcome))
    rejected = advanced(hashed, Event.REJECTED, now=platform.clock())
    after = replace(rejected, last_error=",".join(outcome.reasons)[:300])
    return Ingested.REJECTED if platform.images.write(begun, after) else Ingested.LOST_RACE


def _facts(platform: Platform, outcome: Readable | Unreadable) -> IngestFacts:
    return IngestFacts(
        technical=asdict(outcome.technical) if outcome.technical else {},
        exif=asdict(outcome.exif) if outcome.exif else {},
        at=platform.clock(),
    )
