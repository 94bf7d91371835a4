"""A policy document: the questions it needs and the ordered rules that judge their answers.

A version is immutable and says by itself what every name in it means, so that a decision can be
explained and repeated years later. People write TOML; what is stored and hashed is canonical JSON.
"""

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError

from parjanya_dagster.core.errors import ConfigError, ParjanyaError
from parjanya_dagster.core.policy.calibration import Calibration
from parjanya_dagster.core.policy.check import complaints_about, facts_in
from parjanya_dagster.core.policy.facts import FactType, QuestionShape, fact_types
from parjanya_dagster.core.policy.grammar import RuleSyntaxError, parse_expression
from parjanya_dagster.core.policy.parts import Name, PackId, Part, Utc
from parjanya_dagster.core.truth.row import Verdict

MAX_RULES: Final = 60
"""Matched rules travel as bits of one 64-bit number, with the text guard above them."""

TEXT_QUESTION: Final = "text_heavy"
TEXT_GUARD_ID: Final = "text_guard"

_Version = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,39}$")]
_Text = Annotated[str, Field(min_length=1, max_length=400)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong with a policy document.

    Args:
        where: the part of the document, e.g. `rule 3 'blurred'`.
        message: what is wrong and, where it can be known, what was meant.
        column: 1-based position in the rule's expression; None for faults outside one.
    """

    where: str
    message: str
    column: int | None = None

    def __str__(self) -> str:
        place = self.where if self.column is None else f"{self.where}, column {self.column}"
        return f"{place}: {self.message}"


class InvalidPolicyError(ParjanyaError):
    """A document that can't be a policy; it names every fault that could be found."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        lines = "".join(f"\n  {fault}" for fault in faults)
        super().__init__(f"the policy has {len(faults)} fault(s):{lines}")
        self.faults = faults


class Question(Part):
    """A question of the prompt pack that the policy needs answered.

    Args:
        labels: the options it may be answered with, in the pack's order.
        ordinal: the labels have values, so the answer has a score in 0..1.
    """

    name: Name
    labels: Annotated[tuple[Name, ...], Field(min_length=2, strict=False)]
    ordinal: bool = False


class Rule(Part):
    """One rule: a boolean expression over facts, and what follows when it is true.

    Args:
        when: SQL boolean expression; see docs/policies.md for the language.
        reason_code: what people and scripts see beside the verdict.
        why: the reasoning behind the rule and its thresholds.
    """

    id: Name
    when: Annotated[str, Field(min_length=1, max_length=4000)]
    verdict: Annotated[Verdict, Field(strict=False)]
    reason_code: Name
    why: _Text | None = None


class Otherwise(Part):
    """What follows when no rule is true."""

    verdict: Annotated[Verdict, Field(strict=False)]
    reason_code: Name


class Policy(Part):
    """One version of a policy; load it with `load_policy`, which also checks what its rules mean.

    Args:
        version: unique name of this version, e.g. `2026-11-house`.
        prompt_pack: id of the pack whose answers it judges.
        fingerprints: answers produced by another fingerprint must be asked again; empty accepts any.
        review_text_heavy_from: probability in (0, 1) that an image is text-heavy from which an accept
            becomes a review. Text in an image may try to talk a model into accepting it, so every
            policy has this guard and asks the question `text_heavy`.
        calibration: how raw answers are corrected before rules read them. A document names it; the policy
            carries the whole, so that its history can't change with a file. It accepts answers of the
            calibration's fingerprint alone.
        rules: the first that is true gives the verdict.
    """

    version: _Version
    title: _Text
    created: Utc
    prompt_pack: PackId
    fingerprints: Annotated[tuple[str, ...], Field(strict=False)] = ()
    review_text_heavy_from: Annotated[float, Field(gt=0, lt=1)] = 0.5
    questions: Annotated[tuple[Question, ...], Field(min_length=1, strict=False)]
    rules: Annotated[tuple[Rule, ...], Field(max_length=MAX_RULES, strict=False)] = ()
    otherwise: Otherwise
    # Absent, not null, without one: the digests of versions from before there were any must stay.
    calibration: Annotated[Calibration | None, Field(exclude_if=lambda value: value is None)] = None

    @property
    def accepted_fingerprints(self) -> tuple[str, ...]:
        """Answers of another fingerprint must be asked again; empty accepts any."""
        return self.fingerprints if self.calibration is None else (self.calibration.fingerprint,)

    @property
    def canonical(self) -> str:
        """The one JSON text of this version: sorted keys, no blanks, times in UTC."""
        plain = self.model_dump(mode="json")
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical text, lower-case hex."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def fact_types(self) -> dict[str, FactType]:
        """Every fact its rules may read."""
        return fact_types(
            QuestionShape(name=question.name, labels=question.labels, is_ordinal=question.ordinal)
            for question in self.questions
        )


def load_policy(text: str, *, calibrations: Callable[[str], Calibration] | None = None) -> Policy:
    """Return the policy that a document describes, checked to the last name in its last rule.

    Args:
        text: TOML as people write it, or JSON as `Policy.canonical` stores it.
        calibrations: returns the calibration of a name, or raises ConfigError; needed if the text names one.

    Raises:
        InvalidPolicyError: with every fault, by rule and position.
    """
    raw = _with_calibration(_parsed(text), calibrations)
    try:
        policy = Policy.model_validate(raw)
    except ValidationError as error:
        raise InvalidPolicyError(tuple(_structural_faults(error, raw))) from None
    faults = (
        *_name_faults(policy),
        *_guard_faults(policy),
        *_calibration_faults(policy),
        *_rule_faults(policy),
    )
    if faults:
        raise InvalidPolicyError(faults)
    return policy


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        return json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InvalidPolicyError((Fault(where="document", message=f"not TOML or JSON: {error}"),)) from None


def _with_calibration(
    raw: Mapping[str, Any], calibrations: Callable[[str], Calibration] | None
) -> Mapping[str, Any]:
    name = raw.get("calibration")
    if not isinstance(name, str):
        return raw
    if calibrations is None:
        fault = (
            f"'{name}' is a name, and there is nothing here to look it up in: put in the whole calibration"
        )
        raise InvalidPolicyError((Fault(where="calibration", message=fault),))
    try:
        return {**raw, "calibration": calibrations(name).model_dump()}
    except ConfigError as error:
        raise InvalidPolicyError((Fault(where="calibration", message=str(error)),)) from None


def _structural_faults(error: ValidationError, raw: Mapping[str, Any]) -> Iterator[Fault]:
    for fault in error.errors(include_url=False):
        match fault["loc"]:
            case ("rules", int(index), *rest):
                where = _rule_name(index, raw["rules"][index])
                yield Fault(where=where, message=_field_message(rest, fault["msg"]))
            case loc:
                yield Fault(where="document", message=_field_message(loc, fault["msg"]))


def _field_message(loc: tuple[int | str, ...] | list[int | str], message: str) -> str:
    return f"{'.'.join(str(part) for part in loc)}: {message}" if loc else message


def _rule_name(index: int, rule: object) -> str:
    rule_id = rule.get("id") if isinstance(rule, Mapping) else getattr(rule, "id", None)
    return f"rule {index + 1} '{rule_id}'" if rule_id else f"rule {index + 1}"


def _name_faults(policy: Policy) -> Iterator[Fault]:
    yield from _repeated("rule id", [rule.id for rule in policy.rules] + [TEXT_GUARD_ID])
    yield from _repeated("question", [question.name for question in policy.questions])
    for question in policy.questions:
        yield from _repeated(f"label of {question.name}", list(question.labels))
    pairs = {(question.name, label) for question in policy.questions for label in question.labels}
    yield from _repeated("fact", [f"p_{name}_{label}" for name, label in pairs])


def _repeated(what: str, names: list[str]) -> Iterator[Fault]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Fault(where="document", message=f"{what} '{name}' is used more than once")


def _guard_faults(policy: Policy) -> Iterator[Fault]:
    if not any(question.name == TEXT_QUESTION and "yes" in question.labels for question in policy.questions):
        yield Fault(
            where="document",
            message=f"questions must include '{TEXT_QUESTION}' with a label 'yes': an image full of text "
            "that would be accepted is shown to a person instead",
        )


def _calibration_faults(policy: Policy) -> Iterator[Fault]:
    calibration = policy.calibration
    if calibration is None:
        return
    if calibration.prompt_pack != policy.prompt_pack:
        message = (
            f"{calibration.id} was made for the pack '{calibration.prompt_pack}', not '{policy.prompt_pack}'"
        )
        yield Fault(where="calibration", message=message)
    if policy.fingerprints not in ((), policy.accepted_fingerprints):
        message = (
            f"{calibration.id} holds for answers of {calibration.fingerprint} alone: leave fingerprints out"
        )
        yield Fault(where="calibration", message=message)
    asked = {question.name: question for question in policy.questions}
    for each in calibration.questions:
        question = asked.get(each.question)
        if question and (question.labels != each.labels or question.ordinal != (each.values is not None)):
            message = f"{calibration.id} knows '{each.question}' with the labels {', '.join(each.labels)}"
            yield Fault(where="calibration", message=message)


def _rule_faults(policy: Policy) -> Iterator[Fault]:
    types = policy.fact_types
    for index, rule in enumerate(policy.rules):
        where = _rule_name(index, rule)
        try:
            tree = parse_expression(rule.when)
        except RuleSyntaxError as error:
            yield Fault(where=where, message=error.message, column=error.at + 1)
            continue
        for complaint in complaints_about(tree, types):
            yield Fault(where=where, message=complaint.message, column=complaint.at + 1)
        if not facts_in(tree):
            yield Fault(where=where, message="reads no fact, so it says the same of every image", column=1)
