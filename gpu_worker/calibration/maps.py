"""Maps from what an engine answers to what people say; none of them makes two images change places."""

from itertools import pairwise
from typing import Final

import numpy as np

from gpu_worker.calibration.agreement import Numbers
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.policy.calibration import Knot, LogitLine

_MOST_STEPS: Final = 24
_FEWEST_PER_STEP: Final = 8
HALF_A_STORED_UNIT: Final = 5e-5
"""Stored answers are whole multiples of 1e-4: what reads 0 was below half of that."""
_MOST: Final = 50.0

_IDENTITY: Final = np.array([1.0, 0.0])
_PULL: Final = 3.0
"""Penalty on half the squared distance to the identity; on the corpus, 1 and 10 do about as well."""

_ROUNDS: Final = 100
_LONGEST_STEP: Final = 5.0


class CannotFitError(ConfigError):
    """Labels from which no map can be fitted; the message says which and why."""


def isotonic(scores: Numbers, labels: Numbers) -> tuple[Knot, ...]:
    """Return the map that never falls and is nearest to the labels, smoothed over some images per step.

    Source: pool adjacent violators, Ayer et al., Annals of Mathematical Statistics 26 (1955).

    Raises:
        CannotFitError: labels do not rise with scores at all.
    """
    blocks: list[tuple[float, float, int]] = []  # mean score, mean label, images
    for score, label, count in _steps(scores, labels):
        blocks.append((score, label, count))
        while len(blocks) > 1 and blocks[-2][1] > blocks[-1][1]:
            (x1, y1, n1), (x2, y2, n2) = blocks[-2:]
            both = n1 + n2
            blocks[-2:] = [((x1 * n1 + x2 * n2) / both, (y1 * n1 + y2 * n2) / both, both)]
    if blocks[0][1] >= blocks[-1][1]:
        raise CannotFitError("labels do not rise with the scores")
    return tuple(Knot(score=_share(x), becomes=_share(y)) for x, y, _ in blocks)


def straight(scores: Numbers, labels: Numbers) -> tuple[Knot, ...]:
    """Return the straight line nearest to the labels, level where it would leave 0..1.

    Raises:
        CannotFitError: labels do not rise with scores.
    """
    spread = scores - scores.mean()
    variance = float((spread**2).sum())
    slope = float((spread * labels).sum()) / variance if variance else 0.0
    if slope <= 0:
        raise CannotFitError("labels do not rise with the scores")
    base = float(labels.mean()) - slope * float(scores.mean())
    ends = {0.0, 1.0, *(x for x in (-base / slope, (1 - base) / slope) if 0 < x < 1)}
    return tuple(Knot(score=x, becomes=_share(base + slope * x)) for x in sorted(ends))


def logit_line(answers: Numbers, labels: Numbers) -> LogitLine:
    """Return the line through log odds that makes the labels likeliest, drawn towards changing nothing.

    That pull is what a hundred labels overcome and ten do not; without it, labels that the answers separate
    perfectly would give an infinite slope.

    Source: Platt, Probabilistic outputs for support vector machines (1999), whose remedy is another.

    Args:
        answers: probabilities of yes.
        labels: 0 or 1, both present.

    Raises:
        CannotFitError: answers and labels run against each other.
    """
    sure = np.clip(answers, HALF_A_STORED_UNIT, 1 - HALF_A_STORED_UNIT)
    design = np.stack([np.log(sure / (1 - sure)), np.ones_like(sure)], axis=1)
    line = _IDENTITY
    for _ in range(_ROUNDS):
        step = _newton_step(design, labels, line)
        while _loss(design, labels, line + step) > _loss(design, labels, line) + 1e-12:
            step /= 2
        line = line + step
        if np.abs(step).max() < 1e-9:  # noqa: PLR2004 - far below a stored unit
            break
    slope, intercept = (float(number) for number in line)
    if slope <= 0:
        raise CannotFitError("answers and labels run against each other")
    return LogitLine(slope=min(slope, _MOST), intercept=max(-_MOST, min(_MOST, intercept)))


def _steps(scores: Numbers, labels: Numbers) -> list[tuple[float, float, int]]:
    """Return mean score, mean label and count of neighbouring images, equal scores always together."""
    order = np.argsort(scores, kind="stable")
    scores, labels = scores[order], labels[order]
    size = max(_FEWEST_PER_STEP, -(-len(scores) // _MOST_STEPS))
    ends = [0]
    for end in range(size, len(scores), size):
        after_equals = int(np.searchsorted(scores, scores[end - 1], side="right"))
        if after_equals - ends[-1] >= size and len(scores) - after_equals >= size:
            ends.append(after_equals)
    ends.append(len(scores))
    return [(float(scores[a:b].mean()), float(labels[a:b].mean()), b - a) for a, b in pairwise(ends)]


def _newton_step(design: Numbers, labels: Numbers, line: Numbers) -> Numbers:
    found = _sigmoid(design @ line)
    curvature = design.T @ (design * (found * (1 - found))[:, None]) + _PULL * np.eye(2)
    slope = design.T @ (labels - found) - _PULL * (line - _IDENTITY)
    step = np.asarray(np.linalg.solve(curvature, slope), np.float64)
    return step * min(1.0, _LONGEST_STEP / float(np.abs(step).max() + 1e-12))


def _loss(design: Numbers, labels: Numbers, line: Numbers) -> float:
    logits = design @ line
    misfit = float((np.logaddexp(0, logits) - labels * logits).sum())
    return misfit + _PULL / 2 * float(((line - _IDENTITY) ** 2).sum())


def _sigmoid(logits: Numbers) -> Numbers:
    odds: Numbers = 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
    return odds


def _share(number: float) -> float:
    return max(0.0, min(1.0, number))
