"""The asset of scores: one run drains a tenant's backlog on the fleet.

It is a graph of three steps: `plan_drain` notes which rows wait, one mapped `drain_intents` per instance
works the queue until those rows have durable outcomes, and `account` says what became of each.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import dagster as dg

from gpu_worker.drain import drain
from gpu_worker.limits import worker_limits
from gpu_worker.score import warm_scorer
from gpu_worker.settings import load_worker_settings
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.scan import pending_enrichment
from parjanya_dagster.core.reconcile.capacity import capacity_for
from parjanya_dagster.core.truth.identity import ImageKey, image_key_from
from parjanya_dagster.core.truth.row import ImageRow
from parjanya_dagster.defs.assets_intent import vlm_intents
from parjanya_dagster.defs.assets_truth import OWNERS
from parjanya_dagster.defs.metadata import counted, image_links
from parjanya_dagster.defs.partitions import TENANTS
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.run_tags import complete_run_tags, run_tags
from parjanya_dagster.defs.scoring_progress import Progress, time_table

FLEET_TAG: Final = {"asg_executor/fleet": "gpu"}
INLINE_TAG: Final = {"asg_executor/inline": "true"}
"""Short steps run in the run worker itself: a process of their own costs 2 s."""
USD_PER_INSTANCE_HOUR: Final = 0.8048
"""g6.xlarge on demand in us-east-1, 2026-08."""

_IDLE_S: Final = 30.0
"""An instance that holds nothing for this long leaves: what is still waiting waits for something else."""
_KEYS_READ: Final = 100
_SCORES: Final = dg.AssetKey("vlm_scores")
_SAMPLES: Final = 5
_SECONDS_PER_HOUR: Final = 3600


class DrainConfig(dg.Config):
    """Run config of the plan.

    Attributes:
        deadline_s: seconds after which a drain ends, whatever is left.
    """

    deadline_s: int = 1800


@dg.op(
    ins={"vlm_intents": dg.In(dg.Nothing)},
    out=dg.DynamicOut(dict[str, Any]),
    tags=INLINE_TAG,
    description="Note which rows wait to be scored, and how many instances share them.",
)
def plan_drain(
    context: dg.OpExecutionContext, config: DrainConfig, platform: PlatformResource
) -> Iterator[dg.DynamicOutput[dict[str, Any]]]:
    """Yield one share per instance; every share names all rows, since a queue cannot be selected from."""
    world, tenant = platform.get(), context.partition_key
    complete_run_tags(context, run_tags(tenant))
    keys = pending_enrichment(world, tenant)
    instances = capacity_for(len(keys), world.capacity)
    deadline = world.clock() + timedelta(seconds=config.deadline_s)
    context.log.info("%d images wait; %d instance(s) until %s", len(keys), instances, deadline.isoformat())
    for index in range(instances):
        share = {
            "images": [str(key) for key in keys],
            "deadline": deadline.isoformat(),
            "instances": instances,
        }
        yield dg.DynamicOutput(share, mapping_key=f"instance_{index}")


@dg.op(
    tags=FLEET_TAG,
    retry_policy=dg.RetryPolicy(max_retries=2, delay=5),
    description="Work the intents queue on one instance of the fleet.",
)
def drain_intents(
    context: dg.OpExecutionContext, platform: PlatformResource, share: dict[str, Any]
) -> dict[str, Any]:
    """Score jobs of any tenant until the planned rows have durable outcomes, or the deadline."""
    world = platform.get()
    waiting = Unsettled(world, [image_key_from(text) for text in share["images"]])
    seconds_left = (datetime.fromisoformat(share["deadline"]) - world.clock()).total_seconds()
    progress = Progress(
        share["images"],
        instances=share["instances"],
        waiting=waiting.count,
        log=context.log.info,
        observe=partial(_observe, context),
    )
    report = drain(
        world,
        warm_scorer(),
        scored_by=f"dagster:{context.run_id}:drain_intents[{context.get_mapping_key()}]",
        until=waiting.is_empty,
        idle_after_s=_IDLE_S,
        deadline_s=max(seconds_left, 0.0),
        progress=progress.listen,
        limits=worker_limits(world.limits, micro_batch=load_worker_settings().micro_batch),
    )
    context.log.info("%s; ended: %s", progress.line(report), report.stop_reason)
    context.add_output_metadata(progress.metadata(report))
    return {
        "images": share["images"],
        "outcomes": dict(report.outcomes),
        "seconds": report.seconds,
        "images_per_s": report.images_per_s,
        "phases": dict(report.phases),
    }


@dg.op(tags=INLINE_TAG, description="Say what became of the planned rows, and who scored them.")
def account(
    context: dg.OpExecutionContext, platform: PlatformResource, reports: list[dict[str, Any]]
) -> dg.Output[None]:
    """Return nothing but metadata: outcomes, throughput, price, and rows by run or headless."""
    world = platform.get()
    keys = [image_key_from(text) for text in (reports[0]["images"] if reports else ())]
    rows = world.images.get_many(keys) if keys else []
    outcomes = sum((Counter(report["outcomes"]) for report in reports), Counter[str]())
    phases: dict[str, float] = {}
    for report in reports:
        for phase, seconds in report["phases"].items():
            phases[phase] = phases.get(phase, 0.0) + seconds
    hours = sum(report["seconds"] for report in reports) / _SECONDS_PER_HOUR
    decided = sorted(row.key.image_id for row in rows if row.decision)
    return dg.Output(
        None,
        metadata={
            "planned_images": len(keys),
            "rows_by_status": counted(Counter(row.status.value for row in rows), of="status"),
            "verdicts": counted(Counter(row.decision.verdict for row in rows if row.decision), of="verdict"),
            "scored_by": counted(scorers_of(rows, context.run_id), of="by"),
            "outcomes": counted(outcomes, of="outcome", unit="attempts"),
            "where_time_goes": time_table(phases, attempts=sum(outcomes.values())),
            "instances": len(reports),
            "images_per_s": round(sum(report["images_per_s"] for report in reports), 2),
            "instance_hours": hours,
            "usd": round(hours * USD_PER_INSTANCE_HOUR, 6),
            "samples": dg.MetadataValue.md(image_links(decided[-_SAMPLES:], web_url=platform.web_url)),
        },
    )


@dg.graph_asset(
    partitions_def=TENANTS,
    ins={"vlm_intents": dg.AssetIn(key=vlm_intents.key, dagster_type=dg.Nothing)},
    group_name="scoring",
    tags={"tbie": "execution"},
    kinds={"sqs", "dynamodb"},
    owners=OWNERS,
)
def vlm_scores(vlm_intents: object) -> object:
    """Answers and verdicts of a tenant's images, each in an immutable result named by its row.

    Materializing drains the backlog on the fleet: plan, one drain per instance, and an account of what came
    of every planned row.
    """
    return account(plan_drain(vlm_intents).map(drain_intents).collect())


score_images = dg.define_asset_job(
    "score_images",
    selection=dg.AssetSelection.assets(vlm_scores).without_checks(),
    description="Drain one tenant's backlog on the fleet.",
)


class Unsettled:
    """The planned rows that still wait; looking again costs a read only as long as some do."""

    def __init__(self, platform: Platform, keys: list[ImageKey]) -> None:
        self._platform = platform
        self._keys = keys

    def is_empty(self) -> bool:
        """Every planned row has a durable outcome, or waits for a person.

        Raises:
            EdgeError: the rows cannot be read.
        """
        while self._keys:
            head, rest = self._keys[:_KEYS_READ], self._keys[_KEYS_READ:]
            rows = self._platform.images.get_many(head)
            still = [row.key for row in rows if not row.status.is_settled and not row.quarantined]
            self._keys = still + rest
            if still:
                return False
        return True

    def count(self) -> int:
        """Return how many are not known to be settled; costs no read."""
        return len(self._keys)


def scorers_of(rows: list[ImageRow], run_id: str) -> Counter[str]:
    """Return how many settled rows each kind of scorer has: this run, other runs, or headless."""
    return Counter(_scorer(row.scored_by, run_id) for row in rows if row.status.is_settled)


def _observe(context: dg.OpExecutionContext, metadata: Mapping[str, Any]) -> None:
    context.log_event(
        dg.AssetObservation(asset_key=_SCORES, partition=context.partition_key, metadata=metadata)
    )


def _scorer(scored_by: str | None, run_id: str) -> str:
    kind, _, rest = (scored_by or "nobody").partition(":")
    if kind != "dagster":
        return kind
    return "this run" if rest.startswith(run_id) else "other runs"
