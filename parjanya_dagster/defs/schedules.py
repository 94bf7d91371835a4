"""Schedules: the nightly look at everything, the checks after it, and the deletion of old runs."""

from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from parjanya_dagster.defs.assets_intent import vlm_intents
from parjanya_dagster.defs.assets_truth import uploads, validated_images
from parjanya_dagster.defs.partitions import TENANTS
from parjanya_dagster.defs.run_tags import PRIORITY, Priority, run_tags

DELETED_PER_RUN: Final = 500
_FINISHED: Final = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
_LOW: Final = {PRIORITY: Priority.LOW.value}

nightly_truth = dg.define_asset_job(
    "nightly_truth",
    # Checks look at every tenant: in a run per tenant they would cost tenants squared.
    selection=dg.AssetSelection.assets(uploads, validated_images, vlm_intents).without_checks(),
    tags=_LOW,
    description="Objects against rows, stuck validations, and one reconciliation, per tenant.",
)

nightly_checks = dg.define_asset_job(
    "nightly_checks",
    selection=dg.AssetSelection.all_asset_checks(),
    tags=_LOW,
    description="Every asset check, over all tenants.",
)


@dg.schedule(job=nightly_truth, cron_schedule="15 2 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly_truth_schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """Look at every tenant's Truth once a night."""
    tenants = context.instance.get_dynamic_partitions(str(TENANTS.name))
    return [
        dg.RunRequest(partition_key=tenant, tags=run_tags(tenant, priority=Priority.LOW))
        for tenant in sorted(tenants)
    ]


nightly_checks_schedule = dg.ScheduleDefinition(
    job=nightly_checks, cron_schedule="0 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING
)


class RetentionConfig(dg.Config):
    """How long finished runs are kept.

    Attributes:
        keep_days: finished runs that began longer ago are deleted with their event logs, ≥ 1.
    """

    keep_days: int = 30


@dg.op
def delete_finished_runs(context: dg.OpExecutionContext, config: RetentionConfig) -> None:
    """Delete the oldest finished runs, a bounded number; Dagster's event log has no retention of its own."""
    before = datetime.now(tz=UTC) - timedelta(days=max(config.keep_days, 1))
    records = context.instance.get_run_records(
        filters=dg.RunsFilter(statuses=_FINISHED, created_before=before),
        limit=DELETED_PER_RUN,
        ascending=True,
    )
    for record in records:
        context.instance.delete_run(record.dagster_run.run_id)
    context.log.info("deleted %d runs from before %s", len(records), before.date())


@dg.job(description="Delete finished runs older than `keep_days` days, with their event logs.", tags=_LOW)
def delete_old_runs() -> None:
    """Keep the event log bounded."""
    delete_finished_runs()


delete_old_runs_schedule = dg.ScheduleDefinition(
    job=delete_old_runs, cron_schedule="45 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING
)
