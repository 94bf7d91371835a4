"""Builders of calibrations: valid ones with defaults, so that a test states only what matters to it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from parjanya_dagster.core.policy.calibration import (
    Calibration,
    CalibrationContent,
    Knot,
    LogitLine,
    QuestionCalibration,
)

FINGERPRINT = "fingerprint-1"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

LINEAR = ((0.0, 0.0), (1.0, 1.0))
"""A map that changes nothing."""


def yes_no(
    question: str = "photograph",
    *,
    prior: tuple[float, float] | None = None,
    line: tuple[float, float] | None = None,
) -> QuestionCalibration:
    """Return how a yes/no question is corrected: (ln p of yes, of no) and (slope, intercept)."""
    moved = LogitLine(slope=line[0], intercept=line[1]) if line else None
    return QuestionCalibration(question=question, labels=("yes", "no"), prior=prior, line=moved)


def ordinal(
    question: str = "sharpness",
    *,
    prior: tuple[float, ...] | None = None,
    knots: Sequence[tuple[float, float]] | None = None,
    labels: tuple[str, ...] = ("bad", "good"),
    values: tuple[float, ...] = (0.0, 1.0),
) -> QuestionCalibration:
    """Return how a score is corrected, by (score, becomes) pairs."""
    pieces = tuple(Knot(score=x, becomes=y) for x, y in knots) if knots else None
    return QuestionCalibration(question=question, labels=labels, values=values, prior=prior, knots=pieces)


def a_calibration(
    *questions: QuestionCalibration,
    name: str = "test",
    version: int = 1,
    prompt_pack: str = "test-pack",
    pack_hash: str = "ab" * 32,
    fingerprint: str = FINGERPRINT,
) -> Calibration:
    """Return a calibration; of the question photograph, changing nothing, if none is given."""
    return CalibrationContent(
        name=name,
        version=version,
        created=NOON,
        prompt_pack=prompt_pack,
        pack_hash=pack_hash,
        fingerprint=fingerprint,
        engine="cpu",
        blank_images=16,
        labelled_images=200,
        questions=questions or (yes_no(),),
    ).sealed()
