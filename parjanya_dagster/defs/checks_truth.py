"""Asset checks of Truth: objects against rows, rows against buckets, and rows that make no progress."""

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

from parjanya_dagster.control.audit import audit_document, audit_intents, audit_tenant
from parjanya_dagster.control.listing import images_of
from parjanya_dagster.control.scan import stuck_rows
from parjanya_dagster.control.sources import sources_for
from parjanya_dagster.core.reconcile.symptoms_intent import is_misrouted
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.defs.assets_truth import uploads, validated_images
from parjanya_dagster.defs.metadata import table
from parjanya_dagster.defs.resources import PlatformResource

NEWEST_READ: Final = 500
"""Rows looked at per tenant where a check needs no more than the newest."""
_SAMPLES: Final = 5
_COMPARED: Final = (
    *("tenant", "originals", "rows", "tombstones", "elsewhere"),
    *("without_row", "without_object", "not_erased"),
)
"""What the audit says of a tenant, in the order of the table."""


@dg.asset_check(asset=uploads, name="conservation")
def conservation_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """Every original has its row and every row its original; every stamp has its message or dead letter.

    This is the audit, made now: closed days come from its record, the others are compared.
    """
    world = platform.get()
    documents = [audit_document(audit_tenant(world, tenant)) for tenant in world.control.tenants()]
    residue = sum(document["residue"] for document in documents)
    stamps = audit_intents(world)
    described = f"{residue} images without their counterpart, "
    described += (
        "stamps cannot be compared: a queue is unreadable"
        if stamps.unaccounted is None
        else f"{stamps.unaccounted} of {stamps.stamps} stamps without message or dead letter"
    )
    return dg.AssetCheckResult(
        passed=residue == 0 and stamps.unaccounted == 0,
        description=described,
        metadata={
            "residue": residue,
            "by_tenant": table(
                {
                    **{name: document[name] for name in _COMPARED},
                    "samples": ", ".join(_samples(document)),
                }
                for document in documents
            ),
            "stamps": stamps.stamps,
            "messages": "unreadable" if stamps.messages is None else stamps.messages,
            "dead_letters": "unreadable" if stamps.dead_letters is None else stamps.dead_letters,
            "unaccounted_stamps": "unknown" if stamps.unaccounted is None else stamps.unaccounted,
            "unaccounted_samples": ", ".join(stamps.samples) or "none",
            "fix": "materialize uploads, which gives objects their rows; parjanya diagnose names the rest",
        },
    )


@dg.asset_check(asset=uploads, name="bucket_routing")
def bucket_routing_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """Every row's object lies in its tenant's bucket or a registered source; the newest 500 rows are read."""
    world = platform.get()
    rows = [row for tenant in world.control.tenants() for row in images_of(world, tenant, limit=NEWEST_READ)]
    sources = sources_for(world, rows)
    misrouted = [row for row in rows if is_misrouted(row, names=world.names, sources=sources)]
    return dg.AssetCheckResult(
        passed=not misrouted,
        description=f"{len(misrouted)} rows point into a bucket that is not their tenant's",
        metadata={
            "misrouted": len(misrouted),
            "rows_read": len(rows),
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


def _samples(document: Mapping[str, Any]) -> list[str]:
    """Return image ids of an audit's residues, with what each lacks."""
    return [
        f"{image_id} {kind.replace('_', ' ')}"
        for window in document["residues"]
        for kind, image_ids in window["samples"].items()
        for image_id in image_ids
    ][:_SAMPLES]
