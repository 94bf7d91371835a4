"""Each symptom: what names it, what does not, and what it says to a person."""

from datetime import timedelta
from typing import Any

import pytest

from parjanya_dagster.core.belief.boot import BootStage
from parjanya_dagster.core.names import TenantSources
from parjanya_dagster.core.reconcile.actions import Ruling
from parjanya_dagster.core.reconcile.capacity_memory import BootMark, CapacityMemory
from parjanya_dagster.core.reconcile.evidence import Evidence, Residue
from parjanya_dagster.core.reconcile.findings import (
    Kind,
)
from parjanya_dagster.core.truth.row import Lane, Status
from tests.builders import NOON, TENANT, a_key, a_queue, a_row, an_original
from tests.evidence_builders import (
    LONG_AGO,
    TEMPLATE,
    a_boot,
    a_dead_letter,
    a_group,
    a_missed_row,
    a_refused_launch,
    a_sent_row,
    changed,
    denied,
    read,
    some_evidence,
)
from tests.unit.core.reconcile.sick_evidence import ELSEWHERE, OLDER, SICK, found, kinds, the_finding


@pytest.mark.parametrize(
    "evidence",
    [
        some_evidence(gaps=(a_row(tenant_id="lonely"),)),
        some_evidence(outstanding=(a_sent_row(tenant_id="lonely", at=NOON),), queue=a_queue(visible=1)),
        some_evidence(traces=read({"lonely": "backlog counter lonely"})),
    ],
    ids=["gap", "outstanding", "counter"],
)
def test_marker_missing_wherever_a_tenant_left_a_trace_names_it_with_the_command(evidence: Evidence) -> None:
    """Incident 5: whatever goes by the registry would pass it over, so everything else is asked."""
    finding = the_finding(evidence)

    assert (finding.kind, finding.incident) == (Kind.MARKER_MISSING, "5")
    assert "lonely" in finding.summary
    assert "parjanya tenant add lonely" in finding.fix
    assert f"registered: {TENANT}" in finding.evidence


def test_marker_missing_of_a_tenant_with_nothing_but_a_dead_letter_is_named() -> None:
    """A job outlives its tenant's marker."""
    letter = a_dead_letter(image=str(a_key(tenant_id="lonely")))

    assert kinds(some_evidence(dead_letters=read((letter,)))) == [Kind.MARKER_MISSING, Kind.DEAD_LETTERS]
    assert kinds(some_evidence(dead_letters=read((a_dead_letter(image=None),)))) == [Kind.DEAD_LETTERS]


def test_no_intent_of_regrades_counts_only_over_an_empty_queue() -> None:
    """Regrades wait behind what is queued by design; behind nothing they were forgotten."""
    regrades = (a_missed_row(lane=Lane.REGRADE),)

    assert kinds(some_evidence(gaps=regrades)) == [Kind.NO_INTENT]
    assert kinds(some_evidence(gaps=regrades, queue=denied())) == [Kind.BLIND]


def test_no_intent_under_a_blind_queue_is_still_named() -> None:
    """It follows from Truth alone."""
    assert kinds(some_evidence(gaps=(a_missed_row(),), queue=denied())) == [Kind.BLIND, Kind.NO_INTENT]


def test_no_intent_tells_how_many_of_whom_since_when() -> None:
    """Incident 2: numbers by tenant, samples, and the age of the oldest."""
    rows = (a_missed_row(1, due_at=NOON - OLDER), a_missed_row(2), a_missed_row(3, tenant_id="beta"))

    finding = the_finding(some_evidence(gaps=rows, registry=read((TENANT, "beta"))))

    assert finding.since == NOON - OLDER
    assert finding.summary.startswith("3 rows due to be scored for up to 15 min")
    assert finding.evidence[:2] == ("acme: 2 rows, beta: 1 row", "intents queue: 0 messages")
    assert str(rows[0].key) in finding.evidence[2]


@pytest.mark.parametrize(
    ("queued", "dead", "expected"),
    [(0, 0, "3 jobs"), (1, 0, "2 jobs"), (0, 2, "1 job"), (2, 1, None), (9, 9, None)],
)
def test_lost_intent_counts_stamps_that_no_queue_covers(queued: int, dead: int, expected: str | None) -> None:
    """Incident 1: stamps may not outnumber messages and dead letters; duplicates excuse nothing else."""
    rows = tuple(a_sent_row(number) for number in range(1, 4))
    evidence = some_evidence(
        outstanding=rows,
        queue=a_queue(visible=queued),
        dead_letter_queue=a_queue(visible=dead),
        fleet=a_group(1),
    )

    lost = [each for each in found(evidence) if each.kind is Kind.LOST_INTENT]

    assert [each.summary.partition(" cannot")[0] for each in lost] == ([expected] if expected else [])


