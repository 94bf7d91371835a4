"""The code location: everything Dagster shows, assembled once."""

import dagster as dg
from dagster_aws.s3 import S3PickleIOManager, S3Resource

from parjanya_dagster.asg_executor.executor import asg_executor
from parjanya_dagster.core.names import Names
from parjanya_dagster.defs import assets_intent, assets_policy, assets_scoring, assets_truth, checks
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.schedules import (
    delete_old_runs,
    delete_old_runs_schedule,
    nightly_truth,
    nightly_truth_schedule,
)
from parjanya_dagster.defs.sensors import backlog_sensor, intent_gap_sensor, tenant_discovery
from parjanya_dagster.settings import load_settings


@dg.definitions
def defs() -> dg.Definitions:
    """Return Parjanya's definitions; names of AWS resources follow from the settings in the environment."""
    settings = load_settings()
    names = Names(prefix=settings.prefix, account=settings.account)
    s3 = S3Resource(region_name=settings.region, endpoint_url=settings.aws_endpoint_url)
    return dg.Definitions(
        assets=[
            assets_truth.uploads,
            assets_truth.validated_images,
            assets_intent.vlm_intents,
            assets_scoring.vlm_scores,
            assets_policy.policy_decisions,
        ],
        asset_checks=[
            checks.intent_gap_check,
            checks.dead_letters_check,
            checks.heartbeat_check,
            checks.conservation_check,
            checks.stuck_rows_check,
        ],
        jobs=[assets_scoring.score_images, nightly_truth, delete_old_runs],
        sensors=[tenant_discovery, backlog_sensor, intent_gap_sensor],
        schedules=[nightly_truth_schedule, delete_old_runs_schedule],
        resources={
            "platform": PlatformResource(),
            "s3": s3,
            "io_manager": S3PickleIOManager(
                s3_resource=s3, s3_bucket=names.artifacts_bucket, s3_prefix="dagster/io"
            ),
        },
        executor=asg_executor.configured(
            {
                "step_queue": names.steps_queue,
                "steps_table": names.steps_table,
                "auto_scaling_group": names.gpu_group,
                "wait_seconds": settings.step_wait_s,
            }
        ),
    )
