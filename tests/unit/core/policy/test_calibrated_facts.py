"""Calibrated facts: what rules read where a policy names a calibration."""

import math

import polars as pl
import pytest

from parjanya_dagster.core.policy.calibrated_facts import calibrated_facts
from parjanya_dagster.core.policy.calibration import QuestionCalibration
from parjanya_dagster.core.policy.decide import CompiledPolicy, compile_policy
from parjanya_dagster.core.policy.document import load_policy
from parjanya_dagster.core.truth.row import Verdict
from tests.calibration_builders import FINGERPRINT, LINEAR, a_calibration, ordinal, yes_no
from tests.policy_builders import a_document, a_rule, some_answers

HALF = math.log(0.5)


def corrected(question: QuestionCalibration, wanted: str, **facts: object) -> object:
    """Return one fact of one image as the calibration corrects it."""
    columns: dict[str, list[object]] = {"answered_fingerprint": [FINGERPRINT]}
    frame = pl.DataFrame(columns | {name: [value] for name, value in facts.items()}, strict=False)
    facts = calibrated_facts([question], {wanted}, fingerprint=FINGERPRINT)
    value: object = facts.of(frame.lazy()).collect()[wanted][0]
    return value


def a_calibrated(*rules: str, question: QuestionCalibration, otherwise: str = "accept") -> CompiledPolicy:
    """Return a compiled policy that reads its facts through a calibration."""
    text = a_document(*rules, otherwise=otherwise, top='calibration = "test-1"')
    return compile_policy(load_policy(text, calibrations=lambda _: a_calibration(question)))


def test_prior_of_blank_images_is_taken_off() -> None:
    """A model that says yes to nine blank images in ten says nothing by another yes of nine in ten."""
    question = yes_no(prior=(math.log(0.9), math.log(0.1)))

    assert corrected(
        question, "p_photograph_yes", p_photograph_yes=0.9, p_photograph_no=0.1
    ) == pytest.approx(0.5)
    assert corrected(question, "p_photograph_no", p_photograph_yes=0.5, p_photograph_no=0.5) == pytest.approx(
        0.9
    )


def test_line_moves_log_odds() -> None:
    """Platt's map, as it is written in books."""
    question = yes_no(line=(2.0, 0.5))
    expected = 1 / (1 + math.exp(-(2 * math.log(0.7 / 0.3) + 0.5)))

    assert corrected(
        question, "p_photograph_yes", p_photograph_yes=0.7, p_photograph_no=0.3
    ) == pytest.approx(expected)


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_line_leaves_certainty_certain(certain: float) -> None:
    """Stored answers are rounded to 0 and 1, where log odds do not exist."""
    answer = {"p_photograph_yes": certain, "p_photograph_no": 1 - certain}

    assert corrected(yes_no(line=(2.0, 0.5)), "p_photograph_yes", **answer) == certain


@pytest.mark.parametrize(("score", "becomes"), [(0.0, 0.1), (0.2, 0.1), (0.45, 0.5), (0.7, 0.9), (1.0, 0.9)])
def test_score_goes_straight_between_knots_and_level_beyond(score: float, becomes: float) -> None:
    """Nothing is known beyond what was labelled, so nothing is extrapolated."""
    question = ordinal(knots=[(0.2, 0.1), (0.7, 0.9)])
    answer = {"score_sharpness": score, "p_sharpness_bad": 0.5, "p_sharpness_good": 0.5}

    assert corrected(question, "score_sharpness", **answer) == pytest.approx(becomes)


def test_score_follows_its_probabilities_when_the_prior_is_taken_off() -> None:
    """Score and probabilities of one question tell one story."""
    question = ordinal(
        prior=(math.log(0.2), math.log(0.4), math.log(0.4)),
        labels=("bad", "fair", "good"),
        values=(0.0, 0.5, 1.0),
    )
    answer = {"p_sharpness_bad": 0.2, "p_sharpness_fair": 0.4, "p_sharpness_good": 0.4}

    assert corrected(question, "score_sharpness", score_sharpness=0.6, **answer) == pytest.approx(0.5)
    assert corrected(question, "p_sharpness_good", score_sharpness=0.6, **answer) == pytest.approx(1 / 3)


def test_likeliest_label_is_that_of_the_corrected_answer() -> None:
    """What `top_…` says follows what `p_…` says; of equals the first."""
    question = yes_no(prior=(math.log(0.8), math.log(0.2)))

    assert corrected(question, "top_photograph", p_photograph_yes=0.7, p_photograph_no=0.3) == "no"
    assert (
        corrected(yes_no(prior=(HALF, HALF)), "top_photograph", p_photograph_yes=0.5, p_photograph_no=0.5)
        == "yes"
    )


@pytest.mark.parametrize("wanted", ["p_photograph_yes", "top_photograph"])
def test_answers_of_another_fingerprint_are_absent(wanted: str) -> None:
    """What another engine's answers are worth is unknown, and no rule fires on the unknown."""
    answer = {"p_photograph_yes": 0.7, "p_photograph_no": 0.3, "top_photograph": "yes"}

    assert corrected(yes_no(), wanted, **answer) is not None
    assert corrected(yes_no(), wanted, **answer, answered_fingerprint="other") is None
    assert corrected(yes_no(), wanted, **answer, answered_fingerprint=None) is None


def test_facts_that_no_rule_reads_are_not_computed() -> None:
    """A million rows pay for what is read."""
    both = (yes_no(), ordinal(knots=LINEAR))

    assert calibrated_facts(both, {"width", "label_mass"}, fingerprint=FINGERPRINT).stages == ()
    assert calibrated_facts(both, {"score_sharpness"}, fingerprint=FINGERPRINT).reads == {
        *("answered_fingerprint", "score_sharpness", "p_sharpness_bad", "p_sharpness_good")
    }


def test_a_score_of_a_question_without_values_stays_absent() -> None:
    """A yes/no question has no score, calibrated or not."""
    assert corrected(yes_no(), "p_photograph_yes", p_photograph_yes=0.7, p_photograph_no=0.3) == 0.7
    wanted = {"score_photograph"}
    assert wanted.isdisjoint(calibrated_facts([yes_no()], wanted, fingerprint=FINGERPRINT).reads)


def test_rules_read_calibrated_facts() -> None:
    """The same answer, on the other side of the same threshold."""
    rule = a_rule("p_photograph_yes < 0.5")
    judged = a_calibrated(rule, question=yes_no(line=(1.0, -3.0)))
    facts = some_answers(p_photograph_yes=0.9, p_photograph_no=0.1)

    assert judged.decide_one(facts | {"answered_fingerprint": FINGERPRINT}).verdict is Verdict.REJECT
    assert judged.decide_one(facts).verdict is Verdict.ACCEPT  # of an unknown fingerprint: no rule fires


def test_text_guard_does_not_take_a_void_answer_for_an_all_clear() -> None:
    """An engine that was swapped must not become a way past the guard."""
    judged = a_calibrated(question=yes_no("text_heavy", line=(1.0, 0.0)))
    facts = some_answers(p_text_heavy_yes=0.1, p_text_heavy_no=0.9)

    assert judged.decide_one(facts | {"answered_fingerprint": FINGERPRINT}).verdict is Verdict.ACCEPT
    assert judged.decide_one(facts | {"answered_fingerprint": "other"}).verdict is Verdict.REVIEW
