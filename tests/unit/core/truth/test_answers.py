"""Answers: distributions stay distributions, through arithmetic, storage and back."""

import json
from decimal import Decimal
from math import fsum, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.execution.fingerprint import FingerprintParts
from parjanya_dagster.core.truth.answers import Answer, Answers, InvalidAnswerError

RATING = {"bad": 0.0, "poor": 0.25, "fair": 0.5, "good": 0.75, "excellent": 1.0}
PARTS = {
    "weights": "w",
    "prompt_pack": "p",
    "decode_path": "d",
    "bucket": "b",
    "dtype": "t",
    "engine": "e",
    "hardware": "h",
}

distributions = (
    st.lists(st.floats(min_value=0, max_value=1), min_size=5, max_size=5)
    .filter(lambda weights: sum(weights) > 1e-3)
    .map(lambda weights: {label: w / fsum(weights) for label, w in zip(RATING, weights, strict=True)})
)


def test_score_and_spread_are_mean_and_deviation_of_the_label_values() -> None:
    """Half bad and half excellent is fair on average, and as uncertain as can be."""
    answer = Answer.from_probabilities("sharpness", {"bad": 0.5, "excellent": 0.5}, values=RATING)

    assert answer.score == pytest.approx(0.5)
    assert answer.spread == pytest.approx(0.5)


def test_answer_without_label_values_has_no_score() -> None:
    """Classes have no order, so nothing may average them."""
    answer = Answer.from_probabilities("photograph", {"yes": 0.8, "no": 0.2})

    assert (answer.score, answer.spread, answer.top) == (None, 0.0, "yes")


@given(distributions)
def test_stored_probabilities_sum_to_one_in_steps_of_a_ten_thousandth(
    probabilities: dict[str, float],
) -> None:
    """Rounding each label by itself would make sums of 0.9999 that nobody can explain."""
    stored = Answer.from_probabilities("noise", probabilities, values=RATING).to_document()

    steps = [round(p * 10_000) for p in stored["probabilities"].values()]
    assert sum(steps) == 10_000
    assert all(abs(stored["probabilities"][label] - p) <= 1.01e-4 for label, p in probabilities.items())


@given(distributions)
def test_stored_answer_read_back_is_stored_alike(probabilities: dict[str, float]) -> None:
    """Reading and writing Truth again changes no digit, by way of JSON or of DynamoDB's decimals."""
    document = Answer.from_probabilities("noise", probabilities, values=RATING, label_mass=0.9).to_document()

    by_json = Answer.from_document("noise", json.loads(json.dumps(document)))
    by_decimal = Answer.from_document("noise", json.loads(json.dumps(document), parse_float=Decimal))

    assert by_json.to_document() == document
    assert by_decimal.to_document() == document


@pytest.mark.parametrize(
    ("probabilities", "complaint"),
    [
        ({"yes": 0.5, "no": 0.6}, "sum to 1.1"),
        ({"yes": 1.0}, "at least two labels"),
        ({"yes": -0.1, "no": 1.1}, "must be in 0..1"),
        ({"yes": nan, "no": 0.5}, "must be in 0..1"),
    ],
)
def test_answer_that_is_no_distribution_is_refused_by_name(
    probabilities: dict[str, float], complaint: str
) -> None:
    """An engine's fault is seen where it happens, with the question named."""
    with pytest.raises(InvalidAnswerError, match=complaint) as caught:
        Answer.from_probabilities("photograph", probabilities)

    assert "photograph" in str(caught.value)


def test_answer_when_a_label_has_no_value_is_refused() -> None:
    """A label that the pack does not value cannot be averaged."""
    with pytest.raises(InvalidAnswerError, match="no value for superb"):
        Answer.from_probabilities("noise", {"bad": 0.5, "superb": 0.5}, values=RATING)


@pytest.mark.parametrize("number", ["score", "spread", "label_mass"])
def test_answer_when_a_number_is_out_of_range_is_refused(number: str) -> None:
    """Scores, spreads and masses are shares."""
    with pytest.raises(InvalidAnswerError, match=r"must be in 0\.\.1"):
        Answer(question="noise", probabilities={"bad": 0.5, "good": 0.5}, **{number: 1.5})


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"probabilities": [1, 2], "score": None, "spread": 0, "label_mass": 1},
        {"probabilities": {"a": "much", "b": 0}, "score": None, "spread": 0, "label_mass": 1},
        {"probabilities": {"a": 1, "b": 0}, "score": None, "spread": None, "label_mass": 1},
    ],
)
def test_stored_answer_that_is_malformed_is_refused_by_name(document: dict[str, object]) -> None:
    """A row from elsewhere does not become a verdict."""
    with pytest.raises(InvalidAnswerError, match="noise"):
        Answer.from_document("noise", document)


def test_answers_survive_storage_with_their_fingerprint() -> None:
    """What was stored is what is judged later."""
    answers = Answers.of(
        Answer.from_probabilities("photograph", {"yes": 0.75, "no": 0.25}),
        Answer.from_probabilities("noise", {"bad": 0.0, "excellent": 1.0}, values=RATING),
        fingerprint="f",
    )

    again = Answers.from_document(answers.to_document(), fingerprint="f")

    assert again == answers
    assert again["photograph"].probabilities["yes"] == 0.75
    assert again.scores() == {"noise": 1.0}


def test_answers_filed_under_another_question_are_refused() -> None:
    """Sharpness must not be read as exposure."""
    answer = Answer.from_probabilities("noise", {"bad": 0.5, "good": 0.5})

    with pytest.raises(InvalidAnswerError, match="filed under 'exposure'"):
        Answers(by_question={"exposure": answer}, fingerprint="f")


@pytest.mark.parametrize("part", sorted(PARTS))
def test_fingerprint_when_one_part_differs_differs(part: str) -> None:
    """Answers from two decode paths or two dtypes are never taken for each other."""
    ours = FingerprintParts(**PARTS)
    theirs = FingerprintParts(**{**PARTS, part: "other"})

    assert ours.digest != theirs.digest


def test_fingerprint_is_the_same_on_every_machine_for_ever() -> None:
    """Stored fingerprints must still match after an upgrade of everything else."""
    assert (
        FingerprintParts(**PARTS).digest == "b5021542015b2fb3446ccfaab13696cf66e6622f2b318032d6fe5ca4fb74e65b"
    )
