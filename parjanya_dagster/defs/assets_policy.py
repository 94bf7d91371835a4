"""The asset of policy: what a version would decide, before anybody pays for it."""

import io
from datetime import UTC, datetime

import dagster as dg
from dagster_aws.s3 import S3Resource

from parjanya_dagster.control.policies import compiled_policy
from parjanya_dagster.control.preview import preview_tenant
from parjanya_dagster.core.policy.decide import CompiledPolicy, compile_policy
from parjanya_dagster.core.policy.document import load_policy
from parjanya_dagster.core.policy.preview import Preview, Tariff
from parjanya_dagster.defs.assets_scoring import vlm_scores
from parjanya_dagster.defs.assets_truth import OWNERS
from parjanya_dagster.defs.partitions import POLICY_BY_TENANT
from parjanya_dagster.defs.resources import PlatformResource


class PreviewConfig(dg.Config):
    """Optional run config of a preview.

    Args:
        draft: a policy document (TOML or JSON) to judge by instead of the partition's published version.
        usd_per_instance_hour: price used for rows that need the GPU.
        seconds_per_image: GPU seconds per image used for the price.
    """

    draft: str | None = None
    usd_per_instance_hour: float = 0.8048
    seconds_per_image: float = 0.26


@dg.asset(
    partitions_def=POLICY_BY_TENANT,
    deps=[
        dg.AssetDep(vlm_scores, partition_mapping=dg.MultiToSingleDimensionPartitionMapping("tenant")),
    ],
    group_name="policy",
    tags={"tbie": "truth"},
    kinds={"polars", "parquet", "s3"},
    owners=OWNERS,
)
def policy_decisions(
    context: dg.AssetExecutionContext, config: PreviewConfig, platform: PlatformResource, s3: S3Resource
) -> dg.MaterializeResult[None]:
    """Every image of a tenant judged under a policy version, as Parquet; no Truth is touched.

    The metadata show what would change, which verdicts flip (with samples to look at), what it would cost,
    and the token that names exactly these rows and generations.
    """
    version, tenant = context.partition_key.split("|")
    world = platform.get()
    compiled = _policy_for(config, version, platform)
    tariff = Tariff(seconds_per_image=config.seconds_per_image, usd_per_hour=config.usd_per_instance_hour)
    preview = preview_tenant(world, tenant, compiled, tariff)
    key = f"policy_decisions/{version}/{tenant}/{datetime.now(tz=UTC):%Y%m%dT%H%M%SZ}.parquet"
    body = io.BytesIO()
    preview.rows.write_parquet(body)
    s3.get_client().put_object(Bucket=world.names.artifacts_bucket, Key=key, Body=body.getvalue())
    return dg.MaterializeResult(
        metadata=_metadata(preview) | {"parquet": f"s3://{world.names.artifacts_bucket}/{key}"}
    )


def _policy_for(config: PreviewConfig, version: str, platform: PlatformResource) -> CompiledPolicy:
    if config.draft is None:
        return compiled_policy(platform.get(), version)
    return compile_policy(load_policy(config.draft))


def _metadata(preview: Preview) -> dict[str, dg.MetadataValue]:
    return {
        "policy_version": dg.MetadataValue.text(preview.policy_version),
        "images": dg.MetadataValue.int(preview.rows.height),
        "classes": _table(preview.classes.drop("tenant").rows(named=True)),
        "flips": _table(
            [{**row, "samples": ", ".join(row["samples"])} for row in preview.flips.rows(named=True)]
        ),
        "gpu_hours": dg.MetadataValue.float(preview.price.gpu_hours),
        "usd": dg.MetadataValue.float(preview.price.usd),
        "plan_token": dg.MetadataValue.text(preview.token),
        "cutoff": dg.MetadataValue.timestamp(preview.cutoff),
    }


def _table(rows: list[dict[str, object]]) -> dg.MetadataValue:
    if not rows:
        return dg.MetadataValue.text("none")
    records = [
        dg.TableRecord({k: v if isinstance(v, int | float) else str(v) for k, v in row.items()})
        for row in rows
    ]
    return dg.MetadataValue.table(records)
