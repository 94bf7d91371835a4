"""Facts as a calibration corrects them, as Polars expressions: one image and a million are corrected alike.

An answer of any other fingerprint than the calibration's is absent: nothing is known of what it is worth, and
no rule fires on what is unknown.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from math import exp
from operator import add

import polars as pl

from parjanya_dagster.core.policy.calibration import Knot, LogitLine, QuestionCalibration
from parjanya_dagster.core.policy.facts import ANSWERED_FINGERPRINT


@dataclass(frozen=True, kw_only=True)
class CalibratedFacts:
    """How raw facts become calibrated ones.

    Args:
        reads: names of the raw facts that this needs.
        stages: columns to be replaced, one list after the other; each reads what the one before it wrote.
    """

    reads: frozenset[str] = frozenset()
    stages: tuple[tuple[pl.Expr, ...], ...] = ()

    def of(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return `frame`, which has a column for each of `reads`, with its facts corrected."""
        return reduce(lambda corrected, stage: corrected.with_columns(stage), self.stages, frame)


def calibrated_facts(
    questions: Iterable[QuestionCalibration], wanted: Collection[str], *, fingerprint: str
) -> CalibratedFacts:
    """Return how the wanted facts are corrected.

    Args:
        questions: of a calibration.
        wanted: names of facts; those that no question concerns stay as they are.
        fingerprint: of the answers that are meant.
    """
    is_meant = pl.col(ANSWERED_FINGERPRINT) == fingerprint
    stages: tuple[dict[str, pl.Expr], ...] = ({}, {}, {})
    for question in questions:
        score, top = f"score_{question.question}", f"top_{question.question}"
        probabilities = {f"p_{question.question}_{label}": label for label in question.labels}
        if wanted_here := {score, top, *probabilities} & set(wanted):
            stages[0].update(_probabilities(question))
            if score in wanted_here and question.values is not None:
                stages[1][score] = _expected(question)
                stages[2][score] = _mapped(pl.col(score), question.knots)
            if top in wanted_here:
                stages[2][top] = _likeliest(probabilities)
    exprs = tuple(
        tuple(pl.when(is_meant).then(value).alias(name) for name, value in stage.items())
        for stage in stages
        if stage
    )
    reads = frozenset(name for stage in exprs for each in stage for name in each.meta.root_names())
    return CalibratedFacts(reads=reads, stages=exprs)


def _probabilities(question: QuestionCalibration) -> dict[str, pl.Expr]:
    """Return fact → probability, all labels' together a distribution again."""
    weights = {label: pl.col(f"p_{question.question}_{label}") for label in question.labels}
    if question.prior is not None:
        weights = _normalised(
            {
                label: weights[label] * exp(-prior)
                for label, prior in zip(weights, question.prior, strict=True)
            }
        )
    if question.line is not None:
        weights = _normalised(_moved(weights, question.line))
    return {f"p_{question.question}_{label}": weight for label, weight in weights.items()}


def _moved(weights: dict[str, pl.Expr], line: LogitLine) -> dict[str, pl.Expr]:
    """Return yes and no on another scale; as powers, which unlike log odds exist at 0 and 1 too."""
    powers = {label: weight.pow(line.slope) for label, weight in weights.items()}
    return powers | {"yes": powers["yes"] * exp(line.intercept)}


def _normalised(weights: dict[str, pl.Expr]) -> dict[str, pl.Expr]:
    total = reduce(add, weights.values())
    return {label: weight / total for label, weight in weights.items()}


def _expected(question: QuestionCalibration) -> pl.Expr:
    """Return the score that follows from the probabilities; the stored one if those are as stored."""
    if question.prior is None or question.values is None:
        return pl.col(f"score_{question.question}")
    parts = zip(question.labels, question.values, strict=True)
    return reduce(add, (pl.col(f"p_{question.question}_{label}") * value for label, value in parts))


def _mapped(score: pl.Expr, knots: Sequence[Knot] | None) -> pl.Expr:
    """Return the score as the knots map it: the first knot's level, and what each piece adds to it."""
    if knots is None:
        return score
    pieces = (
        (score - low.score).clip(0, high.score - low.score)
        * ((high.becomes - low.becomes) / (high.score - low.score))
        for low, high in pairwise(knots)
    )
    return (reduce(add, pieces) + knots[0].becomes).clip(0, 1)


def _likeliest(probabilities: dict[str, str]) -> pl.Expr:
    highest = pl.max_horizontal(*probabilities)
    return pl.coalesce(
        pl.when(pl.col(fact) == highest).then(pl.lit(label)) for fact, label in probabilities.items()
    )