def test_lost_intent_of_a_job_just_sent_is_not_claimed() -> None:
    """Counts lag behind what was sent a moment ago."""
    assert found(some_evidence(outstanding=(a_sent_row(at=NOON - timedelta(seconds=60)),))) == []


def test_wrong_bucket_names_row_and_bucket_wherever_the_row_is_seen() -> None:
    """Incident 4: set aside or not, a row that points elsewhere is found, and explains its quarantine."""
    astray = an_original(a_key(1), bucket=ELSEWHERE)
    for evidence in (
        some_evidence(newest=(a_row(1, original=astray, quarantined=True),)),
        some_evidence(gaps=(a_row(1, original=astray),)),
        some_evidence(outstanding=(a_sent_row(1, original=astray, at=NOON),), queue=a_queue(visible=1)),
    ):
        finding = the_finding(evidence)
        assert (finding.kind, finding.incident) == (Kind.WRONG_BUCKET, "4")
        assert f"{a_key(1)} points to {ELSEWHERE}" in finding.evidence


def test_wrong_bucket_is_not_claimed_of_a_registered_source() -> None:
    """An archive that an operator named is a right bucket for its tenant, and for nobody else."""
    archived = a_row(original=an_original(a_key(), bucket="archive"), status=Status.ENRICHED)
    evidence = some_evidence(newest=(archived,))

    for owner, expected in ((TENANT, []), ("other", [Kind.WRONG_BUCKET])):
        sources = TenantSources(registered=frozenset({(owner, "archive")}))
        assert kinds(changed(evidence, sources=read(sources))) == expected
    assert kinds(changed(evidence, sources=denied("sources"))) == [Kind.BLIND]


def test_never_asked_when_the_maximum_is_zero_says_that_instead() -> None:
    """A group that may have no instance is repaired by its maximum, not by another call."""
    evidence = SICK[Kind.NEVER_ASKED]
    capped = the_finding(changed(evidence, fleet=a_group(0, max_size=0)))

    assert "maximum is 0" in capped.fix
    assert "parjanya reconcile" in the_finding(evidence).fix


def test_never_asked_before_anybody_could_have_asked_is_not_claimed() -> None:
    """One cycle's time passes between a job and its instance."""
    young = a_sent_row(at=NOON - timedelta(seconds=100))

    assert found(some_evidence(outstanding=(young,), queue=a_queue(visible=1))) == []


def test_failed_starts_explain_that_nothing_came_and_an_open_breaker_that_nothing_is_asked() -> None:
    """Incidents 6a and 6b: the boots are the cause, the empty fleet is what comes of it."""
    waiting: Any = {"outstanding": (a_sent_row(at=NOON - OLDER),), "queue": a_queue(visible=1)}
    refused = read(tuple(a_refused_launch(number) for number in (1, 2, 3)))
    unverified = read((a_boot(1, stage=BootStage.VERIFYING, error="sha256 differs"),))

    assert kinds(some_evidence(**waiting, fleet=a_group(1, 0), launches=refused)) == [Kind.BOOTS_FAIL]
    assert kinds(some_evidence(**waiting, fleet=a_group(1, 0), boots=unverified)) == [Kind.MODEL_MISSING]
    assert kinds(some_evidence(**waiting, fleet=a_group(0), launches=refused)) == [Kind.BOOTS_FAIL]
    assert kinds(some_evidence(**waiting, fleet=a_group(0), boots=unverified)) == [
        Kind.NEVER_ASKED,
        Kind.MODEL_MISSING,
    ]


def test_boots_fail_tells_template_errors_and_the_breaker() -> None:
    """Incident 6a: what refused, how often, and whether it will be tried again by itself."""
    finding = the_finding(some_evidence(launches=read(tuple(a_refused_launch(n) for n in (1, 2, 3)))))

    assert finding.summary.startswith("3 starts failed in a row, the last 60 s ago: InvalidAMIID.NotFound")
    assert finding.since == NOON - timedelta(minutes=3)
    assert finding.evidence[0].startswith(f"activity-1 (template {TEMPLATE})")
    assert finding.evidence[-1].startswith("breaker open: 3 boots of template version 7")


