"""Decisions: a policy version applied to facts, one image or a million by the same expressions.

Every rule that is true sets one bit of a number per image. The bits are few distinct numbers over many
images, so what they mean (verdict, reasons, rule ids) is worked out once per number and joined back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from parjanya_dagster.core.policy.calibrated_facts import CalibratedFacts, calibrated_facts
from parjanya_dagster.core.policy.document import TEXT_GUARD_ID, TEXT_QUESTION, Policy
from parjanya_dagster.core.policy.facts import ANSWERED_FINGERPRINT, FactType, FactValue, Kind
from parjanya_dagster.core.policy.rules import DTYPES, clean_fact, compile_rule
from parjanya_dagster.core.truth.row import Decision, Verdict

VERDICTS = pl.Enum([verdict.value for verdict in Verdict])
_TEXT_FACT = f"p_{TEXT_QUESTION}_yes"
_MATCHED = "matched_bits"
_FINGERPRINT = FactType(kind=Kind.TEXT, meaning="what produced the answers")
_MEANING = pl.Schema(
    {
        _MATCHED: pl.UInt64(),
        "verdict": VERDICTS,
        "reason_codes": pl.List(pl.String()),
        "matched_rules": pl.List(pl.String()),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What one combination of true rules leads to.

    Args:
        decision: as it is written to the image row.
        matched_rules: ids of all rules that were true, in order; `text_guard` last if it changed the verdict.
    """

    decision: Decision
    matched_rules: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CompiledPolicy:
    """A policy ready to judge; build it once with `compile_policy` and keep it."""

    policy: Policy
    facts: Mapping[str, FactType]
    """The facts that its rules really read, and those that these are calibrated from."""
    matched_bits: pl.Expr
    """Bit i is set where rule i is true, and the bit after the last rule where the text guard is."""
    calibrated: CalibratedFacts = field(default_factory=CalibratedFacts)
    """How facts are corrected before rules read them; not at all where the policy names no calibration."""

    def decide(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return one row per row of `frame`, in its order.

        Args:
            frame: one column per fact; other columns are ignored, absent ones are NULL throughout.

        Returns:
            verdict (Enum), reason_codes (list of text), matched_rules (list of text), policy_version (text).
        """
        bits = self._bits_of(frame)
        return (
            bits.to_frame()
            .join(self._meanings_of(bits.unique()), on=_MATCHED, how="left", maintain_order="left")
            .drop(_MATCHED)
            .with_columns(policy_version=pl.lit(self.policy.version))
        )

    def decide_one(self, facts: Mapping[str, FactValue]) -> Decision:
        """Return the decision about one image."""
        return self.decide_many([facts])[0]

    def decide_many(self, batch: Sequence[Mapping[str, FactValue]]) -> tuple[Decision, ...]:
        """Return the decisions about a micro-batch, in its order."""
        return tuple(conclusion.decision for conclusion in self.conclude(batch))

    def conclude(self, batch: Sequence[Mapping[str, FactValue]]) -> tuple[Conclusion, ...]:
        """Return decisions with the rules behind them, in the order of `batch`."""
        columns = {name: [facts.get(name) for facts in batch] for name in self.facts}
        schema = {name: DTYPES[fact.kind] for name, fact in self.facts.items()}
        bits = self._bits_of(pl.DataFrame(columns, schema=schema))
        return tuple(self._conclusion(matched) for matched in bits)

    def _bits_of(self, frame: pl.DataFrame) -> pl.Series:
        present = frame.collect_schema()
        cleaned = [clean_fact(name, fact, is_present=name in present) for name, fact in self.facts.items()]
        matched = self.calibrated.of(frame.lazy().with_columns(cleaned)).select(self.matched_bits)
        # The plan is as good as it gets; optimising it again would be a third of the time of one decision.
        return matched.collect(optimizations=pl.QueryOptFlags.none()).to_series()

    def _meanings_of(self, distinct: pl.Series) -> pl.DataFrame:
        conclusions = [self._conclusion(matched) for matched in distinct]
        decisions = [conclusion.decision for conclusion in conclusions]
        return pl.DataFrame(
            {
                _MATCHED: distinct,
                "verdict": [decision.verdict.value for decision in decisions],
                "reason_codes": [decision.reason_codes for decision in decisions],
                "matched_rules": [conclusion.matched_rules for conclusion in conclusions],
            },
            schema=_MEANING,
        )

    def _conclusion(self, matched: int) -> Conclusion:
        rules = [rule for index, rule in enumerate(self.policy.rules) if matched >> index & 1]
        winner = rules[0] if rules else self.policy.otherwise
        verdict, reasons = winner.verdict, [winner.reason_code]
        ids = [rule.id for rule in rules]
        if verdict is Verdict.ACCEPT and matched >> len(self.policy.rules) & 1:
            verdict, reasons = Verdict.REVIEW, [TEXT_QUESTION]
            ids.append(TEXT_GUARD_ID)
        elif verdict is not Verdict.ACCEPT:
            reasons += [rule.reason_code for rule in rules if rule.verdict is not Verdict.ACCEPT]
        decision = Decision(
            verdict=verdict,
            reason_codes=tuple(dict.fromkeys(reasons)),
            policy_version=self.policy.version,
        )
        return Conclusion(decision=decision, matched_rules=tuple(ids))


def compile_policy(policy: Policy) -> CompiledPolicy:
    """Return `policy` ready to judge; takes milliseconds."""
    fired = [compile_rule(rule.when) for rule in policy.rules]
    fired.append(_text_guard(policy))
    read = {name for expression in fired for name in expression.meta.root_names()}
    calibrated = CalibratedFacts()
    if policy.calibration is not None:
        questions, fingerprint = policy.calibration.questions, policy.calibration.fingerprint
        calibrated = calibrated_facts(questions, read, fingerprint=fingerprint)
    types = policy.fact_types | {ANSWERED_FINGERPRINT: _FINGERPRINT}
    return CompiledPolicy(
        policy=policy,
        facts={name: types[name] for name in sorted(read | calibrated.reads)},
        matched_bits=pl.sum_horizontal(_bit(index, rule) for index, rule in enumerate(fired)).alias(_MATCHED),
        calibrated=calibrated,
    )


def _text_guard(policy: Policy) -> pl.Expr:
    """Whether an accept becomes a review; an answer that a calibration declares void is no all-clear."""
    guard = pl.col(_TEXT_FACT) >= policy.review_text_heavy_from
    return guard if policy.calibration is None else guard.fill_null(value=True)


def _bit(index: int, rule: pl.Expr) -> pl.Expr:
    """NULL takes the second branch: a rule about something unknown doesn't fire."""
    return pl.when(rule).then(pl.lit(1 << index, dtype=pl.UInt64)).otherwise(pl.lit(0, dtype=pl.UInt64))
