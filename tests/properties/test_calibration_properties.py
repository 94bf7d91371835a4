"""Properties of calibrations: distributions stay distributions, and no map turns two images round."""

from collections.abc import Sequence
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.policy.calibrated_facts import calibrated_facts
from parjanya_dagster.core.policy.calibration import QuestionCalibration, load_calibration
from tests.calibration_builders import FINGERPRINT, LINEAR, a_calibration, ordinal, yes_no

LABELS = ("bad", "fair", "good")
VALUES = (0.0, 0.5, 1.0)

weights = st.lists(st.integers(0, 10_000), min_size=3, max_size=3).filter(any)
priors = st.tuples(*[st.floats(-10, 0)] * 3)
lines = st.tuples(st.floats(0.01, 50), st.floats(-50, 50))
shares = st.integers(0, 10_000).map(lambda units: units / 10_000)


@st.composite
def knots(draw: st.DrawFn) -> list[tuple[float, float]]:
    """Return a map as it may be stored: rising scores, levels that do not fall."""
    scores = sorted(draw(st.sets(shares, min_size=2, max_size=20)))
    levels = sorted(draw(st.lists(shares, min_size=len(scores), max_size=len(scores))))
    return list(zip(scores, levels, strict=True))


def calibrated(question: QuestionCalibration, answers: Sequence[Sequence[float]]) -> pl.DataFrame:
    """Return all facts about answers, each as probabilities in the order of labels."""
    raw = {
        f"p_{question.question}_{label}": [float(answer[at]) for answer in answers]
        for at, label in enumerate(question.labels)
    }
    values = question.values or (0.0,) * len(question.labels)
    scores = [sum(p * value for p, value in zip(answer, values, strict=True)) for answer in answers]
    others = {f"score_{question.question}": scores, f"top_{question.question}": [None] * len(answers)}
    frame = pl.DataFrame(raw | others | {"answered_fingerprint": [FINGERPRINT] * len(answers)})
    facts = calibrated_facts([question], frame.columns, fingerprint=FINGERPRINT)
    return facts.of(frame.lazy()).collect()


def distribution(parts: Sequence[int]) -> list[float]:
    """Return parts as shares of their sum."""
    return [part / sum(parts) for part in parts]


@given(weights, priors, knots())
def test_calibrated_answers_are_distributions_with_a_score_in_range(
    parts: list[int], prior: tuple[float, ...], pieces: list[tuple[float, float]]
) -> None:
    """Whatever was fitted, rules read probabilities."""
    question = ordinal(prior=prior, knots=pieces, labels=LABELS, values=VALUES)

    (row,) = calibrated(question, [distribution(parts)]).rows(named=True)

    found = [row[f"p_sharpness_{label}"] for label in LABELS]
    assert sum(found) == pytest.approx(1)
    assert all(0 <= p <= 1 for p in found)
    assert pieces[0][1] - 1e-12 <= row["score_sharpness"] <= pieces[-1][1] + 1e-12
    assert found[LABELS.index(row["top_sharpness"])] == max(found)


@given(st.lists(shares, min_size=2, max_size=20), lines, st.tuples(st.floats(-10, 0), st.floats(-10, 0)))
def test_line_and_prior_keep_the_order_of_images(
    answers: list[float], line: tuple[float, float], prior: tuple[float, float]
) -> None:
    """A calibration says what an answer is worth, never which image is better."""
    rising = sorted(answers)

    found = calibrated(yes_no(line=line, prior=prior), [(p, 1 - p) for p in rising])["p_photograph_yes"]

    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(found))
    assert found.is_between(0, 1).all()


@given(st.lists(shares, min_size=2, max_size=20), knots())
def test_map_of_scores_keeps_the_order_of_images(
    answers: list[float], pieces: list[tuple[float, float]]
) -> None:
    """Two images may become equal, but never change places."""
    rising = sorted(answers)

    found = calibrated(ordinal(knots=pieces), [(1 - p, p) for p in rising])["score_sharpness"]

    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(found))


@given(weights)
def test_identity_changes_nothing(parts: list[int]) -> None:
    """A calibration that corrects nothing is as good as none."""
    answer = distribution(parts)
    question = ordinal(prior=(0.0, 0.0, 0.0), knots=LINEAR, labels=LABELS, values=VALUES)

    (row,) = calibrated(question, [answer]).rows(named=True)
    (said,) = calibrated(yes_no(line=(1.0, 0.0)), [(answer[0], 1 - answer[0])]).rows(named=True)

    assert [row[f"p_sharpness_{label}"] for label in LABELS] == pytest.approx(answer, abs=1e-12)
    assert row["score_sharpness"] == pytest.approx(answer[1] / 2 + answer[2], abs=1e-12)
    assert said["p_photograph_yes"] == pytest.approx(answer[0], abs=1e-12)


@given(priors, lines, knots(), st.integers(1, 99))
def test_calibration_survives_its_file_bit_by_bit(
    prior: tuple[float, ...], line: tuple[float, float], pieces: list[tuple[float, float]], version: int
) -> None:
    """The hash is taken of numbers as JSON holds them."""
    ours = a_calibration(
        yes_no(line=line, prior=prior[:2]), ordinal(prior=prior[1:], knots=pieces), version=version
    )

    assert load_calibration(ours.model_dump_json()) == ours
