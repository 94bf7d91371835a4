"""Deciding again: the answers in force, judged under the policy in force. No GPU, no job."""

from collections.abc import Sequence
from dataclasses import dataclass

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import PolicyInForce
from parjanya_dagster.control.selection import result_in_force
from parjanya_dagster.core.policy.decide import CompiledPolicy
from parjanya_dagster.core.policy.facts import FactValue, facts_of
from parjanya_dagster.core.reconcile.replay import Refusal, answers_count
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.result import Result
from parjanya_dagster.core.truth.row import Decision, ImageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Redecision:
    """What the policy in force makes of the answers in force."""

    result: Result
    decision: Decision


def redecisions(platform: Platform, rows: Sequence[ImageRow]) -> dict[ImageKey, Redecision | Refusal]:
    """Return the new decision about each row, or why its answers cannot be judged.

    Raises:
        ConfigError: no policy is published.
    """
    compiled = PolicyInForce(platform).current()
    found: dict[ImageKey, Redecision | Refusal] = {}
    judged: list[tuple[ImageKey, Result]] = []
    facts: list[dict[str, FactValue]] = []
    for row in rows:
        result = result_in_force(platform, row)
        if result is None or not _counts(result, compiled):
            found[row.key] = Refusal.NO_ANSWERS if result is None else Refusal.OTHER_QUESTIONS
            continue
        judged.append((row.key, result))
        facts.append(_facts(platform, row, result))
    decisions = compiled.decide_many(facts)
    for (key, result), decision in zip(judged, decisions, strict=True):
        found[key] = Redecision(result=result, decision=decision)
    return found


def _counts(result: Result, compiled: CompiledPolicy) -> bool:
    policy = compiled.policy
    return answers_count(
        result,
        questions=[question.name for question in policy.questions],
        prompt_pack=policy.prompt_pack,
        fingerprints=policy.accepted_fingerprints,
    )


def _facts(platform: Platform, row: ImageRow, result: Result) -> dict[str, FactValue]:
    measured = platform.images.facts(row.key)
    return facts_of(
        tenant=row.key.tenant_id,
        priority=row.priority,
        answers=result.answers,
        technical=measured.technical if measured else None,
        exif=measured.exif if measured else None,
        fingerprint=result.fingerprint,
    )
