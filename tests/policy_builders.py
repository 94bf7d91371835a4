"""Builders of policies: valid documents with defaults, so that a test states only what matters to it."""

from typing import Any

from parjanya_dagster.core.policy.decide import CompiledPolicy, compile_policy
from parjanya_dagster.core.policy.document import Policy, load_policy
from parjanya_dagster.core.policy.facts import FactValue

DOCUMENT = """
version = "test-1"
title = "For tests"
created = 2026-03-01T13:00:00+01:00
prompt_pack = "test-pack"
questions = [
  {{ name = "photograph", labels = ["yes", "no"] }},
  {{ name = "text_heavy", labels = ["yes", "no"] }},
  {{ name = "sharpness", labels = ["bad", "good"], ordinal = true }},
]
{top}
{rules}
[otherwise]
verdict = "{otherwise}"
reason_code = "no_rule"
"""


def a_rule(when: str, verdict: str = "reject", *, rule_id: str = "first", reason: str | None = None) -> str:
    """Return one rule's part of a document; its reason code is its id unless given."""
    return (
        f'[[rules]]\nid = "{rule_id}"\nwhen = """{when}"""\nverdict = "{verdict}"\n'
        f'reason_code = "{reason or rule_id}"\n'
    )


def a_document(*rules: str, otherwise: str = "accept", top: str = "") -> str:
    """Return a TOML document; `top` is more of its top level."""
    return DOCUMENT.format(rules="\n".join(rules), otherwise=otherwise, top=top)


def a_policy(*rules: str, **parts: Any) -> Policy:  # noqa: ANN401 - any part of a document
    """Return a loaded policy."""
    return load_policy(a_document(*rules, **parts))


def a_compiled(*rules: str, **parts: Any) -> CompiledPolicy:  # noqa: ANN401 - any part of a document
    """Return a policy ready to judge."""
    return compile_policy(a_policy(*rules, **parts))


def some_answers(**facts: FactValue) -> dict[str, FactValue]:
    """Return the facts of a sharp photograph without text, but for those named."""
    sound: dict[str, FactValue] = {
        "p_photograph_yes": 0.9,
        "p_text_heavy_yes": 0.1,
        "p_sharpness_bad": 0.1,
        "score_sharpness": 0.9,
    }
    return sound | facts
