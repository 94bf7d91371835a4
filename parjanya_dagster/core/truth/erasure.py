"""Erasure: the tombstone that is left of an image, and the account of what went.

The tombstone comes first, so that nothing is adopted again while things are being deleted. While it points to
an original, the erasure is unfinished; it points to the folder, not to the file, whose name is somebody's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Self

from parjanya_dagster.core.names import Names, originals_folder
from parjanya_dagster.core.truth.identity import ImageKey, image_key_from
from parjanya_dagster.core.truth.lifecycle import Event, advanced
from parjanya_dagster.core.truth.row import ImageRow, Original, Status

_CLOCK_SKEW: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What went of one image; digests only, no names.

    Args:
        objects: sha256 of `bucket/key@version` of each version that was deleted.
        items: names of the items that were deleted beside the head, e.g. `result#…`.
        letters: ids of the dead-letter records that were deleted.
        finished: a last look found nothing left.
    """

    key: ImageKey
    generation: int
    erased_at: datetime
    objects: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()
    letters: frozenset[str] = frozenset()
    finished: bool = False

    @property
    def digest(self) -> str:
        """sha256 over everything that was deleted, sorted."""
        return sha256("\n".join(sorted([*self.objects, *self.items])).encode()).hexdigest()

    def to_document(self) -> dict[str, Any]:
        """Return the stored form."""
        return {
            "image": str(self.key),
            "generation": self.generation,
            "erased_at": self.erased_at.isoformat(),
            "objects": sorted(self.objects),
            "items": sorted(self.items),
            "letters": sorted(self.letters),
            "finished": self.finished,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Return the account in a stored document."""
        return cls(
            key=image_key_from(document["image"]),
            generation=document["generation"],
            erased_at=datetime.fromisoformat(document["erased_at"]),
            objects=frozenset(document["objects"]),
            items=frozenset(document["items"]),
            letters=frozenset(document["letters"]),
            finished=document["finished"],
        )

    def certified(self) -> dict[str, Any]:
        """Return the entry of a certificate."""
        return {
            "image_id": self.key.image_id,
            "generation": self.generation,
            "erased_at": self.erased_at.isoformat(),
            "object_versions": len(self.objects),
            "items": len(self.items),
            "dead_letters": len(self.letters),
            "digest": self.digest,
            "finished": self.finished,
        }


def digest_of_version(bucket: str, key: str, version_id: str | None) -> str:
    """Return what the account keeps of an object version."""
    return sha256(f"{bucket}/{key}@{version_id}".encode()).hexdigest()


def tombstone_of(
    row: ImageRow,
    *,
    names: Names,
    include_source: bool,
    patience: timedelta,
    now: datetime,
    awaits_upload: bool = True,
) -> ImageRow:
    """Return what is left of a row: its key, its generation and when, and nobody's name.

    Args:
        include_source: an adopted original is to be deleted where it lies; its place is kept until then.
        patience: how long whoever began while the image was pending may still write.
        awaits_upload: a PUT may arrive as long as the URL that was given out is valid; not where the whole
            bucket goes.

    Returns:
        A tombstone whose `due_at` says from when on a last look is final.

    Raises:
        IllegalTransitionError: the row is erased already.
    """
    erased = advanced(row, Event.ERASED, now=now)
    uploads = names.uploads_bucket(row.key.tenant_id)
    where = Original(bucket=uploads, key=originals_folder(row.key.image_id))
    if include_source and row.original is not None and row.original.bucket != uploads:
        where = Original(bucket=row.original.bucket, key=row.original.key)
    # A row that was settled a moment ago may have a second worker that does not know yet.
    final_at = max(now, row.entered_at + patience) if row.status.is_settled else now + patience
    if row.status is Status.PENDING_UPLOAD and row.due_at is not None and awaits_upload:
        final_at = max(final_at, row.due_at + _CLOCK_SKEW)
    return ImageRow(
        key=row.key,
        status=erased.status,
        generation=row.generation,
        entered_at=now,
        due_at=final_at,
        original=where,
    )


def tombstone_of_object(key: ImageKey, *, names: Names, now: datetime) -> ImageRow:
    """Return the tombstone of an image that has objects and no row."""
    return ImageRow(
        key=key,
        status=Status.ERASED,
        generation=int(now.timestamp() * 1000),
        entered_at=now,
        due_at=now,
        original=Original(bucket=names.uploads_bucket(key.tenant_id), key=originals_folder(key.image_id)),
    )


def is_unfinished(row: ImageRow) -> bool:
    """A tombstone that still points somewhere: not everything was seen to be gone."""
    return row.status is Status.ERASED and row.original is not None
