"""Policy documents: immutable, canonical, and wrong only with every fault named."""

import json

import pytest
from pydantic import ValidationError

from parjanya_dagster.core.policy.document import MAX_RULES, InvalidPolicyError, load_policy
from parjanya_dagster.core.truth.row import Verdict
from parjanya_dagster.policies.shipped import shipped_policy
from tests.policy_builders import a_document, a_policy, a_rule


def faults_of(text: str) -> list[str]:
    """Return the faults of a document as people read them."""
    with pytest.raises(InvalidPolicyError) as caught:
        load_policy(text)
    return [str(fault) for fault in caught.value.faults]


def test_canonical_text_of_a_policy_loads_as_the_same_policy() -> None:
    """What is stored is the document, whatever it was written in."""
    policy = a_policy(a_rule("score_sharpness < 0.2"))

    again = load_policy(policy.canonical)

    assert again == policy
    assert again.digest == policy.digest
    assert json.loads(policy.canonical)["created"] == "2026-03-01T12:00:00Z"


def test_digest_differs_when_a_threshold_does() -> None:
    """Two policies under one name are told apart."""
    assert (
        a_policy(a_rule("score_sharpness < 0.2")).digest != a_policy(a_rule("score_sharpness < 0.3")).digest
    )


def test_policy_once_loaded_can_not_be_changed() -> None:
    """A decision names a version, so a version must stay what it was."""
    with pytest.raises(ValidationError, match="frozen"):
        a_policy().title = "Another"  # type: ignore[misc] # the point of the test


def test_rules_keep_their_order_and_types() -> None:
    """The first that is true decides, so order is meaning."""
    policy = a_policy(a_rule("iso > 1", rule_id="b"), a_rule("iso > 2", "review", rule_id="a"))

    assert [(rule.id, rule.verdict) for rule in policy.rules] == [
        ("b", Verdict.REJECT),
        ("a", Verdict.REVIEW),
    ]


def test_faults_in_the_structure_are_reported_together_by_rule() -> None:
    """A person corrects a document once, not once per fault."""
    broken = a_document(
        a_rule("iso > 1", "maybe", rule_id="unsure"),
        '[[rules]]\nid = "no-when"\nverdict = "accept"\nreason_code = "x"\nscore = 1\n',
        '[[rules]]\nwhen = "iso > 1"\nverdict = "accept"\nreason_code = "x"\n',
    ).replace('version = "test-1"', 'version = "Test 1"')

    faults = faults_of(broken)

    assert faults[0].startswith("document: version: String should match pattern")
    assert faults[1].startswith("rule 1 'unsure': verdict: Input should be 'accept', 'reject' or 'review'")
    assert [fault.split(":")[1].strip() for fault in faults if "no-when" in fault] == ["id", "when", "score"]
    assert faults[-1].startswith("rule 3: id: Field required")


def test_rule_that_is_no_table_is_named_by_its_place() -> None:
    """Even nonsense has a position."""
    document = json.loads(a_policy().canonical) | {"rules": ["score_sharpness < 1"]}

    assert faults_of(json.dumps(document))[0].startswith("rule 1: Input should be a valid dictionary")


def test_faults_in_the_meaning_are_reported_together_with_their_column() -> None:
    """Unknown facts, wrong types and bad syntax of all rules come in one answer."""
    faults = faults_of(
        a_document(
            a_rule("score_sharpnes < 0.2", rule_id="typo"),
            a_rule("iso > 1 AND", rule_id="cut"),
            a_rule("tenant > 3", rule_id="kinds"),
            a_rule("1 = 1", rule_id="always"),
        ),
    )

    assert faults == [
        "rule 1 'typo', column 1: unknown fact 'score_sharpnes', did you mean 'score_sharpness'?",
        "rule 2 'cut', column 12: expected a fact, a number, a 'text' or '(', found the end",
        "rule 3 'kinds', column 1: '>' takes a number, this is a text",
        "rule 4 'always', column 1: reads no fact, so it says the same of every image",
    ]


def test_names_used_twice_are_refused() -> None:
    """An id, a question or a fact must mean one thing."""
    rules = (a_rule("iso > 1"), a_rule("iso > 2"), a_rule("iso > 3", rule_id="text_guard"))
    document = a_document(*rules).replace(
        '{ name = "photograph", labels = ["yes", "no"] }',
        '{ name = "photograph", labels = ["yes", "yes"] },\n'
        '  { name = "photograph", labels = ["a", "no"] },\n'
        '  { name = "q", labels = ["a_b", "c"] },\n  { name = "q_a", labels = ["b", "c"] }',
    )

    assert faults_of(document) == [
        "document: rule id 'first' is used more than once",
        "document: rule id 'text_guard' is used more than once",
        "document: question 'photograph' is used more than once",
        "document: label of photograph 'yes' is used more than once",
        "document: fact 'p_q_a_b' is used more than once",
    ]


def test_policy_that_does_not_ask_for_text_is_refused() -> None:
    """Text in an image may talk a model into accepting it: the guard can't be forgotten."""
    document = a_document().replace('{ name = "text_heavy", labels = ["yes", "no"] },', "")

    assert "questions must include 'text_heavy'" in faults_of(document)[0]


def test_more_rules_than_fit_are_refused() -> None:
    """The limit is stated before it is hit at midnight."""
    rules = [a_rule("iso > 1", rule_id=f"r{index}") for index in range(MAX_RULES + 1)]

    assert "at most 60 items" in faults_of(a_document(*rules))[0]


@pytest.mark.parametrize("text", ["version = ", '{"version": ', "{" * 3, '{"a":' + "[" * 200_000])
def test_text_that_is_neither_toml_nor_json_is_refused(text: str) -> None:
    """A truncated upload is a fault of the document, not a traceback."""
    assert faults_of(text)[0].startswith("document: not TOML or JSON: ")


def test_error_for_people_counts_and_lists_the_faults() -> None:
    """What the command prints."""
    with pytest.raises(
        InvalidPolicyError, match=r"the policy has 1 fault\(s\):\n  rule 1 'first', column 1: "
    ):
        a_policy(a_rule("zzz > 1"))


def test_shipped_policy_is_valid_and_explains_each_rule() -> None:
    """A clean installation judges from its first photo."""
    policy = shipped_policy()

    assert policy.version == "2026-11-house"
    assert all(rule.why for rule in policy.rules)
