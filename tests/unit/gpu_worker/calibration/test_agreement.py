"""Agreement with people's labels: small functions of our own, held to values worked out by hand."""

import numpy as np
import pytest

from gpu_worker.calibration.agreement import agreement, calibration_error, pearson, spearman


def numbers(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return values as the functions take them."""
    return np.array(values, np.float64)


def test_rank_correlation_sees_order_alone() -> None:
    """Any rising map gives 1, any falling one -1."""
    left = numbers(0.1, 0.2, 0.5, 0.9)

    assert spearman(left, left**3) == pytest.approx(1)
    assert spearman(left, -(left**3)) == pytest.approx(-1)
    assert pearson(numbers(1, 2, 3), numbers(1, 2, 4)) == pytest.approx(0.98198, abs=1e-5)


def test_rank_correlation_gives_equals_their_mean_rank() -> None:
    """Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: by the book 0.9487."""
    assert spearman(numbers(1, 2, 2, 3), numbers(1, 2, 3, 4)) == pytest.approx(0.9487, abs=1e-4)


def test_correlation_with_something_constant_is_unknown() -> None:
    """Blind is never zero."""
    found = agreement(numbers(0.5, 0.5), numbers(0, 1))

    assert (found.srcc, found.plcc, found.error) == (None, None, 0.0)


def test_calibration_error_is_the_mean_distance_of_answers_from_labels() -> None:
    """Three of four at 0.75 are right: no error; all of two at 0.9 are wrong: 0.9."""
    answers, labels = numbers(0.75, 0.75, 0.75, 0.75, 0.9, 0.9), numbers(1, 1, 1, 0, 0, 0)

    assert calibration_error(answers[:4], labels[:4]) == pytest.approx(0)
    assert calibration_error(answers[4:], labels[4:]) == pytest.approx(0.9)
    assert calibration_error(answers, labels) == pytest.approx(0.9 * 2 / 6)
    assert calibration_error(numbers(0, 1), numbers(1, 0)) == 1  # the ends of the range have bins too
