"""The asset of Intent: jobs for the rows that wait."""

from collections import Counter

import dagster as dg

from parjanya_dagster.control.apply import Applied
from parjanya_dagster.control.counters import backlog
from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.core.belief.signals import Blind, QueueSignal
from parjanya_dagster.core.reconcile.actions import name_of
from parjanya_dagster.defs.assets_truth import OWNERS, validated_images
from parjanya_dagster.defs.metadata import counted
from parjanya_dagster.defs.partitions import TENANTS
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.run_tags import complete_run_tags, run_tags
from parjanya_dagster.defs.run_trail import recorded_run


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
    complete_run_tags(context, run_tags(tenant))
    with recorded_run(context, world) as recording:
        cycle = reconcile_world(world)
        applied = cycle.applied or Applied()
        recording.after = dict(applied.counts)
    by_tenant = backlog(world)
    for trouble in (*applied.faults, *applied.blind):
        context.log.warning(trouble)
    return dg.MaterializeResult(
        metadata={
            "planned": counted(Counter(name_of(each) for each in cycle.actions), of="action", unit="n"),
            "applied": counted(applied.counts, of="action", unit="n"),
            "faults": len(applied.faults),
            "left_for_the_next_cycle": applied.left,
            "blind": dg.MetadataValue.text("; ".join(applied.blind) or "nothing"),
            "backlog": by_tenant[tenant],
            "backlog_by_tenant": counted(by_tenant, of="tenant"),
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
