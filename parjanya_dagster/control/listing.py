"""Listings, newest first: a tenant's images and the small records of Truth, a page at a time."""

from collections.abc import Iterator
from typing import Any, Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.row import ImageRow

_PAGE: Final = 500


def images_of(
    platform: Platform, tenant_id: str, *, limit: int = 100, before_image_id: str | None = None
) -> list[ImageRow]:
    """Return a tenant's newest images, newest first."""
    return platform.images.listing(tenant_id, limit=limit, before_image_id=before_image_id)


def all_images(
    platform: Platform, tenant_id: str, *, before_image_id: str | None = None
) -> Iterator[ImageRow]:
    """Yield every row of a tenant, newest first; for audits and commands, never for a periodic path.

    The listing lags: who decides by a row reads it again.
    """
    while page := platform.images.listing(tenant_id, limit=_PAGE, before_image_id=before_image_id):
        yield from page
        before_image_id = page[-1].key.image_id


def records_of(
    platform: Platform, kind: RecordKind, tenant_id: str | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every record of a kind with its id, highest id first.

    Args:
        tenant_id: only records whose ids begin with `tenant#`.
    """
    before_id = None if tenant_id is None else f"{tenant_id}$"  # the sign behind `#`
    while page := platform.records.newest(kind, limit=_PAGE, before_id=before_id):
        for record_id, document in page:
            if tenant_id is not None and not record_id.startswith(f"{tenant_id}#"):
                return
            yield record_id, document
        before_id = page[-1][0]
