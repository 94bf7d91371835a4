"""Sensors: what Dagster's control plane notices. A tick is bounded, and what it knows it reads from Truth."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import dagster as dg

from parjanya_dagster.control.counters import backlog
from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.defs.assets_scoring import score_images, vlm_scores
from parjanya_dagster.defs.checks import gap_of, gap_report
from parjanya_dagster.defs.observations import observations
from parjanya_dagster.defs.partitions import POLICY_VERSIONS, TENANTS
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.run_tags import PARTITION, run_tags

MINIMUM_RUN_INTERVAL: Final = timedelta(seconds=10)
FAILURE_BACK_OFF: Final = timedelta(seconds=60)
_RUNS_READ: Final = 1000
_ACTIVE: Final = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_UNWELCOME: Final = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dg.sensor(name="tenant_discovery", minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def tenant_discovery(
    context: dg.SensorEvaluationContext, platform: PlatformResource
) -> dg.SensorResult | dg.SkipReason:
    """Add a partition for every tenant and policy version that Truth knows and Dagster does not."""
    control = platform.get().control
    requests = [
        definition.build_add_request(missing)
        for definition, known in (
            (TENANTS, control.tenants()),
            (POLICY_VERSIONS, control.policy_versions()),
        )
        if (missing := sorted(set(known) - _partitions(context, definition)))
    ]
    if not requests:
        return dg.SkipReason("every tenant and policy version has its partition")
    return dg.SensorResult(dynamic_partitions_requests=requests)


@dg.sensor(
    name="backlog",
    job=score_images,
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def backlog_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformResource
) -> dg.SensorResult | dg.SkipReason:
    """Start a scoring run for each tenant with a backlog: at most one at a time, with a minimum interval.

    Rows whose jobs are not on the queue wait for reconciliation: a run could do nothing for them.
    """
    world = platform.get()
    known = _partitions(context, TENANTS)
    waiting = {tenant: rows for tenant, rows in sorted(backlog(world).items()) if tenant in known}
    if not waiting:
        return dg.SkipReason("no backlog")
    depth = world.queue.depth()
    if not isinstance(depth, Blind) and depth.value.total == 0:
        elsewhere = ", or for another fleet" if world.others else ""
        return dg.SkipReason(
            f"the queue is empty; {waiting} wait for reconciliation to send their jobs{elsewhere}"
        )
    now = world.clock()
    held_back = _held_back(context.instance, waiting, now=now)
    requests = [
        dg.RunRequest(
            run_key=f"{tenant}:{int(now.timestamp())}",
            partition_key=tenant,
            tags=run_tags(tenant) | {"parjanya/backlog": str(rows)},
        )
        for tenant, rows in waiting.items()
        if tenant not in held_back
    ]
    if not requests:
        return dg.SkipReason("; ".join(f"{tenant}: {why}" for tenant, why in sorted(held_back.items())))
    return dg.SensorResult(run_requests=requests)


@dg.sensor(name="intent_gap", minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def intent_gap_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformResource
) -> dg.SensorResult | dg.SkipReason:
    """Reconcile Truth with Intent: the second net. Report what changed: intent gap, and backlog by tenant."""
    world = platform.get()
    cycle = reconcile_world(world)
    for trouble in (*cycle.applied.faults, *cycle.applied.blind) if cycle.applied else ():
        context.log.warning(trouble)
    gap = gap_of(world, cycle.snapshot.gaps, now=world.clock())
    seen = {"by_tenant": dict(gap.by_tenant), "overdue": gap.is_overdue}
    before = _remembered(context.cursor)
    told, events = before["told"], list[dg.AssetCheckEvaluation | dg.AssetObservation]()
    if seen != before["gap"]:
        events.append(dg.AssetCheckEvaluation(**gap_report(gap)))
    try:
        news, told = observations(world, told, known=_partitions(context, TENANTS))
        events += news
    except EdgeError as error:
        context.log.warning("backlog not reported: %s", error)
    if not events:
        return dg.SkipReason(f"reconciled; backlog and intent gap unchanged: {gap.total} rows")
    return dg.SensorResult(asset_events=events, cursor=json.dumps({"gap": seen, "told": told}))


def _remembered(cursor: str | None) -> dict[str, Any]:
    """Return what the last tick reported; one that cannot be read costs a report again, and nothing else."""
    nothing: dict[str, Any] = {"gap": None, "told": {}}
    try:
        document = json.loads(cursor or "{}")
    except ValueError:
        return nothing
    return document if isinstance(document, dict) and document.keys() == nothing.keys() else nothing


def _partitions(context: dg.SensorEvaluationContext, definition: dg.DynamicPartitionsDefinition) -> set[str]:
    return set(context.instance.get_dynamic_partitions(str(definition.name)))


def _held_back(instance: dg.DagsterInstance, tenants: Iterable[str], *, now: datetime) -> dict[str, str]:
    """Return the tenants that must not get a run now, and why; two bounded reads, however many there are."""
    theirs = {PARTITION: list(tenants)}
    recently = dg.RunsFilter(updated_after=now - FAILURE_BACK_OFF, tags=theirs)
    held_back: dict[str, str] = {}
    latest: set[str] = set()
    for record in _scoring_runs(instance, recently):
        tenant = record.dagster_run.tags[PARTITION]
        if tenant in latest:
            continue
        latest.add(tenant)
        if record.dagster_run.status in _UNWELCOME:
            held_back[tenant] = f"its last run was not a success; waiting {FAILURE_BACK_OFF.seconds} s"
        elif now - record.create_timestamp < MINIMUM_RUN_INTERVAL:
            held_back[tenant] = f"its last run began less than {MINIMUM_RUN_INTERVAL.seconds} s ago"
    for record in _scoring_runs(instance, dg.RunsFilter(statuses=_ACTIVE, tags=theirs)):
        held_back[record.dagster_run.tags[PARTITION]] = "a run is active"
    return held_back


def _scoring_runs(instance: dg.DagsterInstance, filters: dg.RunsFilter) -> list[dg.RunRecord]:
    """Return scoring runs, newest first: requested by the sensor, or materialized by a person."""
    return [
        record
        for record in instance.get_run_records(filters=filters, limit=_RUNS_READ)
        if record.dagster_run.job_name == score_images.name
        or vlm_scores.key in (record.dagster_run.asset_selection or ())
    ]
