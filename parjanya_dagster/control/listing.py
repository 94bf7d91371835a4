"""Listings of a tenant's images, from bounded reads."""

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.truth.row import ImageRow


def images_of(
    platform: Platform, tenant_id: str, *, limit: int = 100, before_image_id: str | None = None
) -> list[ImageRow]:
    """Return a tenant's newest images, newest first."""
    return platform.images.listing(tenant_id, limit=limit, before_image_id=before_image_id)
