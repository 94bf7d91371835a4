"""Erasing images for good, such that a crash anywhere can be resumed and nothing is adopted again.

The order: the tombstone, then the account of what will go, then the deletions, then a look that finds nothing
left, then the account says so, and at last the tombstone forgets where things were. Jobs on the queue need no
purge: a tombstone supersedes them, and whoever receives one deletes it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice, takewhile
from typing import Final

from parjanya_dagster.control.listing import all_images, records_of
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.tenants import registered_tenants
from parjanya_dagster.control.trail import recorded
from parjanya_dagster.core.archive import ObjectVersion
from parjanya_dagster.core.errors import EdgeError, InvalidRequestError, UnavailableError
from parjanya_dagster.core.names import originals_folder, previews_folder
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.conservation import closed_id, window_of
from parjanya_dagster.core.truth.erasure import (
    Erasure,
    digest_of_version,
    is_unfinished,
    tombstone_of,
    tombstone_of_object,
)
from parjanya_dagster.core.truth.identity import ImageKey, created_at_of
from parjanya_dagster.core.truth.row import ImageRow, Status

_READ: Final = 100
_WRITES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which images of a tenant to erase; with nothing said, only what an earlier run left unfinished.

    Args:
        image_ids: these.
        uploader: everything of one person.
        before: everything uploaded before.
        everything: all of the tenant's.
    """

    tenant_id: str
    image_ids: tuple[str, ...] = ()
    uploader: str | None = None
    before: datetime | None = None
    everything: bool = False

    def matches(self, row: ImageRow) -> bool:
        """Whether a row is to be erased: chosen and not erased yet, or begun and not finished."""
        if row.status is Status.ERASED:
            return is_unfinished(row)
        if self.uploader is None and self.before is None:
            return self.everything
        return (self.uploader is None or row.uploader == self.uploader) and (
            self.before is None or created_at_of(row.key.image_id) < self.before
        )


@dataclass(slots=True)
class Erased:
    """What an erasure did.

    Args:
        accounts: what went, of every image.
        settling: images that were being worked on, and when a last look will be final.
        left: what could not be deleted, in words without names of files; must be empty.
    """

    accounts: list[Erasure] = field(default_factory=list)
    settling: dict[ImageKey, datetime] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Nothing is left, and nothing can come back."""
        return not self.settling and not self.left


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to erase.

    Args:
        include_source: delete adopted originals in their own bucket too.
        awaits_upload: see `tombstone_of`.
    """

    include_source: bool = False
    awaits_upload: bool = True


def wanted_images(platform: Platform, wanted: Wanted) -> dict[ImageKey, ImageRow | None]:
    """Return the images to erase with their rows as they are now; None for objects that have no row.

    Raises:
        InvalidRequestError: the tenant is not registered, or an id is of none of its images.
    """
    registered_tenants(platform, [wanted.tenant_id])
    if wanted.image_ids:
        return _named(platform, wanted)
    return {row.key: row for row in _all_rows(platform, wanted.tenant_id) if wanted.matches(row)}


def erase_images(
    platform: Platform,
    keys: Collection[ImageKey],
    *,
    who: str,
    how: How | None = None,
    on_image: Callable[[Erased], None] = lambda _erased: None,
) -> Erased:
    """Erase images; one that fails stops no other.

    Args:
        who: for the audit trail.
        on_image: told after each.

    Raises:
        EdgeError: the trail or the dead-letter records cannot be read.
    """
    erased = Erased()
    with recorded(platform, who, "images erase", before={"images": len(keys)}) as recording:
        letters = _letters_of(platform, {str(key) for key in keys})
        for key in keys:
            try:
                _erase(platform, key, how or How(), letters[str(key)], erased)
            except EdgeError as error:
                erased.left.append(f"{key.image_id}: {error}")
            recording.after = {"erased": len(erased.accounts), "left": len(erased.left)}
            on_image(erased)
    return erased


def certificate(tenant_id: str, erased: Erased, *, who: str, now: datetime) -> dict[str, object]:
    """Return the certificate: what went, as counts and digests, and what did not."""
    accounts = sorted(erased.accounts, key=lambda each: each.key)
    return {
        "certificate": 1,
        "tenant": tenant_id,
        "who": who,
        "at": now.isoformat(),
        "images": [each.certified() for each in accounts],
        "totals": {
            "images": len(accounts),
            "object_versions": sum(len(each.objects) for each in accounts),
            "items": sum(len(each.items) for each in accounts),
            "dead_letters": sum(len(each.letters) for each in accounts),
        },
        "settling": {key.image_id: at.isoformat() for key, at in sorted(erased.settling.items())},
        "left": list(erased.left),
    }


