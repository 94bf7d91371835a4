"""Assets of Truth: uploads and validated images."""

from collections import Counter

import dagster as dg

from parjanya_dagster.control.adopt import abandon_upload, objects_without_progress
from parjanya_dagster.control.apply import apply
from parjanya_dagster.control.scan import all_images, conservation, revalidate_stuck, stuck_rows
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.defs.partitions import TENANTS
from parjanya_dagster.defs.resources import PlatformResource

OWNERS = ["team:platform"]


@dg.asset(
    partitions_def=TENANTS,
    group_name="ingest",
    tags={"tbie": "truth"},
    kinds={"s3", "dynamodb"},
    owners=OWNERS,
)
def uploads(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult[None]:
    """Originals in the tenant's bucket and the rows that stand for them.

    Materializing compares objects with rows, adopts every object whose row is missing or never saw its
    upload, and closes uploads whose deadline passed without an object.
    """
    world, tenant = platform.get(), context.partition_key
    adopted = apply(world, list(objects_without_progress(world, tenant)))
    abandoned = Counter(
        abandon_upload(world, row) for row in stuck_rows(world, Status.PENDING_UPLOAD, tenant)
    )
    for fault in adopted.faults:
        context.log.warning(fault)
    counted = conservation(world, tenant)
    return dg.MaterializeResult(
        metadata={
            "objects": counted.objects,
            "rows_past_upload": counted.rows_past_upload,
            "adopted": dict(adopted.counts),
            "closed": dict(abandoned),
            "missing_rows": counted.missing_rows,
            "missing_objects": counted.missing_objects,
            "bucket": f"s3://{world.names.uploads_bucket(tenant)}",
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
    outcomes = revalidate_stuck(world, tenant)
    rows = all_images(world, tenant)
    rejects = Counter(
        reason
        for row in rows
        if row.status is Status.REJECTED_TECHNICAL
        for reason in (row.last_error or "unknown").split(",")
    )
    return dg.MaterializeResult(
        metadata={
            "ingested_again": dict(outcomes),
            "rows_by_status": dict(Counter(row.status.value for row in rows)),
            "rejects_by_reason": dg.MetadataValue.table(
                [dg.TableRecord({"reason": reason, "images": n}) for reason, n in rejects.most_common()]
                or [dg.TableRecord({"reason": "none", "images": 0})]
            ),
        }
    )
