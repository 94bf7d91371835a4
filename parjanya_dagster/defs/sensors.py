"""Sensors: what the control plane of Dagster notices. Each tick is bounded and can rebuild from Truth."""

import json
from collections.abc import Mapping
from typing import Final

import dagster as dg

from parjanya_dagster.control.listing import backlog
from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.core.reconcile.intent_gap import intent_gap
from parjanya_dagster.defs.assets_scoring import score_images
from parjanya_dagster.defs.checks import GAP_GRACE, gap_report
from parjanya_dagster.defs.partitions import POLICY_VERSIONS, TENANTS
from parjanya_dagster.defs.resources import PlatformResource

MINIMUM_RUN_INTERVAL_S: Final = 10
FAILURE_BACK_OFF_S: Final = 60
_ACTIVE: Final = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


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
        if (missing := sorted(set(known) - set(_partitions(context, definition))))
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
    """Start a scoring run for each tenant with a backlog: at most one at a time, with a minimum interval."""
    world = platform.get()
    now = world.clock().timestamp()
    asked: dict[str, float] = json.loads(context.cursor or "{}")
    known = set(_partitions(context, TENANTS))
    waiting = {tenant: rows for tenant, rows in backlog(world).items() if tenant in known}
    requests = [
        _run_request(tenant, rows, now)
        for tenant, rows in waiting.items()
        if _may_start(context.instance, tenant, asked=asked, now=now)
    ]
    if not requests:
        return dg.SkipReason(f"nothing to start; backlog by tenant: {waiting or 'none'}")
    cursor = json.dumps(asked | {str(request.partition_key): now for request in requests}, sort_keys=True)
    return dg.SensorResult(run_requests=requests, cursor=cursor)


@dg.sensor(name="intent_gap", minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def intent_gap_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformResource
) -> dg.SensorResult | dg.SkipReason:
    """Reconcile Truth with Intent, and report the intent gap when it changes: the second net."""
    world = platform.get()
    cycle = reconcile_world(world)
    gap = intent_gap(cycle.snapshot.gaps, grace=GAP_GRACE, now=world.clock())
    for fault in cycle.applied.faults if cycle.applied else []:
        context.log.warning(fault)
    seen = json.dumps({"by_tenant": dict(gap.by_tenant), "overdue": gap.is_overdue}, sort_keys=True)
    if seen == context.cursor:
        return dg.SkipReason(f"reconciled; intent gap unchanged: {gap.total} rows")
    return dg.SensorResult(asset_events=[dg.AssetCheckEvaluation(**gap_report(gap))], cursor=seen)


def _partitions(context: dg.SensorEvaluationContext, definition: dg.DynamicPartitionsDefinition) -> list[str]:
    return list(context.instance.get_dynamic_partitions(str(definition.name)))


def _may_start(instance: dg.DagsterInstance, tenant: str, *, asked: Mapping[str, float], now: float) -> bool:
    if now - asked.get(tenant, 0.0) < MINIMUM_RUN_INTERVAL_S:
        return False
    latest = instance.get_runs(
        filters=dg.RunsFilter(job_name=score_images.name, tags={"dagster/partition": tenant}), limit=1
    )
    if not latest:
        return True
    if latest[0].status in _ACTIVE:
        return False
    is_failure = latest[0].status is dg.DagsterRunStatus.FAILURE
    return not is_failure or now - asked.get(tenant, 0.0) >= FAILURE_BACK_OFF_S


def _run_request(tenant: str, rows: int, now: float) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{tenant}:{int(now)}",
        partition_key=tenant,
        tags={"tenant": tenant, "priority": "normal", "parjanya/backlog": str(rows)},
    )
