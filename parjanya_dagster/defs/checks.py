"""Asset checks of Intent: is everything that waits asked for, and is anybody looking?

A check says what it compared, with numbers and samples. Checks have no partitions: numbers by tenant are in
the metadata (a second runless evaluation of a partitioned check fails in Dagster 1.13).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import dagster as dg

from parjanya_dagster.control.dead_letters import open_dead_letters
from parjanya_dagster.control.observe import observe_world
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.reconcile.evidence import PLANES, Patience
from parjanya_dagster.core.reconcile.intent_gap import IntentGap, intent_gap
from parjanya_dagster.core.truth.row import ImageRow
from parjanya_dagster.defs.assets_intent import vlm_intents
from parjanya_dagster.defs.metadata import counted, table
from parjanya_dagster.defs.resources import PlatformResource

_PATIENCE: Final = Patience()
"""What the diagnosis waits for, too: a check and a finding never disagree."""
_SAMPLES: Final = 5


def gap_of(world: Platform, rows: Sequence[ImageRow], *, now: datetime) -> IntentGap:
    """Return the intent gap among rows, without those that the event path is still busy with."""
    before = now - world.limits.sweep_age
    waiting = [row for row in rows if row.due_at is not None and row.due_at <= before]
    return intent_gap(waiting, grace=_PATIENCE.gap, now=now)


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
            "by_tenant": counted(gap.by_tenant, of="tenant", unit="rows"),
            "samples": list(gap.samples),
            "fix": "materialize vlm_intents, which sends the missing jobs; then look at the heartbeat check",
        },
    }


@dg.asset_check(asset=vlm_intents, name="intent_gap")
def intent_gap_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """Rows that wait to be scored have a job, 30 seconds after they began to wait at the latest."""
    world = platform.get()
    gap = gap_of(world, observe_world(world, takes_letters=False).gaps, now=world.clock())
    return dg.AssetCheckResult(**gap_report(gap))


@dg.asset_check(asset=vlm_intents, name="dead_letters")
def dead_letters_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """Somebody has looked at every job that was given up: a warning at once, an error after seven days."""
    world = platform.get()
    now, signal = world.clock(), world.queue.dead_letter_depth()
    if isinstance(signal, Blind):
        return dg.AssetCheckResult(passed=False, description=f"blind: {signal.reason}")
    letters, waiting = open_dead_letters(world), signal.value.total
    overdue = [each for each in letters if now - each.found_at > _PATIENCE.acknowledgement]
    return dg.AssetCheckResult(
        passed=not letters and waiting == 0,
        severity=dg.AssetCheckSeverity.ERROR if overdue else dg.AssetCheckSeverity.WARN,
        description=(
            f"{len(letters)} recorded dead letters nobody acknowledged, {len(overdue)} of them for seven "
            f"days; {waiting} still on the queue"
        ),
        metadata={
            "dead_letters": waiting,
            "unacknowledged": len(letters),
            "overdue": len(overdue),
            "samples": table(
                {
                    "image": each.image or each.message_id,
                    "found_at": each.found_at,
                    "blames_image": each.blames_image,
                    "evidence": each.evidence,
                }
                for each in (*overdue, *letters)[:_SAMPLES]
            ),
            "fix": "parjanya redrive puts back what nothing speaks against; acknowledge what was looked at",
        },
    )


@dg.asset_check(asset=vlm_intents, name="heartbeat")
def heartbeat_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """Each control plane completed a cycle lately; one plane's health never masks the other's blindness."""
    world = platform.get()
    beats, now = world.control.heartbeats(), world.clock()
    late = [plane for plane in PLANES if plane not in beats or now - beats[plane] > _PATIENCE.heartbeat]
    ages = {plane: (now - beats[plane]).total_seconds() for plane in PLANES if plane in beats}
    return dg.AssetCheckResult(
        passed=not late,
        description=f"no recent cycle of: {', '.join(late)}" if late else "both planes are seeing",
        metadata={f"{plane}_age_s": round(ages[plane], 1) if plane in ages else "never" for plane in PLANES},
    )
