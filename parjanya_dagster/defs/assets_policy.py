"""The asset of policy: what a version would decide, before anybody pays for it."""

import io
from typing import Any, Final

import dagster as dg
import polars as pl
from dagster_aws.s3 import S3Resource

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import compiled_policy
from parjanya_dagster.control.preview import preview_tenant
from parjanya_dagster.core.policy.decide import CompiledPolicy, compile_policy
from parjanya_dagster.core.policy.document import load_policy
from parjanya_dagster.core.policy.preview import Preview, Tariff
from parjanya_dagster.defs.assets_scoring import USD_PER_INSTANCE_HOUR, vlm_scores
from parjanya_dagster.defs.assets_truth import OWNERS
from parjanya_dagster.defs.metadata import counted, image_links, table
from parjanya_dagster.defs.partitions import POLICY_BY_TENANT
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.run_tags import POLICY_VERSION, complete_run_tags, run_tags
from parjanya_dagster.policies.calibrations import shipped_calibration

_FLIP: Final = ("current_verdict", "verdict", "reason_code", "rows")


class PreviewConfig(dg.Config):
    """Optional run config of a preview.

    Attributes:
        draft: a policy document (TOML or JSON) to judge by instead of the partition's published version.
        usd_per_instance_hour: price used for rows that need the GPU.
        seconds_per_image: GPU seconds per image used for the price; the platform's own if None.
    """

    draft: str | None = None
    usd_per_instance_hour: float = USD_PER_INSTANCE_HOUR
    seconds_per_image: float | None = None


@dg.asset(
    partitions_def=POLICY_BY_TENANT,
    deps=[vlm_scores],
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
    and the token that names exactly these rows and generations. A draft can be given in the run config.
    """
    version, tenant = context.partition_key.split("|")
    complete_run_tags(context, run_tags(tenant) | {POLICY_VERSION: version})
    world = platform.get()
    compiled = _policy_for(world, version, draft=config.draft)
    tariff = Tariff(
        seconds_per_image=config.seconds_per_image or world.capacity.seconds_per_image,
        usd_per_hour=config.usd_per_instance_hour,
    )
    preview = preview_tenant(world, tenant, compiled, tariff)
    folder = version if config.draft is None else f"drafts/{preview.policy_version}"
    key = f"policy_decisions/{folder}/{tenant}/{preview.cutoff:%Y%m%dT%H%M%S%f}Z.parquet"
    body = _parquet(preview.rows)
    s3.get_client().put_object(Bucket=world.names.artifacts_bucket, Key=key, Body=body)
    return dg.MaterializeResult(
        metadata={
            **_metadata(preview, web_url=platform.web_url),
            "is_draft": config.draft is not None,
            "parquet": f"s3://{world.names.artifacts_bucket}/{key}",
        }
    )


def _policy_for(platform: Platform, version: str, *, draft: str | None) -> CompiledPolicy:
    if draft is None:
        return compiled_policy(platform, version)
    return compile_policy(load_policy(draft, calibrations=shipped_calibration))


def _parquet(rows: pl.DataFrame) -> bytes:
    body = io.BytesIO()
    rows.write_parquet(body)
    return body.getvalue()


def _metadata(preview: Preview, *, web_url: str) -> dict[str, Any]:
    flips = preview.flips.rows(named=True)
    samples = [
        f"* {flip['current_verdict']} → {flip['verdict']} ({flip['reason_code']}): "
        f"{image_links(flip['samples'], web_url=web_url)}"
        for flip in flips
    ]
    return {
        "policy_version": preview.policy_version,
        "policy_digest": preview.policy_digest,
        "images": preview.rows.height,
        "verdicts": counted(_verdicts(preview.rows), of="verdict"),
        "classes": table(preview.classes.drop("tenant").rows(named=True)),
        "flips": table({name: flip[name] for name in _FLIP} for flip in flips),
        "flip_samples": dg.MetadataValue.md("\n".join(samples) or "none"),
        "gpu_rows": preview.price.gpu_rows,
        "gpu_hours": preview.price.gpu_hours,
        "gpu_minutes": preview.price.minutes,
        "usd": preview.price.usd,
        "plan_token": preview.token,
        "cutoff": dg.MetadataValue.timestamp(preview.cutoff),
    }


def _verdicts(rows: pl.DataFrame) -> dict[str, int]:
    counts = rows.group_by(pl.col("verdict").cast(pl.String).fill_null("no verdict")).len()
    return {str(verdict): int(count) for verdict, count in counts.iter_rows()}
