"""Asset checks of answers and verdicts: does the engine fit its prompts, do verdicts still fall alike?

Neither proves a fault; both say where to look first, so they warn.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import sqrt
from statistics import fmean
from typing import Final

import dagster as dg

from parjanya_dagster.control.listing import images_of
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.truth.row import ImageRow
from parjanya_dagster.defs.assets_policy import policy_decisions
from parjanya_dagster.defs.assets_scoring import vlm_scores
from parjanya_dagster.defs.checks_truth import NEWEST_READ
from parjanya_dagster.defs.metadata import table
from parjanya_dagster.defs.resources import PlatformResource

LABEL_MASS_FLOOR: Final = 0.8
"""Mean share of an engine's probability that a question's labels must get."""
MASS_IMAGES: Final = 20
"""Newest decided images per tenant whose answers are read."""
DRIFT_WINDOW: Final = 100
FEWEST: Final = 30
SMALLEST_DRIFT: Final = 0.15


@dg.asset_check(asset=vlm_scores, name="label_mass")
def label_mass_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """The engine answers with the labels it was offered: mean label mass per question is at least 0.8."""
    world = platform.get()
    mass: defaultdict[str, list[float]] = defaultdict(list)
    for tenant in world.control.tenants():
        decided = [row for row in images_of(world, tenant, limit=NEWEST_READ) if row.result_id]
        for row in decided[:MASS_IMAGES]:
            for question, share in _label_mass(world, row).items():
                mass[question].append(share)
    means = {question: fmean(shares) for question, shares in sorted(mass.items())}
    low = [question for question, mean in means.items() if mean < LABEL_MASS_FLOOR]
    return dg.AssetCheckResult(
        passed=not low,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"labels lose probability in: {', '.join(low)}" if low else "labels hold the probability",
        metadata={
            "by_question": table(
                {"question": question, "mean": round(mean, 4), "lowest": min(mass[question])}
                for question, mean in means.items()
            ),
            "images_read": max((len(shares) for shares in mass.values()), default=0),
            "floor": LABEL_MASS_FLOOR,
        },
    )


@dg.asset_check(asset=policy_decisions, name="verdict_drift")
def verdict_drift_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """Verdicts of each tenant's newest 100 images fall like those of the 100 before, under one policy."""
    world = platform.get()
    version = world.control.published_policy()
    drifts = []
    for tenant in world.control.tenants():
        rows = images_of(world, tenant, limit=NEWEST_READ)
        verdicts = [
            r.decision.verdict.value for r in rows if r.decision and r.decision.policy_version == version
        ]
        drifts += [
            {"tenant": tenant, **drift}
            for drift in drifts_between(verdicts[:DRIFT_WINDOW], verdicts[DRIFT_WINDOW : 2 * DRIFT_WINDOW])
        ]
    return dg.AssetCheckResult(
        passed=not drifts,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(drifts)} shares of verdicts moved" if drifts else "verdicts fall as before",
        metadata={"policy_version": version or "none", "drifts": table(drifts)},
    )


def drifts_between(newer: Sequence[str], older: Sequence[str]) -> list[dict[str, str | float]]:
    """Return the verdicts whose share moved by more than chance explains.

    Chance: three standard errors of the difference of two shares. Fewer than 30 on either side say nothing.
    """
    if min(len(newer), len(older)) < FEWEST:
        return []
    drifts: list[dict[str, str | float]] = []
    now, before = Counter(newer), Counter(older)
    for verdict in sorted(now | before):
        share, previous = now[verdict] / len(newer), before[verdict] / len(older)
        pooled = (now[verdict] + before[verdict]) / (len(newer) + len(older))
        error = sqrt(pooled * (1 - pooled) * (1 / len(newer) + 1 / len(older)))
        if abs(share - previous) > max(SMALLEST_DRIFT, 3 * error):
            drifts.append({"verdict": verdict, "before": round(previous, 3), "now": round(share, 3)})
    return drifts


def _label_mass(world: Platform, row: ImageRow) -> dict[str, float]:
    results = {result.result_id: result for result in world.images.results(row.key)}
    current = results.get(row.result_id or "")
    if current is None:
        return {}
    return {question: float(answer["label_mass"]) for question, answer in current.answers.items()}
