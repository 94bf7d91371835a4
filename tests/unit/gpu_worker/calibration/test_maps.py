"""Maps: they find what is there, never turn images round, and refuse where there is nothing to find."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.calibration.agreement import Numbers
from gpu_worker.calibration.maps import CannotFitError, isotonic, logit_line, straight
from parjanya_dagster.core.policy.calibration import Knot
from tests.calibration_builders import a_calibration, ordinal

Pairs = list[tuple[float, float]]


def pairs(knots: tuple[Knot, ...]) -> Pairs:
    """Return (score, becomes)."""
    return [(knot.score, knot.becomes) for knot in knots]


def spaced(count: int) -> Numbers:
    """Return `count` scores from 0 to 1."""
    return np.linspace(0, 1, count)


def test_isotonic_map_finds_a_curve_through_noise() -> None:
    """No shape is assumed but that it rises."""
    scores = spaced(400)
    noise = np.random.default_rng(1).normal(0, 0.05, 400)

    knots = isotonic(scores, np.clip(scores**2 + noise, 0, 1))

    assert len(knots) > 10
    assert all(abs(becomes - score**2) < 0.06 for score, becomes in pairs(knots))


def test_isotonic_map_pools_neighbours_that_fall() -> None:
    """A dip in the labels becomes one level at its mean."""
    scores = np.repeat([0.1, 0.3, 0.5, 0.9], 10)
    labels = np.repeat([0.1, 0.6, 0.4, 0.9], 10)

    found = pairs(isotonic(scores, labels))

    assert found == [pytest.approx(each) for each in ((0.1, 0.1), (0.4, 0.5), (0.9, 0.9))]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 4)), min_size=30, max_size=300))
def test_maps_of_scores_are_always_such_as_may_be_stored(drawn: list[tuple[int, int]]) -> None:
    """Whatever people said: rising scores, levels that do not fall, or a refusal."""
    scores, labels = (np.array(column, np.float64) for column in zip(*drawn, strict=True))
    for fit in (isotonic, straight):
        try:
            found = pairs(fit(scores / 50, labels / 4))
        except CannotFitError:
            continue
        assert all(low[0] < high[0] and low[1] <= high[1] for low, high in pairwise(found))
        assert a_calibration(ordinal(knots=found)).questions[0].knots is not None


def test_straight_map_is_the_line_that_is_there() -> None:
    """Few labels carry two numbers, not a shape."""
    scores = spaced(30)

    assert pairs(straight(scores, 0.2 + 0.5 * scores)) == [pytest.approx((0, 0.2)), pytest.approx((1, 0.7))]


def test_straight_map_is_level_where_it_would_leave_the_range() -> None:
    """A calibrated score is a score."""
    scores = 0.4 + 0.2 * spaced(30)

    found = pairs(straight(scores, (scores - 0.4) * 5))

    assert found == [pytest.approx(each, abs=1e-9) for each in ((0, 0), (0.4, 0), (0.6, 1), (1, 1))]


@pytest.mark.parametrize("fit", [isotonic, straight])
@pytest.mark.parametrize("labels", [lambda scores: 1 - scores, lambda scores: 0 * scores + 0.5])
def test_labels_that_do_not_rise_with_scores_are_refused(
    fit: Callable[[Numbers, Numbers], object], labels: Callable[[Numbers], Numbers]
) -> None:
    """A map that says nothing, or the opposite, would hide that the question is not understood."""
    with pytest.raises(CannotFitError, match="do not rise"):
        fit(spaced(40), labels(spaced(40)))


def test_scores_that_are_all_the_same_are_refused() -> None:
    """There is no line through one point."""
    with pytest.raises(CannotFitError, match="do not rise"):
        straight(np.full(40, 0.5), spaced(40))


def test_line_finds_how_answers_were_distorted() -> None:
    """Many labels outweigh the pull towards changing nothing."""
    random = np.random.default_rng(2)
    truth = random.uniform(0.02, 0.98, 20_000)
    labels = (random.uniform(size=20_000) < truth).astype(np.float64)
    logits = (np.log(truth / (1 - truth)) + 0.8) / 2  # undone by slope 2, intercept -0.8

    line = logit_line(1 / (1 + np.exp(-logits)), labels)

    assert line.slope == pytest.approx(2, abs=0.1)
    assert line.intercept == pytest.approx(-0.8, abs=0.1)


def test_line_of_answers_that_separate_perfectly_is_finite() -> None:
    """Being right on a hundred images is no proof of being right for ever."""
    labels = np.repeat([0.0, 1.0], 50)

    line = logit_line(np.where(labels > 0, 1.0, 0.0), labels)

    assert 0.5 < line.slope < 2


def test_line_of_few_labels_changes_little() -> None:
    """Thirty labels with one surprise are no reason to distrust everything."""
    labels = np.repeat([0.0, 1.0], 15)
    answers = np.where(labels > 0, 0.9, 0.1)
    answers[0] = 0.9

    line = logit_line(answers, labels)

    assert line.slope == pytest.approx(1, abs=0.5)
    assert abs(line.intercept) < 0.35


def test_answers_that_run_against_their_labels_are_refused() -> None:
    """Somebody swapped yes and no."""
    labels = np.repeat([0.0, 1.0], 100)

    with pytest.raises(CannotFitError, match="against each other"):
        logit_line(np.where(labels > 0, 0.05, 0.95), labels)
