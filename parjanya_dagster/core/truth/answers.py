"""What an engine answered about one image: the same form for every engine, and the form that is stored.

Whole label distributions are kept, so that a policy can change its mind without asking the engine again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum, isfinite, sqrt
from typing import Any, Final, Self

from parjanya_dagster.core.errors import ParjanyaError

_UNITS: Final = 10_000
"""Stored numbers are whole multiples of 1e-4: finer digits are below any engine's own repeatability."""

_SUM_TOLERANCE: Final = 1e-3


class InvalidAnswerError(ParjanyaError):
    """An engine, or a stored document, said something that is not a distribution over labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The distribution over the labels of one question.

    Args:
        question: id of the question in the prompt pack.
        probabilities: label → probability; at least two labels, summing to 1.
        score: expected label value, 0..1; None where labels have no order.
        spread: standard deviation of the label value, 0..0.5; 0 where labels have no order.
        label_mass: share of the engine's whole probability that fell on the labels, 0..1. It drops when
            prompt, template and checkpoint no longer fit each other.

    Raises:
        InvalidAnswerError: a number is out of its range, or the probabilities do not sum to 1.
    """

    question: str
    probabilities: Mapping[str, float]
    score: float | None = None
    spread: float = 0.0
    label_mass: float = 1.0

    def __post_init__(self) -> None:
        _require_distribution(self.question, self.probabilities)
        bounded = {"spread": self.spread, "label mass": self.label_mass}
        if self.score is not None:
            bounded["score"] = self.score
        for name, value in bounded.items():
            if not 0 <= value <= 1:  # also false for NaN
                raise InvalidAnswerError(f"{name} of '{self.question}' is {value}; it must be in 0..1")

    @classmethod
    def from_probabilities(
        cls,
        question: str,
        probabilities: Mapping[str, float],
        *,
        values: Mapping[str, float] | None = None,
        label_mass: float = 1.0,
    ) -> Self:
        """Return the answer with the score and spread that follow from its labels' values.

        Args:
            question: id of the question.
            probabilities: label → probability, summing to 1 within 1e-3; what is missing is made up.
            values: label → value in 0..1 for an ordinal question; None for one without order.
            label_mass: see the class.

        Raises:
            InvalidAnswerError: not a distribution, or a label has no value.
        """
        _require_distribution(question, probabilities)
        total = fsum(probabilities.values())
        exact = {label: p / total for label, p in probabilities.items()}
        if values is None:
            return cls(question=question, probabilities=exact, label_mass=label_mass)
        if missing := sorted(exact.keys() - values.keys()):
            raise InvalidAnswerError(f"'{question}' has no value for {', '.join(missing)}")
        score = fsum(p * values[label] for label, p in exact.items())
        variance = fsum(p * (values[label] - score) ** 2 for label, p in exact.items())
        return cls(
            question=question,
            probabilities=exact,
            score=min(1.0, max(0.0, score)),
            spread=sqrt(variance),
            label_mass=label_mass,
        )

    @property
    def top(self) -> str:
        """The most probable label; of equals, the first."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    def to_document(self) -> dict[str, Any]:
        """Return the stored form: plain JSON, numbers in steps of 1e-4, probabilities summing to 1."""
        return {
            "probabilities": _rounded_to_one(self.probabilities),
            "score": None if self.score is None else _rounded(self.score),
            "spread": _rounded(self.spread),
            "label_mass": _rounded(self.label_mass),
        }

    @classmethod
    def from_document(cls, question: str, document: Mapping[str, Any]) -> Self:
        """Return the answer that `to_document` wrote, whatever number type the store handed back.

        Raises:
            InvalidAnswerError: a key is missing, or a value is not a number in its range.
        """
        try:
            score = document["score"]
            return cls(
                question=question,
                probabilities={str(label): float(p) for label, p in document["probabilities"].items()},
                score=None if score is None else float(score),
                spread=float(document["spread"]),
                label_mass=float(document["label_mass"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidAnswerError(f"the stored answer to '{question}' is malformed: {error!r}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Everything one engine said about one image in one pass.

    Args:
        by_question: question id → answer.
        fingerprint: what produced them; see `core.execution.fingerprint`.

    Raises:
        InvalidAnswerError: an answer is filed under another question's id.
    """

    by_question: Mapping[str, Answer]
    fingerprint: str

    def __post_init__(self) -> None:
        for question, answer in self.by_question.items():
            if question != answer.question:
                raise InvalidAnswerError(f"the answer to '{answer.question}' is filed under '{question}'")

    @classmethod
    def of(cls, *answers: Answer, fingerprint: str) -> Self:
        """Return answers filed under their own questions."""
        return cls(by_question={answer.question: answer for answer in answers}, fingerprint=fingerprint)

    def __getitem__(self, question: str) -> Answer:
        return self.by_question[question]

    def scores(self) -> dict[str, float]:
        """Return question → score of the ordinal questions."""
        return {name: a.score for name, a in self.by_question.items() if a.score is not None}

    def to_document(self) -> dict[str, Any]:
        """Return question → stored form; the fingerprint is stored beside it, not in it."""
        return {name: answer.to_document() for name, answer in self.by_question.items()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any], *, fingerprint: str) -> Self:
        """Return the answers that `to_document` wrote.

        Raises:
            InvalidAnswerError: the document is not one of ours.
        """
        answers = {name: Answer.from_document(name, plain) for name, plain in document.items()}
        return cls(by_question=answers, fingerprint=fingerprint)


def _require_distribution(question: str, probabilities: Mapping[str, float]) -> None:
    if len(probabilities) < 2:  # noqa: PLR2004 - one label leaves nothing to answer
        raise InvalidAnswerError(f"'{question}' needs at least two labels, got {len(probabilities)}")
    for label, p in probabilities.items():
        if not (isfinite(p) and 0 <= p <= 1 + _SUM_TOLERANCE):
            raise InvalidAnswerError(f"probability of {label} in '{question}' is {p}; it must be in 0..1")
    total = fsum(probabilities.values())
    if abs(total - 1) > _SUM_TOLERANCE:
        raise InvalidAnswerError(f"probabilities of '{question}' sum to {total:.6f}; they must sum to 1")


def _rounded(value: float) -> float:
    return round(value * _UNITS) / _UNITS


def _rounded_to_one(probabilities: Mapping[str, float]) -> dict[str, float]:
    """Return the probabilities in whole units that sum to exactly one, by the largest remainders."""
    total = fsum(probabilities.values())
    exact = {label: p / total * _UNITS for label, p in probabilities.items()}
    units = {label: int(amount + 1e-9) for label, amount in exact.items()}  # 0.29 of 1e4 is 2899.99…
    lost = _UNITS - sum(units.values())
    for label in sorted(exact, key=lambda name: units[name] - exact[name])[:lost]:
        units[label] += 1
    return {label: amount / _UNITS for label, amount in units.items()}
