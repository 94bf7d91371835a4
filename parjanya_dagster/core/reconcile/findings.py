"""Findings: what can be wrong with the whole platform, by name, layer and incident.

The order of `Kind` is the order of a report: what is most certain and cheapest to put right comes first.
Which finding explains which is data too, so that a person at night reads causes and not consequences.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.reconcile.evidence import Evidence
from parjanya_dagster.core.reconcile.starts import is_held_back


class Layer(StrEnum):
    """Where a fault lies."""

    TRUTH = "truth"
    BELIEF = "belief"
    INTENT = "intent"
    EXECUTION = "execution"
    CONTROL_PLANE = "control_plane"


class Kind(StrEnum):
    """What is wrong; each has its section in docs/runbook.md, in this order."""

    BLIND = "blind"
    NOBODY_LOOKS = "nobody_looks"
    PLANE_SILENT = "plane_silent"
    MARKER_MISSING = "marker_missing"
    NEVER_ASKED = "never_asked"
    NO_INTENT = "no_intent"
    LOST_INTENT = "lost_intent"
    WRONG_BUCKET = "wrong_bucket"
    MODEL_MISSING = "model_missing"
    BOOTS_FAIL = "boots_fail"
    NEVER_CAME = "never_came"
    NO_PROGRESS = "no_progress"
    DEAD_LETTERS = "dead_letters"
    STUCK_ROWS = "stuck_rows"
    QUARANTINED = "quarantined"
    RESIDUE = "residue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a kind belongs.

    Args:
        incident: code of the incident that taught it; None for what no incident taught.
    """

    layer: Layer
    incident: str | None


PLACES: Final[Mapping[Kind, Place]] = {
    Kind.BLIND: Place(layer=Layer.BELIEF, incident="7"),
    Kind.NOBODY_LOOKS: Place(layer=Layer.CONTROL_PLANE, incident="9"),
    Kind.PLANE_SILENT: Place(layer=Layer.CONTROL_PLANE, incident="9"),
    Kind.MARKER_MISSING: Place(layer=Layer.TRUTH, incident="5"),
    Kind.NEVER_ASKED: Place(layer=Layer.EXECUTION, incident="3"),
    Kind.NO_INTENT: Place(layer=Layer.INTENT, incident="2"),
    Kind.LOST_INTENT: Place(layer=Layer.INTENT, incident="1"),
    Kind.WRONG_BUCKET: Place(layer=Layer.INTENT, incident="4"),
    Kind.MODEL_MISSING: Place(layer=Layer.EXECUTION, incident="6b"),
    Kind.BOOTS_FAIL: Place(layer=Layer.EXECUTION, incident="6a"),
    Kind.NEVER_CAME: Place(layer=Layer.EXECUTION, incident="3"),
    Kind.NO_PROGRESS: Place(layer=Layer.EXECUTION, incident=None),
    Kind.DEAD_LETTERS: Place(layer=Layer.INTENT, incident="8"),
    Kind.STUCK_ROWS: Place(layer=Layer.EXECUTION, incident=None),
    Kind.QUARANTINED: Place(layer=Layer.INTENT, incident=None),
    Kind.RESIDUE: Place(layer=Layer.TRUTH, incident=None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault, for a tired person at night.

    Args:
        summary: one sentence.
        evidence: facts with numbers and samples, most telling first.
        since: when it began, as far as the evidence says.
        fix: what to do, cheapest first, with the command where there is one.
    """

    kind: Kind
    summary: str
    evidence: tuple[str, ...]
    since: datetime | None
    fix: str

    @property
    def layer(self) -> Layer:
        """The layer at fault."""
        return PLACES[self.kind].layer

    @property
    def incident(self) -> str | None:
        """The incident's code, if one taught this finding."""
        return PLACES[self.kind].incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One finding accounts for another, which is then not reported: repairing the cause ends both.

    Args:
        holds: whether the evidence lets the cause account for the consequence.
    """

    cause: Kind
    consequence: Kind
    because: str
    holds: Callable[[Evidence, datetime], bool] = lambda _evidence, _now: True


EXPLANATIONS: Final = (
    Explanation(
        cause=Kind.BLIND,
        consequence=Kind.NOBODY_LOOKS,
        because="a plane beats only after a cycle that read every queue and Truth",
        holds=lambda evidence, _now: evidence.messages is None or isinstance(evidence.rows, Blind),
    ),
    Explanation(
        cause=Kind.NOBODY_LOOKS,
        consequence=Kind.NO_INTENT,
        because="the sweep, which finds rows that the stream missed, is not running",
    ),
    Explanation(
        cause=Kind.NOBODY_LOOKS,
        consequence=Kind.NEVER_ASKED,
        because="planes ask for capacity, and none is running",
    ),
    Explanation(
        cause=Kind.NOBODY_LOOKS,
        consequence=Kind.STUCK_ROWS,
        because="the sweep, which takes up interrupted ingestions, is not running",
    ),
    Explanation(
        cause=Kind.MODEL_MISSING,
        consequence=Kind.NEVER_CAME,
        because="an instance whose model does not match never begins to receive",
    ),
    Explanation(
        cause=Kind.BOOTS_FAIL,
        consequence=Kind.NEVER_CAME,
        because="an instance that does not start never comes into service",
    ),
    Explanation(
        cause=Kind.MODEL_MISSING,
        consequence=Kind.NEVER_ASKED,
        because="the breaker holds the capacity while boots fail",
        holds=is_held_back,
    ),
    Explanation(
        cause=Kind.BOOTS_FAIL,
        consequence=Kind.NEVER_ASKED,
        because="the breaker holds the capacity while boots fail",
        holds=is_held_back,
    ),
)


def findings_document(findings: list[Finding]) -> dict[str, Any]:
    """Return what `parjanya diagnose --json` prints; its keys are a contract with scripts."""
    return {
        "findings": [
            {
                "layer": finding.layer.value,
                "incident": finding.incident,
                "summary": finding.summary,
                "evidence": list(finding.evidence),
                "since": finding.since.isoformat() if finding.since else None,
                "fix": finding.fix,
            }
            for finding in findings
        ]
    }
