"""The code location: everything Dagster shows, assembled once."""

import dagster as dg
from dagster_aws.s3 import S3PickleIOManager, S3Resource

from parjanya_dagster.asg_executor.executor import asg_executor
from parjanya_dagster.core.names import Names
from parjanya_dagster.defs import (
    assets_intent,
    assets_policy,
    assets_scoring,
    assets_truth,
    audits,
    checks,
    checks_diagnosis,
    checks_truth,
    checks_verdicts,
    schedules,
    sensors,
)
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.settings import load_settings
from parjanya_dagster.wiring import capacity_limits


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
            checks_truth.conservation_check,
            checks_truth.bucket_routing_check,
            checks_truth.stuck_rows_check,
            checks.intent_gap_check,
            checks.dead_letters_check,
            checks.heartbeat_check,
            checks_diagnosis.no_findings_check,
            checks_verdicts.label_mass_check,
            checks_verdicts.verdict_drift_check,
        ],
        jobs=[
            assets_scoring.score_images,
            audits.audit,
            schedules.nightly_truth,
            schedules.nightly_checks,
            schedules.delete_old_runs,
        ],
        sensors=[sensors.tenant_discovery, sensors.backlog_sensor, sensors.intent_gap_sensor],
        schedules=[
            audits.nightly_audit_schedule,
            schedules.nightly_truth_schedule,
            schedules.nightly_checks_schedule,
            schedules.delete_old_runs_schedule,
        ],
        resources={
            "platform": PlatformResource(
                web_url=dg.EnvVar("PARJANYA_WEB_URL").get_value("http://127.0.0.1:8080") or ""
            ),
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
                "max_instances": capacity_limits(settings).most,
            }
        ),
    )
