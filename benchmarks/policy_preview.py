"""Policy preview, 1 M rows by 20 rules, rules only: seconds, rows per second, peak memory.

The budget is 2 s. Facts are random but plausible, so that rules fire in many combinations.

    python -m benchmarks.policy_preview [rows]
"""

import resource
import sys
import time
from datetime import UTC, datetime

import polars as pl

from parjanya_dagster.core.policy.decide import CompiledPolicy, compile_policy
from parjanya_dagster.core.policy.document import Policy, Rule
from parjanya_dagster.core.policy.preview import Preview, Tariff, preview_policy
from parjanya_dagster.core.truth.row import Verdict
from parjanya_dagster.policies.shipped import shipped_policy

ROWS = 1_000_000
RULES = 20
ROUNDS = 5
SEED = 7
CUTOFF = datetime(2026, 11, 22, tzinfo=UTC)


def twenty_rules(policy: Policy) -> Policy:
    """Return `policy` under another version with rules added in front of its last one, up to twenty."""
    spare = RULES - len(policy.rules)
    scores = ("sharpness", "exposure", "noise", "contrast")
    added = [
        Rule(
            id=f"extra_{index}",
            when=f"score_{scores[index % 4]} < {0.16 + index / 100} "
            f"AND megapixels BETWEEN {index} AND {index + 9} "
            f"OR COALESCE(iso, 100) * 2 > 12800 AND tenant IN ('t-{index}', 't-{index + 1}')",
            verdict=Verdict.REVIEW,
            reason_code=f"extra_{index}",
        )
        for index in range(spare)
    ]
    rules = (*policy.rules[:-1], *added, policy.rules[-1])
    return policy.model_copy(update={"version": "bench-20", "rules": rules})


def plausible_rows(count: int, policy: Policy) -> pl.DataFrame:
    """Return `count` enriched rows, decided under an older version, sorted by tenant and id as tables are."""
    index = pl.int_range(count)
    scores = [f"score_{question.name}" for question in policy.questions if question.ordinal]
    answers = [f"p_{question.name}_{question.labels[0]}" for question in policy.questions]
    uniform = [
        (index.shuffle(seed) / count).sqrt().alias(name) for seed, name in enumerate([*scores, *answers])
    ]
    return pl.select(
        index.alias("index"),
        *uniform,
    ).select(
        pl.exclude("index"),
        tenant=pl.format("t-{}", pl.col("index") * 40 // count),
        image_id=pl.format("019abcde-0000-7000-8000-{}", pl.col("index").cast(pl.String).str.zfill(12)),
        generation=pl.lit(1),
        status=pl.lit("enriched"),
        current_verdict=pl.when(pl.col("p_photograph_yes").is_between(0.4, 1))
        .then(pl.lit("accept"))
        .otherwise(pl.lit("reject")),
        current_policy=pl.lit("2026-10-house"),
        answered_pack=pl.lit(policy.prompt_pack),
        answered_fingerprint=pl.lit("bench"),
        width=pl.lit(6000.0),
        height=pl.lit(4000.0),
        megapixels=pl.col("p_content_class_photo") * 30,
        iso=pl.when(pl.col("p_text_heavy_yes").is_between(0.2, 1)).then(pl.col("score_noise") * 25_600),
        native_luma_mean=pl.col("score_contrast") * 255,
    )


def timed_preview(frame: pl.DataFrame, compiled: CompiledPolicy) -> tuple[float, Preview]:
    """Return seconds and the preview."""
    tariff = Tariff(seconds_per_image=0.26, usd_per_hour=0.8048)
    start = time.perf_counter()
    preview = preview_policy(frame, compiled, cutoff=CUTOFF, tariff=tariff)
    return time.perf_counter() - start, preview


def peak_memory_mb() -> float:
    """Return the most memory this process ever held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(count: int) -> None:
    """Print the table."""
    policy = twenty_rules(shipped_policy())
    compiled = compile_policy(policy)
    frame = plausible_rows(count, policy)
    before = peak_memory_mb()
    rounds = [timed_preview(frame, compiled) for _ in range(ROUNDS)]
    seconds = sorted(elapsed for elapsed, _ in rounds)
    preview = rounds[-1][1]
    median = seconds[ROUNDS // 2]
    print(f"rows {count:,}, rules {len(policy.rules)}, facts read {len(compiled.facts)}")
    print(
        f"{preview.flips['rows'].sum():,} flips, {preview.rows['reason_codes'].n_unique():,} lists of reasons"
    )
    print(f"preview: median {median:.2f} s, best {seconds[0]:.2f} s, {count / median:,.0f} rows/s")
    print(
        f"facts {frame.estimated_size('mb'):.0f} MB; peak {peak_memory_mb():.0f} MB, {before:.0f} MB before"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
