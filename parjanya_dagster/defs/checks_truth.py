"""Asset checks of Truth: objects against rows, rows against buckets, and rows that make no progress."""

from typing import Final

import dagster as dg

from parjanya_dagster.control.listing import images_of
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.scan import conservation, stuck_rows
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.defs.assets_truth import uploads, validated_images
from parjanya_dagster.defs.metadata import table
from parjanya_dagster.defs.resources import PlatformResource

NEWEST_READ: Final = 500
"""Rows looked at per tenant where a check needs no more than the newest."""
_SAMPLES: Final = 5


@dg.asset_check(asset=uploads, name="conservation")
def conservation_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """Every original has a row past upload, and every such row its original."""
    world = platform.get()
    by_tenant = {tenant: conservation(world, tenant) for tenant in world.control.tenants()}
    residue = sum(found.missing_rows + found.missing_objects for found in by_tenant.values())
    return dg.AssetCheckResult(
        passed=residue == 0,
        description=f"{residue} originals or rows without their counterpart",
        metadata={
            "residue": residue,
            "by_tenant": table(
                {
                    "tenant": tenant,
                    "objects": found.objects,
                    "rows_past_upload": found.rows_past_upload,
                    "missing_rows": found.missing_rows,
                    "missing_objects": found.missing_objects,
                    "samples": ", ".join(found.without_row + found.without_object),
                }
                for tenant, found in by_tenant.items()
            ),
        },
    )


@dg.asset_check(asset=uploads, name="bucket_routing")
def bucket_routing_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """Every row's object lies in its own tenant's bucket; the newest 500 rows of each tenant are read."""
    world = platform.get()
    newest = {tenant: images_of(world, tenant, limit=NEWEST_READ) for tenant in world.control.tenants()}
    misrouted = [row for rows in newest.values() for row in rows if not _is_at_home(world, row)]
    return dg.AssetCheckResult(
        passed=not misrouted,
        description=f"{len(misrouted)} rows point into a bucket that is not their tenant's",
        metadata={
            "misrouted": len(misrouted),
            "rows_read": sum(len(rows) for rows in newest.values()),
            "samples": table(
                {"image": str(row.key), "bucket": row.original.bucket if row.original else ""}
                for row in misrouted[:_SAMPLES]
            ),
        },
    )


@dg.asset_check(asset=validated_images, name="stuck_rows")
def stuck_rows_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """No row stays in validation longer than an ingestion may take, and none waits in quarantine."""
    world = platform.get()
    stuck = stuck_rows(world, Status.PENDING_VALIDATION)
    quarantined = [
        row
        for tenant in world.control.tenants()
        for row in images_of(world, tenant, limit=NEWEST_READ)
        if row.quarantined
    ]
    return dg.AssetCheckResult(
        passed=not stuck and not quarantined,
        severity=dg.AssetCheckSeverity.ERROR if stuck else dg.AssetCheckSeverity.WARN,
        description=f"{len(stuck)} rows are stuck in validation, {len(quarantined)} are quarantined",
        metadata={
            "stuck": len(stuck),
            "quarantined": len(quarantined),
            "samples": table(
                {"image": str(row.key), "status": row.status, "last_error": row.last_error}
                for row in [*stuck, *quarantined][:_SAMPLES]
            ),
            "fix": "materialize validated_images; a quarantined row waits for a person to look at it",
        },
    )


def _is_at_home(world: Platform, row: ImageRow) -> bool:
    return row.original is None or row.original.bucket == world.names.uploads_bucket(row.key.tenant_id)