def _erase(platform: Platform, key: ImageKey, how: How, letters: Sequence[str], erased: Erased) -> None:
    tombstone = _buried(platform, key, how)
    _reopen(platform, key)
    kept = platform.records.get(RecordKind.ERASURE, str(key))
    account = (
        Erasure.from_document(kept)
        if kept
        else Erasure(key=key, generation=tombstone.generation, erased_at=tombstone.entered_at)
    )
    versions, items = _inventory(platform, tombstone)
    account = replace(
        account,
        objects=account.objects | {digest_of_version(v.bucket, v.key, v.version_id) for v in versions},
        items=account.items | set(items),
        letters=account.letters | set(letters),
    )
    # Before the deletions: a crash leaves an account of something that is still there, never the reverse.
    platform.records.put(RecordKind.ERASURE, str(key), account.to_document())
    platform.archive.delete_versions(versions)
    platform.archive.delete_evidence(key, items)
    for letter in letters:
        platform.records.remove(RecordKind.DEAD_LETTER, letter)
    erased.accounts.append(_concluded(platform, tombstone, account, erased))


def _concluded(platform: Platform, tombstone: ImageRow, account: Erasure, erased: Erased) -> Erasure:
    """Look for what is left; when nothing is and nothing can come any more, say so for good."""
    versions, items = _inventory(platform, tombstone)
    if versions or items:
        erased.left.append(f"{tombstone.key.image_id}: {len(versions)} object versions, {len(items)} items")
        return account
    if tombstone.due_at is not None and platform.clock() < tombstone.due_at:
        erased.settling[tombstone.key] = tombstone.due_at
        return account
    finished = replace(account, finished=True)
    platform.records.put(RecordKind.ERASURE, str(account.key), finished.to_document())
    platform.images.write(tombstone, replace(tombstone, original=None, due_at=None))
    return finished


def _buried(platform: Platform, key: ImageKey, how: How) -> ImageRow:
    """Return the tombstone of an image, written unless it is there."""
    for _ in range(_WRITES):
        row = platform.images.get(key)
        if row is not None and row.status is Status.ERASED:
            return row
        if row is None:
            tombstone = tombstone_of_object(key, names=platform.names, now=platform.clock())
            is_written = platform.images.create(tombstone)
        else:
            tombstone = tombstone_of(
                row,
                names=platform.names,
                include_source=how.include_source,
                patience=platform.limits.visibility,
                now=platform.clock(),
                awaits_upload=how.awaits_upload,
            )
            is_written = platform.archive.bury(row, tombstone)
        if is_written:
            return tombstone
    raise UnavailableError(f"row {key} was written to again and again: repeat the command")


def _reopen(platform: Platform, key: ImageKey) -> None:
    """Forget that the image's window was closed: the next audit reads it again, and sees this through."""
    with suppress(ValueError):  # an id that carries no time is in no window
        window = window_of(key.image_id)
        platform.records.remove(RecordKind.CONSERVATION, closed_id(key.tenant_id, window))


def _inventory(platform: Platform, tombstone: ImageRow) -> tuple[list[ObjectVersion], list[str]]:
    """Return every object version and item that an image still has."""
    key, versions = tombstone.key, platform.archive.versions
    uploads = platform.names.uploads_bucket(key.tenant_id)
    found = [
        *versions(uploads, prefix=originals_folder(key.image_id)),
        *versions(uploads, prefix=previews_folder(key.image_id)),
    ]
    source = tombstone.original
    if source is not None and source.bucket != uploads:
        adopted = versions(source.bucket, prefix=source.key)
        found += takewhile(lambda each: each.key == source.key, adopted)
    return found, platform.archive.evidence(key)


def _letters_of(platform: Platform, images: Collection[str]) -> Mapping[str, list[str]]:
    """Return ids of the dead-letter records about these images, by image."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for letter_id, document in records_of(platform, RecordKind.DEAD_LETTER):
        if document.get("image") in images:
            found[document["image"]].append(letter_id)
    return found


def _named(platform: Platform, wanted: Wanted) -> dict[ImageKey, ImageRow | None]:
    keys = [ImageKey(tenant_id=wanted.tenant_id, image_id=image_id) for image_id in wanted.image_ids]
    rows = {row.key: row for row in platform.images.get_many(keys)}
    uploads = platform.names.uploads_bucket(wanted.tenant_id)
    unknown = [
        key.image_id
        for key in keys
        if key not in rows
        and not any(platform.archive.versions(uploads, prefix=originals_folder(key.image_id)))
    ]
    if unknown:
        raise InvalidRequestError(f"tenant '{wanted.tenant_id}' has no image {', '.join(unknown)}")
    return {key: rows.get(key) for key in keys}


def _all_rows(platform: Platform, tenant_id: str) -> Iterator[ImageRow]:
    """Yield a tenant's rows as they are now; the listing lags, so what it names is read again."""
    listed = (row.key for row in all_images(platform, tenant_id))
    while batch := list(islice(listed, _READ)):
        yield from platform.images.get_many(batch)
