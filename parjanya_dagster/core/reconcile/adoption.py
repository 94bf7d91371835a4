"""Adoption: how an image of another system becomes an image row, as pure functions.

Nothing is copied. The row points to the foreign object by version, and its id follows from the object alone,
so that whoever adopts it again, from whichever list, arrives at the same row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from parjanya_dagster.core.reconcile.source_mapping import SourceMapping
from parjanya_dagster.core.truth.identity import ImageKey, new_image_id
from parjanya_dagster.core.truth.row import ImageRow, Lane, Original, Status

_MILLISECONDS_FROM: Final = 10**11
"""Numbers this large are milliseconds: as seconds they would lie beyond the year 5000."""


class Found(StrEnum):
    """What an adoption makes of one object or record."""

    ADOPTED = "adopted"
    ALREADY_ADOPTED = "already_adopted"
    ERASED = "erased"
    NOT_AN_IMAGE = "not_an_image"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    OUT_OF_RANGE = "out_of_range"
    NO_KEY = "no_key"
    NO_OBJECT = "no_object"
    STATUS_SKIPPED = "status_skipped"
    STATUS_UNKNOWN = "status_unknown"
    TIME_UNREADABLE = "time_unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What another system says about one object.

    Args:
        at: when it says so; None leaves it to the object.
    """

    key: str
    uploader: str | None
    priority: str
    file_name: str
    at: datetime | None = None


def adopted_image_id(bucket: str, key: str, modified_at: datetime) -> str:
    """Return the id of a foreign object: a UUIDv7 of its last modification and the hash of where it lies.

    An object that was overwritten since is another image.
    """
    return new_image_id(modified_at, sha256(f"{bucket}/{key}".encode()).digest()[:10])


def claim_of_key(key: str, mapping: SourceMapping) -> Claim:
    """Return what a bucket alone says about an object: its name."""
    defaults = mapping.defaults
    return Claim(
        key=key, uploader=defaults.uploader, priority=defaults.priority, file_name=key.rsplit("/", 1)[-1]
    )


def claim_of_record(record: Mapping[str, Any], mapping: SourceMapping, *, bucket: str) -> Claim | Found:
    """Return what a record of another system says about its object, or why it is left alone."""
    columns = mapping.columns
    said = str(record.get(columns.key or "") or "")
    if not said:
        return Found.NO_KEY
    status = None if columns.status is None else str(record.get(columns.status))
    if status is not None and mapping.statuses.get(status) != "adopt":
        return Found.STATUS_SKIPPED if status in mapping.statuses else Found.STATUS_UNKNOWN
    value = record.get(columns.time or "")
    at = moment_of(value)
    if value is not None and at is None:
        return Found.TIME_UNREADABLE
    key = mapping.select.key_prefix + said.removeprefix(f"s3://{bucket}/").removeprefix("/")
    plain = claim_of_key(key, mapping)
    priority = mapping.priorities.get(str(record.get(columns.priority or "")), plain.priority)
    return Claim(
        key=key,
        uploader=_text(record.get(columns.uploader or "")) or plain.uploader,
        priority=priority,
        file_name=_text(record.get(columns.file_name or "")) or plain.file_name,
        at=at,
    )


def refusal_of(
    claim: Claim, mapping: SourceMapping, *, size_bytes: int, modified_at: datetime, max_bytes: int
) -> Found | None:
    """Return why an object that is there is left alone, or None."""
    select, at = mapping.select, claim.at or modified_at
    if not claim.key.lower().endswith(select.suffixes):
        return Found.NOT_AN_IMAGE
    if (select.since and at < select.since) or (select.until and at >= select.until):
        return Found.OUT_OF_RANGE
    if size_bytes == 0:
        return Found.EMPTY
    return Found.TOO_LARGE if size_bytes > max_bytes else None


def adopted_row(claim: Claim, original: Original, *, key: ImageKey, now: datetime) -> ImageRow:
    """Return the row of a foreign object, ready to be validated.

    It takes the lane of regrades, so that an archive starves no fresh upload, and clock milliseconds as its
    generation, so that no job or result of a forgotten row matches it.
    """
    return ImageRow(
        key=key,
        status=Status.PENDING_VALIDATION,
        generation=int(now.timestamp() * 1000),
        entered_at=now,
        due_at=now,
        lane=Lane.REGRADE,
        priority=claim.priority,
        uploader=claim.uploader,
        file_name=claim.file_name[:255],
        original=original,
    )


def moment_of(value: object) -> datetime | None:
    """Return the time in a foreign value: ISO 8601, or seconds or milliseconds since 1970; else None.

    A time without zone is taken for UTC.
    """
    try:
        number = float(str(value)) if isinstance(value, int | float | Decimal) else None
        if number is not None:
            return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS_FROM else number, tz=UTC)
        at = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
