"""One picture of each fault alone, and how to ask for its diagnosis."""

from datetime import timedelta

from parjanya_dagster.core.belief.boot import BootStage
from parjanya_dagster.core.reconcile.diagnose import diagnose
from parjanya_dagster.core.reconcile.evidence import Evidence, Residue
from parjanya_dagster.core.reconcile.findings import (
    Finding,
    Kind,
)
from parjanya_dagster.core.truth.row import Status
from tests.builders import NAMES, NOON, TENANT, a_key, a_queue, a_row, an_original
from tests.evidence_builders import (
    LONG_AGO,
    PATIENCE,
    a_boot,
    a_dead_letter,
    a_group,
    a_missed_row,
    a_pulse,
    a_refused_launch,
    a_sent_row,
    denied,
    read,
    some_evidence,
)

ELSEWHERE = NAMES.uploads_bucket("other")
OLDER = timedelta(minutes=15)


def found(evidence: Evidence) -> list[Finding]:
    """Diagnose at noon."""
    return diagnose(evidence, PATIENCE, NOON)


def kinds(evidence: Evidence) -> list[Kind]:
    """Return what is found, by kind."""
    return [finding.kind for finding in found(evidence)]


def the_finding(evidence: Evidence) -> Finding:
    """Return the one finding."""
    (finding,) = found(evidence)
    return finding


SICK = {
    Kind.BLIND: some_evidence(queue=denied()),
    Kind.NOBODY_LOOKS: some_evidence(heartbeats=read({"lambda": LONG_AGO, "dagster": LONG_AGO})),
    Kind.PLANE_SILENT: some_evidence(heartbeats=read({"lambda": NOON, "dagster": LONG_AGO})),
    Kind.MARKER_MISSING: some_evidence(registry=read(())),
    Kind.NEVER_ASKED: some_evidence(outstanding=(a_sent_row(),), queue=a_queue(visible=1)),
    Kind.NO_INTENT: some_evidence(gaps=(a_missed_row(),)),
    Kind.LOST_INTENT: some_evidence(outstanding=(a_sent_row(),)),
    Kind.WRONG_BUCKET: some_evidence(
        newest=(a_row(quarantined=True, original=an_original(a_key(), bucket=ELSEWHERE)),)
    ),
    Kind.MODEL_MISSING: some_evidence(boots=read((a_boot(stage=BootStage.VERIFYING, error="no weights"),))),
    Kind.BOOTS_FAIL: some_evidence(launches=read((a_refused_launch(1), a_refused_launch(2)))),
    Kind.NEVER_CAME: some_evidence(
        outstanding=(a_sent_row(at=NOON - OLDER),), queue=a_queue(visible=1), fleet=a_group(1, 0)
    ),
    Kind.NO_PROGRESS: some_evidence(
        outstanding=(a_sent_row(at=NOON - OLDER),),
        queue=a_queue(visible=1),
        fleet=a_group(1),
        pulses=read({"i-1": a_pulse(at=NOON - OLDER)}),
    ),
    Kind.DEAD_LETTERS: some_evidence(dead_letters=read((a_dead_letter(),))),
    Kind.STUCK_ROWS: some_evidence(gaps=(a_missed_row(status=Status.PENDING_VALIDATION),)),
    Kind.QUARANTINED: some_evidence(newest=(a_row(quarantined=True, last_error="quarantined: 5 jobs"),)),
    Kind.RESIDUE: some_evidence(
        residues=read((Residue(tenant_id=TENANT, count=2, samples=("one", "two"), at=LONG_AGO),))
    ),
}
