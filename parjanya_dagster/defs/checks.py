"""Asset checks: what must hold, compared with numbers and samples; tenants are in the metadata."""

from datetime import timedelta
from typing import Any, Final

import dagster as dg

from parjanya_dagster.control.observe import observe_world
from parjanya_dagster.control.scan import conservation, stuck_rows
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.reconcile.intent_gap import IntentGap, intent_gap
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.defs.assets_intent import vlm_intents
from parjanya_dagster.defs.assets_truth import uploads, validated_images
from parjanya_dagster.defs.resources import PlatformResource

GAP_GRACE: Final = timedelta(seconds=90)
"""A row may be without a job for as long as stream and sweep need: longer is an error, shorter a warning."""
HEARTBEAT_GRACE: Final = timedelta(minutes=3)


def gap_report(gap: IntentGap) -> dict[str, Any]:
    """Return what a check result and a runless evaluation of the intent gap both say."""
    described = "every row that waits to be scored has a job"
    if gap.total:
        described = f"{gap.total} rows wait to be scored and have no job, the oldest for {gap.oldest_s:.0f} s"
    return {
        "asset_key": vlm_intents.key,
        "check_name": "intent_gap",
        "passed": gap.total == 0,
        "severity": dg.AssetCheckSeverity.ERROR if gap.is_overdue else dg.AssetCheckSeverity.WARN,
        "description": described,
        "metadata": {
            "rows_without_job": gap.total,
            "oldest_s": gap.oldest_s,
            "by_tenant": dict(gap.by_tenant),
            "samples": list(gap.samples),
            "fix": "materialize vlm_intents, which sends the missing jobs; then look at the heartbeat check",
        },
    }


@dg.asset_check(asset=vlm_intents, name="intent_gap")
def intent_gap_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """Rows that wait to be scored have a job (incident 2)."""
    world = platform.get()
    gap = intent_gap(observe_world(world).gaps, grace=GAP_GRACE, now=world.clock())
    return dg.AssetCheckResult(**gap_report(gap))


@dg.asset_check(asset=vlm_intents, name="dead_letters")
def dead_letters_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """No job has ended as a dead letter."""
    signal = platform.get().queue.dead_letter_depth()
    if isinstance(signal, Blind):
        return dg.AssetCheckResult(passed=False, description=f"blind: {signal.reason}")
    return dg.AssetCheckResult(
        passed=signal.value.total == 0,
        description=f"{signal.value.total} dead letters",
        metadata={"dead_letters": signal.value.total},
    )


@dg.asset_check(asset=vlm_intents, name="heartbeat")
def heartbeat_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """Each control plane completed a cycle lately; one plane's health never masks the other's blindness."""
    world = platform.get()
    beats, now = world.control.heartbeats(), world.clock()
    ages = {
        plane: (now - beats[plane]).total_seconds() if plane in beats else None
        for plane in ("lambda", "dagster")
    }
    late = [p for p, age in ages.items() if age is None or age > HEARTBEAT_GRACE.total_seconds()]
    return dg.AssetCheckResult(
        passed=not late,
        description=f"no recent cycle of: {', '.join(late)}" if late else "both planes are seeing",
        metadata={f"{plane}_age_s": "never" if age is None else age for plane, age in ages.items()},
    )


@dg.asset_check(asset=uploads, name="conservation")
def conservation_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """Every original has a row past upload, and every such row its original."""
    world = platform.get()
    by_tenant = {tenant: conservation(world, tenant) for tenant in world.control.tenants()}
    residue = sum(c.missing_rows + c.missing_objects for c in by_tenant.values())
    return dg.AssetCheckResult(
        passed=residue == 0,
        description=f"{residue} originals or rows without their counterpart",
        metadata={
            tenant: f"{c.objects} objects, {c.rows_past_upload} rows;"
            f" without row: {c.missing_rows} {list(c.without_row)};"
            f" without object: {c.missing_objects} {list(c.without_object)}"
            for tenant, c in by_tenant.items()
        },
    )


@dg.asset_check(asset=validated_images, name="stuck_rows")
def stuck_rows_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """No row stays in validation longer than an ingestion may take."""
    rows = stuck_rows(platform.get(), Status.PENDING_VALIDATION)
    return dg.AssetCheckResult(
        passed=not rows,
        description=f"{len(rows)} rows are stuck in validation",
        metadata={"stuck": len(rows), "samples": [str(row.key) for row in rows[:5]]},
    )
