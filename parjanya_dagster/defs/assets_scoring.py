"""The asset of scores: one run drains a tenant's backlog on the fleet.

It is a graph of three steps: `plan_drain` notes which rows wait, one mapped `drain` per instance works the
queue until those rows have durable outcomes, and `account` says what became of each, by run or headless.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import dagster as dg

from gpu_worker.drain import DrainReport, drain
from gpu_worker.score import warm_scorer
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.scan import pending_enrichment
from parjanya_dagster.core.reconcile.capacity import capacity_for
from parjanya_dagster.core.truth.identity import ImageKey, image_key_from
from parjanya_dagster.defs.assets_intent import vlm_intents
from parjanya_dagster.defs.assets_truth import OWNERS
from parjanya_dagster.defs.partitions import TENANTS
from parjanya_dagster.defs.resources import PlatformResource

FLEET_TAG: Final = {"asg_executor/fleet": "gpu"}
_POLL: Final = timedelta(seconds=1)
_KEYS_READ: Final = 100


class DrainConfig(dg.Config):
    """Run config of the plan.

    Args:
        deadline_s: seconds after which a drain ends, whatever is left.
    """

    deadline_s: int = 1800


@dg.op(
    ins={"vlm_intents": dg.In(dg.Nothing)},
    out=dg.DynamicOut(dict[str, Any]),
    description="Note which rows wait to be scored, and share the work out: one drain per instance.",
)
def plan_drain(
    context: dg.OpExecutionContext, config: DrainConfig, platform: PlatformResource
) -> Iterator[dg.DynamicOutput[dict[str, Any]]]:
    """Yield one share per instance; every share names all rows, since a queue cannot be selected from."""
    world = platform.get()
    keys = pending_enrichment(world, context.partition_key)
    instances = max(capacity_for(len(keys), world.capacity), 1)
    deadline = world.clock() + timedelta(seconds=config.deadline_s)
    context.log.info("%d images wait; %d instance(s), until %s", len(keys), instances, deadline)
    for index in range(instances):
        share = {"images": [str(key) for key in keys], "deadline": deadline.isoformat()}
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
    deadline = datetime.fromisoformat(share["deadline"])
    report = drain(
        world,
        warm_scorer(),
        scored_by=f"dagster:{context.run_id}:{context.op_handle.name}",
        until=lambda: waiting.is_empty() or world.clock() >= deadline,
        progress=lambda so_far: context.log.info(_progress(so_far)),
    )
    context.log.info(_progress(report))
    return {
        "images": share["images"],
        "outcomes": dict(report.outcomes),
        "seconds": report.seconds,
        "images_per_s": report.images_per_s,
    }


@dg.op(description="Say what became of the planned rows, and who scored them.")
def account(
    context: dg.OpExecutionContext, platform: PlatformResource, reports: list[dict[str, Any]]
) -> dg.Output[None]:
    """Return nothing but metadata: outcomes, throughput, and rows by run, other runs, or headless."""
    world = platform.get()
    keys = [image_key_from(text) for text in (reports[0]["images"] if reports else ())]
    rows = world.images.get_many(keys) if keys else []
    outcomes = sum((Counter(report["outcomes"]) for report in reports), Counter[str]())
    by = Counter(_scored_by(row.scored_by, context.run_id) for row in rows if row.status.is_settled)
    return dg.Output(
        None,
        metadata={
            "planned_images": len(keys),
            "rows_by_status": dict(Counter(row.status.value for row in rows)),
            "verdicts": dict(Counter(row.decision.verdict.value for row in rows if row.decision)),
            "scored_by": dict(by),
            "outcomes": dict(outcomes),
            "instances": len(reports),
            "images_per_s": sum(report["images_per_s"] for report in reports),
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
    selection=[vlm_scores],
    partitions_def=TENANTS,
    description="Drain one tenant's backlog on the fleet.",
)


class Unsettled:
    """The planned rows that still wait, looked up at most once a second and only as long as they wait."""

    def __init__(self, platform: Platform, keys: list[ImageKey]) -> None:
        self._platform = platform
        self._keys = keys
        self._looked_at: datetime | None = None

    def is_empty(self) -> bool:
        """Every planned row has a durable outcome."""
        now = self._platform.clock()
        if self._keys and (self._looked_at is None or now - self._looked_at >= _POLL):
            self._looked_at = now
            head, rest = self._keys[:_KEYS_READ], self._keys[_KEYS_READ:]
            rows = {row.key: row for row in self._platform.images.get_many(head)}
            still = [key for key in head if key in rows and not rows[key].status.is_settled]
            self._keys = still + rest
        return not self._keys


def _scored_by(scored_by: str | None, run_id: str) -> str:
    if scored_by is None:
        return "nobody"
    kind, _, rest = scored_by.partition(":")
    if kind != "dagster":
        return kind
    return "this run" if rest.startswith(run_id) else "other runs"


def _progress(report: DrainReport) -> str:
    outcomes = (
        ", ".join(f"{count} {name}" for name, count in sorted(report.outcomes.items())) or "nothing yet"
    )
    return f"{outcomes}; {report.images_per_s:.1f} images/s"
