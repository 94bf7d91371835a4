"""Decisions: the first true rule, all reasons, and nothing accepted on text's own word."""

import polars as pl
import pytest

from parjanya_dagster.core.policy.decide import compile_policy
from parjanya_dagster.core.policy.facts import FactValue
from parjanya_dagster.core.truth.row import Decision, Verdict
from parjanya_dagster.policies.shipped import shipped_policy
from tests.policy_builders import a_compiled, a_rule, some_answers


def fires(when: str, **facts: FactValue) -> bool:
    """Say whether a rule is true of some facts."""
    decision = a_compiled(a_rule(when)).decide_one(some_answers(**facts))
    return decision.reason_codes == ("first",)


def test_first_true_rule_gives_the_verdict_and_all_objections_are_collected() -> None:
    """The photographer learns everything at once; an accepting rule is no objection."""
    compiled = a_compiled(
        a_rule("iso > 100", "review", rule_id="noisy"),
        a_rule("width > 10", "accept", rule_id="wide"),
        a_rule("width > 20", rule_id="too_wide"),
        a_rule("width > 1000", rule_id="far_too_wide"),
        a_rule("width > 30", rule_id="again", reason="noisy"),
    )

    (conclusion,) = compiled.conclude([some_answers(iso=200.0, width=50.0)])

    assert conclusion.decision == Decision(
        verdict=Verdict.REVIEW,
        reason_codes=("noisy", "too_wide"),
        policy_version="test-1",
    )
    assert conclusion.matched_rules == ("noisy", "wide", "too_wide", "again")


def test_accepting_rule_gives_its_own_reason_only() -> None:
    """Objections that came too late are not reasons to accept."""
    compiled = a_compiled(a_rule("iso > 1", "accept", rule_id="fine"), a_rule("iso > 2", rule_id="late"))

    assert compiled.decide_one(some_answers(iso=3.0)).reason_codes == ("fine",)


def test_no_true_rule_gives_the_default() -> None:
    """A policy always decides."""
    decision = a_compiled(otherwise="reject").decide_one(some_answers())

    assert (decision.verdict, decision.reason_codes) == (Verdict.REJECT, ("no_rule",))


@pytest.mark.parametrize("rules", [(), (a_rule("iso > 1", "accept"),)])
def test_text_heavy_image_that_would_be_accepted_becomes_review(rules: tuple[str, ...]) -> None:
    """Text may try to talk the model into accepting: by rule or by default, a person looks."""
    (conclusion,) = a_compiled(*rules).conclude([some_answers(iso=2.0, p_text_heavy_yes=0.5)])

    assert conclusion.decision.verdict is Verdict.REVIEW
    assert conclusion.decision.reason_codes == ("text_heavy",)
    assert conclusion.matched_rules[-1] == "text_guard"


def test_text_heavy_image_that_is_rejected_stays_rejected() -> None:
    """The guard only ever takes acceptance away."""
    (conclusion,) = a_compiled(a_rule("iso > 1")).conclude([some_answers(iso=2.0, p_text_heavy_yes=0.9)])

    assert conclusion.decision.verdict is Verdict.REJECT
    assert conclusion.matched_rules == ("first",)


def test_text_guard_threshold_is_the_document_s() -> None:
    """A house that photographs shop signs may raise it."""
    compiled = a_compiled(top="review_text_heavy_from = 0.8")

    assert compiled.decide_one(some_answers(p_text_heavy_yes=0.7)).verdict is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("iso = 2 AND iso <> 3 AND iso < 3 AND iso <= 2 AND iso > 1 AND iso >= 2", True),
        ("(iso + 1) * 2 - 2 = 4 AND iso / 4 = 0.5 AND -iso = -2", True),
        ("iso BETWEEN 2 AND 3 AND iso NOT BETWEEN 3 AND 4", True),
        ("iso IN (1, 2) AND tenant NOT IN ('x', 'y') AND has_gps = TRUE", True),
        ("iso = 3 OR has_gps", True),
        ("NOT has_gps", False),
        ("camera_make = 'NIKON'", False),
        ("camera_make <> 'NIKON'", False),
        ("NOT camera_make = 'NIKON'", False),
        ("camera_make NOT IN ('NIKON')", False),
        ("fnumber < 100 OR fnumber >= 100", False),
        ("fnumber IS NULL AND iso IS NOT NULL", True),
        ("COALESCE(fnumber, iso) = 2", True),
        ("fnumber > 1 OR has_gps", True),
        ("iso / 0 > 1 OR iso / 0 <= 1 OR 0 / 0 = 0", False),
        ("(iso / 0) IS NULL", True),
    ],
)
def test_rule_follows_sql_s_three_valued_logic(when: str, *, expected: bool) -> None:
    """NULL never fires a rule, and neither does its negation."""
    assert fires(when, iso=2.0, tenant="acme", has_gps=True, camera_make=None, fnumber=None) is expected


def test_frame_is_decided_in_its_order_whatever_its_columns_are() -> None:
    """Absent columns are NULL, NaN is NULL, integers are numbers, others are ignored."""
    compiled = a_compiled(a_rule("iso > 150 AND fnumber IS NULL", rule_id="noisy"), a_rule("width > 1"))
    frame = pl.DataFrame(
        {"iso": [100, 200, None], "width": [float("nan"), 5.0, 5.0], "note": ["a", "b", "c"]}
    )

    decided = compiled.decide(frame)

    assert decided.to_dict(as_series=False) == {
        "verdict": ["accept", "reject", "reject"],
        "reason_codes": [["no_rule"], ["noisy", "first"], ["first"]],
        "matched_rules": [[], ["noisy", "first"], ["first"]],
        "policy_version": ["test-1"] * 3,
    }


def test_empty_frame_and_empty_batch_are_decided() -> None:
    """A tenant without images is no special case."""
    compiled = a_compiled(a_rule("iso > 1"))

    assert compiled.decide(pl.DataFrame({"iso": []})).height == 0
    assert compiled.decide_many([]) == ()


@pytest.mark.parametrize(
    ("facts", "verdict", "reasons"),
    [
        ({}, Verdict.ACCEPT, ("sound_photograph",)),
        ({"p_photograph_yes": 0.1}, Verdict.REJECT, ("not_a_photograph",)),
        ({"p_photograph_yes": 0.5}, Verdict.REVIEW, ("photograph_uncertain",)),
        ({"score_sharpness": 0.05}, Verdict.REJECT, ("blurred",)),
        ({"score_exposure": 0.05, "native_luma_mean": 20.0}, Verdict.REJECT, ("underexposed",)),
        ({"score_exposure": 0.05, "native_luma_mean": 240.0}, Verdict.REJECT, ("overexposed",)),
        ({"p_text_heavy_yes": 0.95}, Verdict.REVIEW, ("text_heavy",)),
        ({"p_photograph_yes": None}, Verdict.REVIEW, ("not_judged",)),
        ({"width": 64.0}, Verdict.REJECT, ("too_small",)),
    ],
)
def test_house_policy_judges_as_its_reasons_say(
    facts: dict[str, FactValue],
    verdict: Verdict,
    reasons: tuple[str, ...],
) -> None:
    """The rules that everybody starts with do what their names promise."""
    sound = some_answers(
        score_exposure=0.7, score_noise=0.7, score_overall_quality=0.7, width=600.0, height=400.0
    )

    decision = compile_policy(shipped_policy()).decide_one(sound | facts)

    assert (decision.verdict, decision.reason_codes) == (verdict, reasons)
