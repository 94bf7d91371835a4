"""Diagnosis: the runbook as a pure function over one reading of Truth and Belief.

Each symptom looks at the evidence by itself; then whatever another finding accounts for is left out. The
decision tree in docs/runbook.md is this function in pictures.
"""

from collections.abc import Callable, Sequence
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


def diagnose(evidence: Evidence, patience: Patience, now: datetime) -> list[Finding]:
    """Return what is wrong: most certain and cheapest to fix first; nothing when all is well.

    Never raises; what could not be read supports no finding but its own.
    """
    found = [finding for symptom in SYMPTOMS if (finding := symptom(evidence, patience, now))]
    explained = _explained({finding.kind for finding in found}, evidence, now)
    return [finding for finding in found if finding.kind not in explained]


def _explained(kinds: set[Kind], evidence: Evidence, now: datetime) -> set[Kind]:
    return {
        each.consequence
        for each in EXPLANATIONS
        if each.cause in kinds and each.consequence in kinds and each.holds(evidence, now)
    }