def test_boots_fail_remembers_what_is_no_longer_on_record() -> None:
    """Capacity's memory outlives the activities; one success ends the row of failures."""
    marks = tuple(
        BootMark(mark=f"m{number}", version=TEMPLATE, at=LONG_AGO, error="silent") for number in (1, 2)
    )
    good = BootMark(mark="m3", version=TEMPLATE, at=NOON)

    assert kinds(some_evidence(memory=read(CapacityMemory(marks=marks)))) == [Kind.BOOTS_FAIL]
    assert kinds(some_evidence(memory=read(CapacityMemory(marks=(*marks, good))))) == []


def test_starts_when_the_group_cannot_be_read_are_judged_by_what_was_reported() -> None:
    """Without the group's template a launch cannot be blamed on it; a boot that names its own can."""
    unverified = read((a_boot(1, stage=BootStage.VERIFYING, error="sha256 differs"),))
    nameless = a_group(0, template_version=None)

    assert kinds(some_evidence(boots=unverified, fleet=denied("fleet.size"))) == [
        Kind.BLIND,
        Kind.MODEL_MISSING,
    ]
    assert (
        kinds(some_evidence(launches=read((a_refused_launch(1), a_refused_launch(2))), fleet=nameless)) == []
    )


def test_no_progress_without_any_pulse_says_so() -> None:
    """An instance that never said anything does nothing either."""
    finding = the_finding(
        some_evidence(outstanding=(a_sent_row(at=NOON - OLDER),), queue=a_queue(visible=1), fleet=a_group(1))
    )

    assert finding.kind is Kind.NO_PROGRESS
    assert finding.summary.endswith("no pulse, ever")
    assert finding.since == NOON - OLDER


def test_dead_letters_tell_queue_records_guilt_and_what_is_overdue() -> None:
    """Incident 8: how many, whose fault, which, and how long nobody has looked."""
    guilty = a_dead_letter(
        1, ruling=Ruling.FAILED, blames_image=True, evidence="crashed", found_at=NOON - timedelta(days=8)
    )
    finding = the_finding(
        some_evidence(
            dead_letters=read((guilty, a_dead_letter(2, image=None))), dead_letter_queue=a_queue(visible=1)
        )
    )

    assert finding.summary == "3 jobs given up and not acknowledged"
    assert finding.evidence[0] == "dead-letter queue: 1 message"
    assert finding.evidence[1] == "recorded: 2, of these 1 the image's own fault"
    assert f"{a_key(1)} (crashed)" in finding.evidence[2]
    assert "message-2" in finding.evidence[2]
    assert finding.evidence[3] == "1 for more than 7 d"
    assert finding.since == NOON - timedelta(days=8)


def test_dead_letters_somebody_acknowledged_are_history() -> None:
    """Looking at it is what ends the finding."""
    assert found(some_evidence(dead_letters=read((a_dead_letter(acknowledged_by="ada"),)))) == []


def test_stuck_rows_tell_uploads_from_validations() -> None:
    """Each has its own way out, and both are the sweep's to take."""
    rows = (a_missed_row(1, status=Status.PENDING_VALIDATION), a_missed_row(2, status=Status.PENDING_UPLOAD))

    assert the_finding(some_evidence(gaps=rows)).evidence[0] == "1 in validation, 1 waiting for an upload"


def test_quarantined_without_a_reason_says_so() -> None:
    """Nothing is made up."""
    finding = the_finding(some_evidence(newest=(a_row(quarantined=True),)))

    assert finding.evidence == (f"{a_key(1)}: no reason noted",)


@pytest.mark.parametrize(("unfinished", "adopts"), [(1, False), (0, True)])
def test_residue_says_what_ends_it(unfinished: int, *, adopts: bool) -> None:
    """Objects without rows are adopted; what an erasure left is ended by the command that began it."""
    left = Residue(tenant_id=TENANT, count=1, unfinished=unfinished, samples=("one",), at=NOON)

    fix = the_finding(some_evidence(residues=read((left,)))).fix

    assert (f"`parjanya images erase --tenant {TENANT} --yes`" in fix) is not adopts
    assert ("materialize `uploads`" in fix) is adopts
    assert fix.endswith("`parjanya audit --tenant TENANT` compares again")
