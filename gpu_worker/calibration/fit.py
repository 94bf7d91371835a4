"""Fitting a calibration: from an engine's answers about blank and labelled images to what they are worth.

What a map brought is measured on images that it was not fitted on: the images are dealt into folds, and each
is corrected by the map of the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from gpu_worker.calibration.agreement import Numbers, agreement
from gpu_worker.calibration.maps import HALF_A_STORED_UNIT, CannotFitError, isotonic, logit_line, straight
from gpu_worker.prompts.pack import PromptPack, Question, QuestionKind
from parjanya_dagster.core.policy.calibrated_facts import calibrated_facts
from parjanya_dagster.core.policy.calibration import Calibration, CalibrationContent, Fit, QuestionCalibration
from parjanya_dagster.core.policy.facts import facts_of
from parjanya_dagster.core.truth.answers import Answers

FEWEST_LABELS: Final = 30
"""Below this a map would mostly repeat the chance of the draw."""

ENOUGH_LABELS: Final = 200
"""From here a score's map may have any rising shape; below it is a straight line."""

_FEWEST_OF_EACH: Final = 5
_FOLDS: Final = 5
_SEED: Final = 20_261_122


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One image's answers and labels.

    Args:
        labels: question → 0..1, as far as anybody said.
    """

    answers: Answers
    labels: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a calibration will be known by.

    Args:
        engine: name of the engine that answered.
        fingerprint: of its answers.
    """

    name: str
    version: int
    created: datetime
    engine: str
    fingerprint: str


def fit_calibration(
    identity: Identity, pack: PromptPack, *, blanks: Sequence[Answers], labelled: Sequence[Labelled]
) -> Calibration:
    """Return the calibration of a pack's questions, or of those that anything is known about.

    Args:
        blanks: answers about images that show nothing; without them priors stay as they are.
        labelled: answers about labelled images; without them nothing but priors is corrected.

    Raises:
        CannotFitError: answers have another fingerprint, or a question's labels are too few or say nothing.
    """
    others = {each.fingerprint for each in (*blanks, *(image.answers for image in labelled))}
    if others - {identity.fingerprint}:
        raise CannotFitError("some answers have another fingerprint than the engine's: fit on one machine")
    questions = tuple(
        found
        for question in pack.questions
        if (found := _fitted(question, blanks, labelled, identity.fingerprint)) is not None
    )
    if not questions:
        raise CannotFitError("there is nothing to fit on: neither blank images nor labels")
    return CalibrationContent(
        name=identity.name,
        version=identity.version,
        created=identity.created,
        prompt_pack=pack.id,
        pack_hash=pack.content_hash,
        fingerprint=identity.fingerprint,
        engine=identity.engine,
        blank_images=len(blanks),
        labelled_images=len(labelled),
        questions=questions,
    ).sealed()


def _fitted(
    question: Question, blanks: Sequence[Answers], labelled: Sequence[Labelled], fingerprint: str
) -> QuestionCalibration | None:
    prior = _prior(question, blanks) if blanks else None
    bare = QuestionCalibration(
        question=question.id,
        labels=question.label_names,
        values=tuple(question.values.values()) if question.values else None,
        prior=prior,
    )
    images = [image for image in labelled if question.id in image.labels]
    if not images:
        return bare if blanks else None
    labels = np.array([image.labels[question.id] for image in images])
    _require_enough(question, labels)
    answers = _Answered(question, images, fingerprint)
    try:
        whole = _mapped(bare, answers.values(bare), labels)
        after = _held_out(bare, answers, labels)
    except CannotFitError as error:
        raise CannotFitError(f"'{question.id}': {error}; leave its column out") from error
    raw = answers.values(bare.model_copy(update={"prior": None}))
    fit = Fit(images=len(images), before=agreement(raw, labels), after=agreement(after, labels))
    return whole.model_copy(update={"fit": fit})


class _Answered:
    """The answers to one question about labelled images, as facts."""

    def __init__(self, question: Question, images: Sequence[Labelled], fingerprint: str) -> None:
        self._fact = f"score_{question.id}" if question.values else f"p_{question.id}_yes"
        self._fingerprint = fingerprint
        facts = [
            facts_of(
                tenant="",
                priority="",
                answers={question.id: image.answers[question.id].to_document()},
                technical=None,
                exif=None,
                fingerprint=fingerprint,
            )
            for image in images
        ]
        self._frame = pl.DataFrame(facts, infer_schema_length=None)

    def values(self, calibration: QuestionCalibration) -> Numbers:
        """Return float64 [images]: what a policy's rules would read under a calibration."""
        facts = calibrated_facts([calibration], {self._fact}, fingerprint=self._fingerprint)
        column: Numbers = facts.of(self._frame.lazy()).collect()[self._fact].to_numpy()
        return column


def _prior(question: Question, blanks: Sequence[Answers]) -> tuple[float, ...]:
    stored = [each[question.id].to_document()["probabilities"] for each in blanks]
    shares = np.array([[each[label] for label in question.label_names] for each in stored])
    return tuple(float(mean) for mean in np.log(np.clip(shares, HALF_A_STORED_UNIT, 1)).mean(axis=0))


def _require_enough(question: Question, labels: Numbers) -> None:
    if len(labels) < FEWEST_LABELS:
        raise CannotFitError(
            f"'{question.id}' has {len(labels)} labels; {FEWEST_LABELS} are needed and {ENOUGH_LABELS} "
            "recommended: label more images, or leave its column out"
        )
    if question.kind is QuestionKind.YES_NO:
        yes = int(labels.sum())
        if min(yes, len(labels) - yes) < _FEWEST_OF_EACH:
            raise CannotFitError(
                f"'{question.id}' has {yes} times yes and {len(labels) - yes} times no; "
                f"{_FEWEST_OF_EACH} of each are needed"
            )


def _mapped(bare: QuestionCalibration, answers: Numbers, labels: Numbers) -> QuestionCalibration:
    if bare.values is None:
        return bare.model_copy(update={"line": logit_line(answers, labels)})
    fitted = isotonic if len(labels) >= ENOUGH_LABELS else straight
    return bare.model_copy(update={"knots": fitted(answers, labels)})


def _held_out(bare: QuestionCalibration, answered: _Answered, labels: Numbers) -> Numbers:
    """Return each image's answer by the map of the other folds, with which labels are dealt out evenly."""
    answers = answered.values(bare)
    dealt = np.random.default_rng(_SEED).permutation(len(labels))
    dealt = dealt[np.argsort(labels[dealt], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[dealt] = np.arange(len(labels)) % _FOLDS
    after = np.empty(len(labels))
    for each in range(_FOLDS):
        out = fold == each
        after[out] = answered.values(_mapped(bare, answers[~out], labels[~out]))[out]
    return after
