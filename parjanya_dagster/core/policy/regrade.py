"""The regrade planner: what each row needs under a new policy version, and why.

Only rows whose answers are missing, or were given to another prompt pack or by another fingerprint, need
the GPU, and then only for the questions that are missing. Committing a plan comes with the regrade itself.
"""

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import Final

import polars as pl

from parjanya_dagster.core.policy.document import Policy, Question
from parjanya_dagster.core.policy.facts import ANSWERED_FINGERPRINT
from parjanya_dagster.core.truth.row import Status

_CHUNK_ROWS: Final = 100_000

ROW_COLUMNS = pl.Schema(
    {
        "tenant": pl.String(),
        "image_id": pl.String(),
        "generation": pl.Int64(),
        "status": pl.String(),
        "current_verdict": pl.String(),
        "current_policy": pl.String(),
        "answered_pack": pl.String(),
        ANSWERED_FINGERPRINT: pl.String(),
    },
)
"""What a row says of itself, beside its facts; the last four are NULL without a decision or answers."""


class Change(StrEnum):
    """What a row needs under the new version."""

    NOOP = "noop"
    RULES_ONLY = "rules_only"
    GPU = "gpu"
    BLOCKED = "blocked"


class ChangeReason(StrEnum):
    """Why a row needs that; the reason of a blocked row is its status."""

    DECIDED_UNDER_THIS_VERSION = "decided_under_this_version"
    DECIDED_UNDER_ANOTHER_VERSION = "decided_under_another_version"
    NEVER_DECIDED = "never_decided"
    ANSWERS_MISSING = "answers_missing"
    OTHER_PROMPT_PACK = "other_prompt_pack"
    OTHER_FINGERPRINT = "other_fingerprint"


CHANGES = pl.Enum([change.value for change in Change])
REASONS = pl.Enum([reason.value for reason in ChangeReason] + [status.value for status in Status])

_CHANGE_OF: Final[dict[StrEnum, Change]] = {
    ChangeReason.DECIDED_UNDER_THIS_VERSION: Change.NOOP,
    ChangeReason.DECIDED_UNDER_ANOTHER_VERSION: Change.RULES_ONLY,
    ChangeReason.NEVER_DECIDED: Change.RULES_ONLY,
    ChangeReason.ANSWERS_MISSING: Change.GPU,
    ChangeReason.OTHER_PROMPT_PACK: Change.GPU,
    ChangeReason.OTHER_FINGERPRINT: Change.GPU,
    **dict.fromkeys(tuple[StrEnum, ...](Status), Change.BLOCKED),
}


def classify_rows(frame: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Return what every row needs, in the order of `frame`.

    Args:
        frame: one row per image: `ROW_COLUMNS` and the facts. The column of a fact that nobody has may be
            absent.
        policy: the version that is to be in force.

    Returns:
        tenant, image_id, generation, current_verdict, change, reason, questions (those to be asked).
    """
    classified = (
        frame.lazy()
        .with_columns(pl.col(name).cast(dtype) for name, dtype in ROW_COLUMNS.items())
        .with_columns(asked=_asked_bits(policy, frame.columns))
        .with_columns(reason=_reason(policy))
        .with_columns(change=_change())
        .with_columns(asked=pl.when(pl.col("change") == Change.GPU.value).then("asked").otherwise(0))
        .select("tenant", "image_id", "generation", "current_verdict", "change", "reason", "asked")
        .collect()
    )
    questions = _question_lists(classified["asked"].unique(), policy)
    return classified.join(questions, on="asked", how="left", maintain_order="left").drop("asked")


def plan_token(rows: pl.DataFrame, *, policy: Policy, cutoff: datetime) -> str:
    """Return the token of a plan, the same in whatever order its rows come.

    Args:
        rows: tenant, image_id, generation and change of every row to be changed.
        policy: the version that they are to be judged under.
        cutoff: the aware time at which the rows were read; later writes are not in the plan.
    """
    digest = hashlib.sha256(f"{policy.digest}\n{cutoff.astimezone(UTC).isoformat()}\n".encode())
    columns = ("tenant", "image_id", "generation", "change")
    lines = rows.select(line=pl.concat_str(columns, separator="/")).to_series().sort()
    for chunk in lines.to_frame().iter_slices(_CHUNK_ROWS):
        digest.update(chunk.write_csv(include_header=False).encode())
    return f"plan-{digest.hexdigest()}"


def _asked_bits(policy: Policy, columns: list[str]) -> pl.Expr:
    """Bit i is set where question i has no answer that counts; one of another origin doesn't."""
    must_ask_all = pl.col("answered_pack").ne_missing(policy.prompt_pack) | _is_other_fingerprint(policy)
    bits = (
        pl.when(must_ask_all | _is_unanswered(question, columns)).then(pl.lit(1 << index)).otherwise(0)
        for index, question in enumerate(policy.questions)
    )
    return reduce(or_, bits)


def _is_unanswered(question: Question, columns: list[str]) -> pl.Expr:
    name = f"p_{question.name}_{question.labels[0]}"
    return pl.col(name).is_null() if name in columns else pl.lit(value=True)


def _question_lists(distinct: pl.Series, policy: Policy) -> pl.DataFrame:
    names = [question.name for question in policy.questions]
    lists = [[name for index, name in enumerate(names) if asked >> index & 1] for asked in distinct]
    return pl.DataFrame(
        {"asked": distinct, "questions": lists}, schema_overrides={"questions": pl.List(pl.String)}
    )


def _is_other_fingerprint(policy: Policy) -> pl.Expr:
    if not policy.accepted_fingerprints:
        return pl.lit(value=False)
    return ~pl.col(ANSWERED_FINGERPRINT).is_in(policy.accepted_fingerprints).fill_null(value=False)


def _reason(policy: Policy) -> pl.Expr:
    pack = pl.col("answered_pack")

    def because(reason: ChangeReason) -> pl.Expr:
        return pl.lit(reason.value, dtype=REASONS)

    return (
        pl.when(pl.col("status") != Status.ENRICHED.value)
        .then(pl.col("status").cast(REASONS))
        .when(pl.col("current_policy") == policy.version)
        .then(because(ChangeReason.DECIDED_UNDER_THIS_VERSION))
        .when(pack.is_null())
        .then(because(ChangeReason.ANSWERS_MISSING))
        .when(pack != policy.prompt_pack)
        .then(because(ChangeReason.OTHER_PROMPT_PACK))
        .when(_is_other_fingerprint(policy))
        .then(because(ChangeReason.OTHER_FINGERPRINT))
        .when(pl.col("asked") != 0)
        .then(because(ChangeReason.ANSWERS_MISSING))
        .when(pl.col("current_policy").is_null())
        .then(because(ChangeReason.NEVER_DECIDED))
        .otherwise(because(ChangeReason.DECIDED_UNDER_ANOTHER_VERSION))
    )


def _change() -> pl.Expr:
    reasons = pl.Series([reason.value for reason in _CHANGE_OF], dtype=REASONS)
    changes = pl.Series([change.value for change in _CHANGE_OF.values()], dtype=CHANGES)
    return pl.col("reason").replace_strict(reasons, changes, return_dtype=CHANGES)
