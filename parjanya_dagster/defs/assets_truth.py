"""Assets of Truth: uploads and validated images."""

from collections import Counter
from typing import Final

import dagster as dg

from parjanya_dagster.control.adopt import objects_without_progress
from parjanya_dagster.control.apply import apply
from parjanya_dagster.control.audit import audit_document, audit_tenant
from parjanya_dagster.control.listing import all_images
from parjanya_dagster.control.scan import revalidate_stuck, stuck_rows
from parjanya_dagster.core.reconcile.actions import AbandonUpload
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.defs.metadata import counted, image_links
from parjanya_dagster.defs.partitions import TENANTS
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.run_tags import complete_run_tags, run_tags
from parjanya_dagster.defs.run_trail import recorded_run

OWNERS: Final = ["team:platform"]
_SAMPLES: Final = 5


@dg.asset(
    partitions_def=TENANTS,
    group_name="ingest",
    tags={"tbie": "truth"},
    kinds={"s3", "dynamodb"},
    owners=OWNERS,
)
def uploads(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult[None]:
    """Originals in the tenant's bucket and the rows that stand for them.

    Materializing compares objects with rows: an object whose row is missing or never saw its upload is
    adopted, and an upload whose deadline passed without an object is closed.
    """
    world, tenant = platform.get(), context.partition_key
    complete_run_tags(context, run_tags(tenant))
    overdue = stuck_rows(world, Status.PENDING_UPLOAD, tenant)
    adoptions = list(objects_without_progress(world, tenant))
    with recorded_run(context, world, before={"adopt": len(adoptions), "overdue": len(overdue)}) as recording:
        applied = apply(world, [*adoptions, *(AbandonUpload(row=row) for row in overdue)])
        recording.after = dict(applied.counts)
    for fault in applied.faults:
        context.log.warning(fault)
    found = audit_document(audit_tenant(world, tenant))
    return dg.MaterializeResult(
        metadata={
            "objects": found["originals"],
            "rows_past_upload": found["rows"],
            "repaired": counted(applied.counts, of="repair", unit="uploads"),
            "faults": len(applied.faults),
            "missing_rows": found["without_row"],
            "missing_objects": found["without_object"],
            "bucket": f"s3://{world.names.uploads_bucket(tenant)}/originals/",
            "images": dg.MetadataValue.url(f"{platform.web_url}/images"),
        }
    )


@dg.asset(
    partitions_def=TENANTS,
    deps=[uploads],
    group_name="ingest",
    tags={"tbie": "truth"},
    kinds={"python", "dynamodb"},
    owners=OWNERS,
)
def validated_images(
    context: dg.AssetExecutionContext, platform: PlatformResource
) -> dg.MaterializeResult[None]:
    """Rows whose object was decoded, measured and previewed, or rejected by name.

    Materializing ingests the rows that are stuck in validation, by the function the Lambda uses.
    """
    world, tenant = platform.get(), context.partition_key
    complete_run_tags(context, run_tags(tenant))
    with recorded_run(context, world) as recording:
        outcomes = revalidate_stuck(world, tenant)
        recording.after = dict(outcomes)
    rows = list(all_images(world, tenant))
    previewed = [row.key.image_id for row in rows if row.previews]
    rejects = Counter(
        reason
        for row in rows
        if row.status is Status.REJECTED_TECHNICAL
        for reason in (row.last_error or "unknown").split(",")
    )
    return dg.MaterializeResult(
        metadata={
            "ingested_again": counted(outcomes, of="outcome"),
            "rows_by_status": counted(Counter(row.status.value for row in rows), of="status"),
            "rejects_by_reason": counted(rejects, of="reason"),
            "newest": dg.MetadataValue.md(image_links(previewed[:_SAMPLES], web_url=platform.web_url)),
        }
    )
