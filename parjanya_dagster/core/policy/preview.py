"""Preview: what a policy version would change, and what that would cost, before anybody pays.

It touches no Truth. Its plan token names the exact rows and generations that it saw, so that a commit
carries out what was previewed, or skips the row and lists it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from parjanya_dagster.core.policy.decide import CompiledPolicy
from parjanya_dagster.core.policy.regrade import Change, classify_rows, plan_token

SAMPLES: Final = 5
"""Images shown for each kind of flip."""

_SECONDS_PER_HOUR: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What the GPU costs.

    Args:
        seconds_per_image: learnt from past runs, > 0.
        usd_per_hour: of one instance, ≥ 0.
        instances: working at once, ≥ 1.
    """

    seconds_per_image: float
    usd_per_hour: float
    instances: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What the rows that need the GPU cost, start-up not included."""

    gpu_rows: int
    gpu_hours: float
    usd: float
    minutes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What one policy version would change.

    Args:
        rows: one row per image, in the given order: tenant, image_id, generation, change, reason, questions
            (to be asked; empty unless the GPU is needed), current_verdict, verdict and reason_codes (NULL
            where the rules do not suffice).
        classes: tenant, change, reason, rows (count).
        flips: rows whose verdict the rules alone change: tenant, current_verdict, verdict, reason_code (the
            first), rows (count), samples (image ids).
        token: of every row to be changed; see `plan_token`.
    """

    policy_version: str
    policy_digest: str
    cutoff: datetime
    rows: pl.DataFrame
    classes: pl.DataFrame
    flips: pl.DataFrame
    price: Price
    token: str


def preview_policy(
    frame: pl.DataFrame,
    compiled: CompiledPolicy,
    *,
    cutoff: datetime,
    tariff: Tariff,
) -> Preview:
    """Return what `compiled` would change about the images in `frame`.

    Args:
        frame: one row per image: `regrade.ROW_COLUMNS` and the facts. The column of a fact that nobody has
            may be absent.
        cutoff: the aware moment at which `frame` was read; later writes are not in it.
    """
    rows = _judged(classify_rows(frame, compiled.policy), frame, compiled)
    changing = rows.filter(pl.col("change").is_in([Change.RULES_ONLY.value, Change.GPU.value]))
    return Preview(
        policy_version=compiled.policy.version,
        policy_digest=compiled.policy.digest,
        cutoff=cutoff,
        rows=rows,
        classes=rows.group_by("tenant", "change", "reason")
        .agg(rows=pl.len())
        .sort("tenant", "change", "reason"),
        flips=_flips(rows),
        price=price_of(int((rows["change"] == Change.GPU.value).sum()), tariff),
        token=plan_token(changing, policy=compiled.policy, cutoff=cutoff),
    )


def price_of(gpu_rows: int, tariff: Tariff) -> Price:
    """Return what asking the model about `gpu_rows` images costs."""
    seconds = gpu_rows * tariff.seconds_per_image
    return Price(
        gpu_rows=gpu_rows,
        gpu_hours=seconds / _SECONDS_PER_HOUR,
        usd=seconds / _SECONDS_PER_HOUR * tariff.usd_per_hour,
        minutes=seconds / 60 / tariff.instances,
    )


def _judged(rows: pl.DataFrame, frame: pl.DataFrame, compiled: CompiledPolicy) -> pl.DataFrame:
    """Add the new verdict and its reasons where the answers that the version needs are there."""
    is_judged = pl.col("change").is_in([Change.NOOP.value, Change.RULES_ONLY.value])
    decided = compiled.decide(frame).select("verdict", "reason_codes")
    return rows.hstack(decided).with_columns(
        verdict=pl.when(is_judged).then("verdict"),
        reason_codes=pl.when(is_judged).then("reason_codes"),
    )


def _flips(rows: pl.DataFrame) -> pl.DataFrame:
    keys = ("tenant", "current_verdict", "verdict", "reason_code")
    return (
        rows.lazy()
        .filter(pl.col("change") == Change.RULES_ONLY.value)
        .filter(pl.col("current_verdict") != pl.col("verdict").cast(pl.String))
        .with_columns(reason_code=pl.col("reason_codes").list.first())
        .group_by(keys)
        .agg(rows=pl.len(), samples=pl.col("image_id").head(SAMPLES))
        .sort(keys)
        .collect()
    )
