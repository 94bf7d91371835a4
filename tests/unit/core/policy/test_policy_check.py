"""The type check: a rule that passes can't fail when an image is judged."""

import pytest

from parjanya_dagster.core.policy.check import complaints_about, facts_in
from parjanya_dagster.core.policy.facts import FactType, Kind
from parjanya_dagster.core.policy.grammar import parse_expression

TYPES = {
    "sharpness": FactType(kind=Kind.NUMBER, meaning="how sharp"),
    "noise": FactType(kind=Kind.NUMBER, meaning="how noisy"),
    "camera": FactType(kind=Kind.TEXT, meaning="which camera"),
    "kind": FactType(kind=Kind.TEXT, meaning="what it is", values=("photo", "screenshot")),
    "other_kind": FactType(kind=Kind.TEXT, meaning="what else", values=("dog", "cat")),
    "is_fresh": FactType(kind=Kind.TRUTH, meaning="uploaded today"),
}


@pytest.mark.parametrize(
    "text",
    [
        "sharpness < 0.2 AND NOT is_fresh",
        "sharpness / noise BETWEEN 1 AND 2 OR is_fresh = TRUE",
        "kind IN ('photo', 'screenshot') AND camera <> 'X'",
        "COALESCE(sharpness, noise, 0) >= 0.5 AND camera IS NOT NULL",
        "'photo' = kind OR kind = camera OR kind = other_kind",
        "COALESCE(kind, 'photo') = 'photo'",
    ],
)
def test_well_typed_rule_has_no_complaints(text: str) -> None:
    """Everything that the language offers is usable with the kinds it is for."""
    assert complaints_about(parse_expression(text), TYPES) == ()


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("sharpnes < 0.2", 0, "unknown fact 'sharpnes', did you mean 'sharpness'?"),
        ("zzz < 0.2", 0, "unknown fact 'zzz'"),
        ("sharpness < 'low'", 12, "'<' takes a number, this is a text"),
        ("camera > 1", 0, "'>' takes a number, this is a text"),
        ("sharpness", 0, "a rule takes a truth value, this is a number"),
        ("NOT camera", 4, "NOT takes a truth value, this is a text"),
        ("is_fresh AND 1", 13, "AND takes a truth value, this is a number"),
        ("is_fresh + 1 > 0", 0, "'+' takes a number, this is a truth value"),
        ("camera BETWEEN 1 AND 2", 0, "BETWEEN takes a number, this is a text"),
        ("camera = 3", 9, "a text and a number have nothing in common"),
        ("camera IN ('A', 3)", 16, "a text and a number have nothing in common"),
        ("COALESCE(camera, 1) = 'A'", 17, "a text and a number have nothing in common"),
        ("kind = 'screnshot'", 7, "the fact never holds 'screnshot', did you mean 'screenshot'?"),
        ("kind IN ('photo', 'x')", 18, "the fact never holds 'x'; it holds one of photo, screenshot"),
        ("sharpnes IS NULL", 0, "unknown fact 'sharpnes', did you mean 'sharpness'?"),
        ("sharpnes = 1", 0, "unknown fact 'sharpnes', did you mean 'sharpness'?"),
    ],
)
def test_ill_typed_rule_is_told_what_and_where(text: str, at: int, message: str) -> None:
    """A slip is found when the policy is written, not when the first image of that kind comes."""
    (complaint,) = complaints_about(parse_expression(text), TYPES)

    assert complaint.at == at
    assert complaint.message == message


def test_rule_with_several_slips_is_told_all_of_them_in_reading_order() -> None:
    """One round of corrections is enough."""
    found = complaints_about(parse_expression("nois > 1 AND camera > 2 OR zzz"), TYPES)

    assert [complaint.at for complaint in found] == [0, 13, 27]


def test_facts_in_an_expression_are_all_it_reads() -> None:
    """Only the facts that are read are fetched."""
    assert facts_in(parse_expression("sharpness < 1 AND COALESCE(noise, 2) = 2")) == {"sharpness", "noise"}
