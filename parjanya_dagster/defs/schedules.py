"""Schedules: the nightly look at everything, and the deletion of old runs."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from parjanya_dagster.defs.assets_intent import vlm_intents
from parjanya_dagster.defs.assets_truth import uploads, validated_images
from parjanya_dagster.defs.partitions import TENANTS

_DELETED_PER_TICK = 500

nightly_truth = dg.define_asset_job(
    "nightly_truth",
    selection=[uploads, validated_images, vlm_intents],
    partitions_def=TENANTS,
    description="Objects against rows, stuck validations, and one reconciliation, per tenant.",
)


@dg.schedule(job=nightly_truth, cron_schedule="15 2 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly_truth_schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """Look at every tenant's Truth once a night."""
    tenants = context.instance.get_dynamic_partitions(str(TENANTS.name))
    return [
        dg.RunRequest(partition_key=tenant, tags={"tenant": tenant, "priority": "low"}) for tenant in tenants
    ]


class RetentionConfig(dg.Config):
    """How long finished runs are kept.

    Args:
        keep_days: runs finished longer ago are deleted with their event logs, ≥ 1.
    """

    keep_days: int = 30


@dg.op
def delete_finished_runs(context: dg.OpExecutionContext, config: RetentionConfig) -> int:
    """Delete old finished runs; Dagster's event log has no retention of its own. Returns how many."""
    before = datetime.now(tz=UTC) - timedelta(days=max(config.keep_days, 1))
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    records = context.instance.get_run_records(
        filters=dg.RunsFilter(statuses=finished, updated_before=before), limit=_DELETED_PER_TICK
    )
    for record in records:
        context.instance.delete_run(record.dagster_run.run_id)
    context.log.info("deleted %d runs finished before %s", len(records), before.date())
    return len(records)


@dg.job(description="Delete finished runs older than `keep_days` days, with their event logs.")
def delete_old_runs() -> None:
    """Keep the event log bounded."""
    delete_finished_runs()


delete_old_runs_schedule = dg.ScheduleDefinition(
    job=delete_old_runs, cron_schedule="45 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING
)
