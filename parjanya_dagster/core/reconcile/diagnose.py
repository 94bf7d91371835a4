"""Diagnosis: the runbook as a pure function over one reading of Truth and Belief.

Each symptom looks at the evidence by itself; then whatever another finding accounts for is left out. The
decision tree in docs/runbook.md is this function in pictures.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from parjanya_dagster.core.reconcile.evidence import Evidence, Patience
from parjanya_dagster.core.reconcile.findings import EXPLANATIONS, Finding, Kind
from parjanya_dagster.core.reconcile.symptoms_belief import blind, nobody_looks, plane_silent
from parjanya_dagster.core.reconcile.symptoms_execution import (
    boots_fail,
    model_missing,
    never_asked,
    never_came,
    no_progress,
    stuck_rows,
)
from parjanya_dagster.core.reconcile.symptoms_intent import (
    dead_letters,
    lost_intent,
    no_intent,
    quarantined,
    wrong_bucket,
)
from parjanya_dagster.core.reconcile.symptoms_truth import marker_missing, residue

Symptom = Callable[[Evidence, Patience, datetime], Finding | None]

SYMPTOMS: Final[Sequence[Symptom]] = (
    blind,
    nobody_looks,
    plane_silent,
    marker_missing,
    never_asked,
    no_intent,
    lost_intent,
    wrong_bucket,
    model_missing,
    boots_fail,
    never_came,
    no_progress,
    dead_letters,
    stuck_rows,
    quarantined,
    residue,
)
"""What is looked for; one per kind and named like it, in the order of a report."""


_OF_ONE_FLEET: Final = frozenset({never_asked, model_missing, boots_fail, never_came, no_progress})
"""Symptoms that are looked for in each fleet by itself: what one has does not show in another."""


def diagnose(evidence: Evidence, patience: Patience, now: datetime) -> list[Finding]:
    """Return what is wrong: most certain and cheapest to fix first; nothing when all is well.

    Never raises; what could not be read supports no finding but its own.
    """
    usual = evidence.of_fleet(None)
    found = [
        finding
        for symptom in SYMPTOMS
        if (finding := symptom(usual if symptom in _OF_ONE_FLEET else evidence, patience, now))
    ]
    kinds = {finding.kind for finding in found}
    explained = _explained(kinds, evidence, now)
    findings = [finding for finding in found if finding.kind not in explained]
    for name in evidence.others:
        findings += _found_in(name, evidence.of_fleet(name), patience, now, everywhere=kinds)
    return sorted(findings, key=lambda finding: list(Kind).index(finding.kind))


def _found_in(
    name: str, own: Evidence, patience: Patience, now: datetime, *, everywhere: set[Kind]
) -> list[Finding]:
    """Return what is wrong with an extra fleet, each finding with its name.

    Args:
        own: the evidence about this fleet.
        everywhere: what was found outside it; what is wrong with the planes explains much of a fleet.
    """
    found = [
        finding
        for symptom in SYMPTOMS
        if symptom in _OF_ONE_FLEET and (finding := symptom(own, patience, now))
    ]
    kinds = {finding.kind for finding in found}
    causes = kinds | (everywhere & {Kind.NOBODY_LOOKS})
    explained = _explained(causes, own, now)
    return [
        replace(finding, summary=f"fleet {name}: {finding.summary}")
        for finding in found
        if finding.kind not in explained
    ]


def _explained(kinds: set[Kind], evidence: Evidence, now: datetime) -> set[Kind]:
    return {
        each.consequence
        for each in EXPLANATIONS
        if each.cause in kinds and each.consequence in kinds and each.holds(evidence, now)
    }
