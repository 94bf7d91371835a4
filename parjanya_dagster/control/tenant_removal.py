"""Removing a tenant: tokens, images, bucket, sources, and its marker last.

As long as anything of it is left, the tenant stays registered, so that whatever stops in between is seen and
can be repeated. Tombstones stay: they name nobody, and keep what was erased from being adopted again.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from parjanya_dagster.control.erase import Erased, How, Wanted, certificate, erase_images, wanted_images
from parjanya_dagster.control.listing import records_of
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.trail import recorded
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.erasure import Erasure, digest_of_version
from parjanya_dagster.core.truth.row import ImageRow, Status

_TRIES: Final = 3


@dataclass(slots=True)
class Removal:
    """What a removal did.

    Args:
        tokens: how many were deleted.
        strays: digests of object versions that belonged to no image.
        removed: nothing is left, and the tenant is not registered any more.
    """

    images: Erased
    tokens: int = 0
    strays: list[str] = field(default_factory=list)
    removed: bool = False


def open_uploads(platform: Platform, tenant_id: str) -> list[ImageRow]:
    """Return the rows whose upload URL may still be used.

    Raises:
        InvalidRequestError: the tenant is not registered.
    """
    now = platform.clock()
    rows = wanted_images(platform, Wanted(tenant_id=tenant_id, everything=True)).values()
    return [
        row
        for row in rows
        if row is not None
        and row.status is Status.PENDING_UPLOAD
        and row.due_at is not None
        and row.due_at > now
    ]


def remove_tenant(
    platform: Platform, tenant_id: str, *, who: str, include_source: bool = False, force: bool = False
) -> Removal:
    """Remove a tenant with everything it has; repeat it until it says that nothing is left.

    Args:
        who: for the audit trail.
        include_source: delete adopted originals in their own bucket too.
        force: also while uploads are open; what arrives goes with the bucket.

    Raises:
        InvalidRequestError: the tenant is not registered, or uploads are open.
    """
    pending = open_uploads(platform, tenant_id)
    if pending and not force:
        until = max(row.due_at for row in pending if row.due_at is not None)
        raise InvalidRequestError(
            f"{len(pending)} uploads of '{tenant_id}' are open until {until:%Y-%m-%d %H:%M:%S} UTC: "
            "wait for them, or say --force"
        )
    with recorded(platform, who, f"tenant remove {tenant_id}") as recording:
        tokens = platform.archive.forget_tokens(tenant_id)
        removal = _removed(platform, tenant_id, who=who, include_source=include_source)
        removal.tokens = tokens
        recording.after = {"images": len(removal.images.accounts), "tokens": tokens}
    return removal


def removal_certificate(
    platform: Platform, tenant_id: str, removal: Removal, *, who: str
) -> dict[str, object]:
    """Return the certificate of a removal: of every image of the tenant that was ever erased."""
    kept = records_of(platform, RecordKind.ERASURE, tenant_id)
    accounts = [Erasure.from_document(document) for _, document in kept]
    every = replace(removal.images, accounts=accounts)
    return {
        **certificate(tenant_id, every, who=who, now=platform.clock()),
        "tokens": removal.tokens,
        "stray_object_versions": removal.strays,
        "removed": removal.removed,
    }


def _removed(platform: Platform, tenant_id: str, *, who: str, include_source: bool) -> Removal:
    images = wanted_images(platform, Wanted(tenant_id=tenant_id, everything=True))
    how = How(include_source=include_source, awaits_upload=False)
    removal = Removal(images=erase_images(platform, images, who=who, how=how))
    if not removal.images.is_complete:
        return removal
    bucket = platform.names.uploads_bucket(tenant_id)
    for _ in range(_TRIES):
        strays = list(platform.archive.versions(bucket))
        removal.strays += [digest_of_version(v.bucket, v.key, v.version_id) for v in strays]
        platform.archive.delete_versions(strays)
        if platform.archive.remove_bucket(bucket):
            _forget_sources(platform, tenant_id)
            platform.archive.forget_tenant(tenant_id)
            removal.removed = True
            return removal
    removal.images.left.append(f"bucket {bucket}: something arrives in it again and again")
    return removal


def _forget_sources(platform: Platform, tenant_id: str) -> None:
    for kind in (RecordKind.ADOPTION, RecordKind.SOURCE):
        for record_id, _ in list(records_of(platform, kind, tenant_id)):
            platform.records.remove(kind, record_id)
