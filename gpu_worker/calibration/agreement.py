"""How well answers agree with people's labels: two correlations, and how far answers are off on average."""

from typing import Final

import numpy as np
import numpy.typing as npt

from parjanya_dagster.core.policy.calibration import Quality

Numbers = npt.NDArray[np.float64]

BINS: Final = 10


def agreement(answers: Numbers, labels: Numbers) -> Quality:
    """Return all measures at once.

    Args:
        answers: float64 [images], 0..1.
        labels: float64 [images], 0..1; those of a yes/no question are 0 or 1.
    """
    return Quality(
        srcc=spearman(answers, labels),
        plcc=pearson(answers, labels),
        error=calibration_error(answers, labels),
    )


def pearson(left: Numbers, right: Numbers) -> float | None:
    """Return the linear correlation, -1..1; None where one side does not vary."""
    left, right = left - left.mean(), right - right.mean()
    scale = float(np.sqrt((left**2).sum() * (right**2).sum()))
    return None if scale == 0 else max(-1.0, min(1.0, float((left * right).sum()) / scale))


def spearman(left: Numbers, right: Numbers) -> float | None:
    """Return the correlation of ranks, -1..1, equals sharing their mean rank; None as in `pearson`."""
    return pearson(_ranks(left), _ranks(right))


def calibration_error(answers: Numbers, labels: Numbers, *, bins: int = BINS) -> float:
    """Return the expected calibration error, 0..1.

    Images are put into bins of equal width by their answers; in each, the mean answer should be the mean
    label. The mean of the differences is weighted by images.

    Source: Naeini et al., Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015.
    """
    which = np.minimum((answers * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(which, weights=answers - labels, minlength=bins)
    return float(np.abs(gaps).sum()) / len(answers)


def _ranks(numbers: Numbers) -> Numbers:
    _, which, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: Numbers = (last - (counts - 1) / 2)[which]
    return means
