"""The asset of Intent: jobs for the rows that wait."""

from collections import Counter

import dagster as dg

from parjanya_dagster.control.listing import backlog
from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.core.belief.signals import Blind, QueueSignal
from parjanya_dagster.defs.assets_truth import OWNERS, validated_images
from parjanya_dagster.defs.partitions import TENANTS
from parjanya_dagster.defs.resources import PlatformResource


@dg.asset(
    partitions_def=TENANTS,
    deps=[validated_images],
    group_name="intent",
    tags={"tbie": "intent"},
    kinds={"sqs", "dynamodb"},
    owners=OWNERS,
)
def vlm_intents(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult[None]:
    """Jobs on the intents queue, one per waiting image and generation.

    Materializing runs one whole cycle of reconciliation (the queue serves every tenant, so the cycle does
    too): missing jobs are sent, lost ones sent again, and the fleet is asked for what the demand needs.
    """
    world, tenant = platform.get(), context.partition_key
    cycle = reconcile_world(world)
    applied = cycle.applied
    by_tenant = backlog(world)
    for fault in applied.faults if applied else []:
        context.log.warning(fault)
    return dg.MaterializeResult(
        metadata={
            "actions_by_reason": dict(applied.counts) if applied else {},
            "planned": dict(Counter(type(action).__name__ for action in cycle.actions)),
            "blind": applied.blind if applied else [],
            "backlog": by_tenant[tenant],
            "backlog_by_tenant": dict(by_tenant),
            "queue": describe_queue(cycle.snapshot.queue),
            "dead_letters": describe_queue(cycle.snapshot.dead_letters),
        }
    )


def describe_queue(signal: QueueSignal) -> str:
    """Return a queue's depth in words; a queue that cannot be read says so."""
    if isinstance(signal, Blind):
        return f"blind: {signal.reason}"
    depth = signal.value
    return f"{depth.visible} visible, {depth.in_flight} in flight, {depth.delayed} delayed"
