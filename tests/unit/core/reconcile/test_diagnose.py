"""Each symptom alone: what names it, what does not, and what it says to a person."""

from datetime import timedelta
from typing import Any

import pytest

from parjanya_dagster.core.belief.boot import BootStage
from parjanya_dagster.core.names import TenantSources
from parjanya_dagster.core.reconcile.actions import Ruling
from parjanya_dagster.core.reconcile.capacity_memory import BootMark, CapacityMemory
from parjanya_dagster.core.reconcile.diagnose import SYMPTOMS, diagnose
from parjanya_dagster.core.reconcile.evidence import Evidence, Residue
from parjanya_dagster.core.reconcile.findings import (
    EXPLANATIONS,
    PLACES,
    Finding,
    Kind,
    Layer,
    findings_document,
)
from parjanya_dagster.core.truth.row import Lane, Status
from tests.builders import NAMES, NOON, TENANT, a_key, a_queue, a_row, an_original
from tests.evidence_builders import (
    LONG_AGO,
    PATIENCE,
    TEMPLATE,
    a_boot,
    a_dead_letter,
    a_group,
    a_missed_row,
    a_pulse,
    a_refused_launch,
    a_sent_row,
    changed,
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


HEALTHY = {
    "idle": some_evidence(),
    "working": some_evidence(
        outstanding=(a_sent_row(at=NOON - timedelta(seconds=20)),),
        queue=a_queue(in_flight=1),
        fleet=a_group(1),
        pulses=read({"i-1": a_pulse()}),
        boots=read((a_boot(),)),
    ),
    "a deep backlog being worked off": some_evidence(
        outstanding=tuple(a_sent_row(number, at=NOON - 6 * OLDER) for number in range(1, 5)),
        queue=a_queue(visible=300, in_flight=8),
        fleet=a_group(2),
        pulses=read({"i-1": a_pulse(), "i-2": a_pulse("i-2")}),
    ),
    "just uploaded": some_evidence(gaps=(a_row(due_at=NOON - timedelta(seconds=40)),)),
    "held back": some_evidence(gaps=(a_row(due_at=NOON + OLDER, postponed=3),)),
    "regrades behind a full queue": some_evidence(
        gaps=(a_missed_row(lane=Lane.REGRADE),), queue=a_queue(visible=50), fleet=a_group(1)
    ),
    "booting": some_evidence(
        outstanding=(a_sent_row(),),
        queue=a_queue(visible=1),
        fleet=a_group(1, 0),
        boots=read((a_boot(stage=BootStage.LOADING),)),
    ),
    "one failed start, then one that came up": some_evidence(
        boots=read((a_boot(1), a_boot(2, stage=BootStage.STARTED, error="lost")))
    ),
    "one refused launch": some_evidence(launches=read((a_refused_launch(),))),
    "a new deployment before its first cycle": some_evidence(heartbeats=read({})),
    "an erased row of another bucket": some_evidence(
        newest=(a_row(status=Status.ERASED, original=an_original(a_key(), bucket=ELSEWHERE)),)
    ),
    "messages of settled rows": some_evidence(queue=a_queue(visible=2)),
}


@pytest.mark.parametrize("evidence", HEALTHY.values(), ids=HEALTHY.keys())
def test_diagnose_when_all_is_well_finds_nothing(evidence: Evidence) -> None:
    """A person is woken for nothing by nothing."""
    assert found(evidence) == []


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


@pytest.mark.parametrize("kind", Kind)
def test_diagnose_when_one_thing_is_wrong_finds_that_and_nothing_else(kind: Kind) -> None:
    """Each kind has a picture that is its own: layer, facts, a fix, and no second finding."""
    finding = the_finding(SICK[kind])

    assert finding.kind is kind
    assert finding.layer is PLACES[kind].layer
    assert finding.summary
    assert finding.evidence
    assert finding.fix


def test_symptoms_and_kinds_are_one_list_in_one_order() -> None:
    """What is looked for, what can be found and the order of a report are the same list."""
    assert [symptom.__name__ for symptom in SYMPTOMS] == [kind.value for kind in Kind]
    assert list(PLACES) == list(Kind)


def test_places_name_every_incident_once_or_more() -> None:
    """The nine incidents, by code and layer."""
    assert {(place.incident, place.layer) for place in PLACES.values() if place.incident} == {
        ("1", Layer.INTENT),
        ("2", Layer.INTENT),
        ("3", Layer.EXECUTION),
        ("4", Layer.INTENT),
        ("5", Layer.TRUTH),
        ("6a", Layer.EXECUTION),
        ("6b", Layer.EXECUTION),
        ("7", Layer.BELIEF),
        ("8", Layer.INTENT),
        ("9", Layer.CONTROL_PLANE),
    }


def test_explanations_point_from_causes_to_consequences_without_circles() -> None:
    """Of two findings one is always reported: no chain of explanations ends where it began."""
    causes = {each.cause for each in EXPLANATIONS}
    consequences = {each.consequence for each in EXPLANATIONS}

    assert causes & consequences == {Kind.NOBODY_LOOKS}
    assert all(each.because for each in EXPLANATIONS)
    assert (Kind.NOBODY_LOOKS, Kind.BLIND) not in {(each.cause, each.consequence) for each in EXPLANATIONS}


def test_documents_have_the_contracts_keys() -> None:
    """What a script reads: layer, incident, summary, evidence, since, fix; times as ISO or null."""
    document = findings_document(found(SICK[Kind.NO_INTENT]) + found(SICK[Kind.BLIND]))

    first, second = document["findings"]
    assert set(first) == {"layer", "incident", "summary", "evidence", "since", "fix"}
    assert (first["layer"], first["incident"], first["since"]) == ("intent", "2", LONG_AGO.isoformat())
    assert (second["layer"], second["incident"], second["since"]) == ("belief", "7", None)


@pytest.mark.parametrize(
    ("blinded", "rests_on_it"),
    [
        ("queue", Kind.LOST_INTENT),
        ("dead_letter_queue", Kind.LOST_INTENT),
        ("rows", Kind.NO_INTENT),
        ("rows", Kind.LOST_INTENT),
        ("rows", Kind.WRONG_BUCKET),
        ("rows", Kind.STUCK_ROWS),
        ("rows", Kind.QUARANTINED),
        ("queue", Kind.NEVER_ASKED),
        ("fleet", Kind.NEVER_ASKED),
        ("rows", Kind.NEVER_ASKED),
        ("queue", Kind.NEVER_CAME),
        ("fleet", Kind.NEVER_CAME),
        ("rows", Kind.NEVER_CAME),
        ("queue", Kind.NO_PROGRESS),
        ("fleet", Kind.NO_PROGRESS),
        ("pulses", Kind.NO_PROGRESS),
        ("rows", Kind.NO_PROGRESS),
        ("heartbeats", Kind.PLANE_SILENT),
        ("heartbeats", Kind.NOBODY_LOOKS),
        ("registry", Kind.MARKER_MISSING),
        ("boots", Kind.MODEL_MISSING),
        ("launches", Kind.BOOTS_FAIL),
        ("dead_letters", Kind.DEAD_LETTERS),
        ("residues", Kind.RESIDUE),
    ],
)
def test_diagnose_when_a_value_is_unreadable_concludes_nothing_from_it(
    blinded: str, rests_on_it: Kind
) -> None:
    """Incident 7: blindness is its own finding, and is never taken for zero or for silence."""
    evidence = changed(SICK[rests_on_it], **{blinded: denied(blinded)})

    assert kinds(evidence) == [Kind.BLIND]


def test_blind_when_heartbeats_are_readable_says_who_could_read_last() -> None:
    """The last cycle that could read is the nearest thing to a beginning."""
    finding = the_finding(some_evidence(fleet=denied("fleet.size")))

    assert finding.evidence == (
        "fleet.size: fleet.size: AccessDenied",
        "last cycles that could read: dagster 0 s ago, lambda 0 s ago",
    )


def test_silence_when_the_queue_is_unreadable_is_explained_by_that() -> None:
    """A plane beats only after a cycle that read the queue: the permission is the one thing to repair."""
    silent = read(dict.fromkeys(("lambda", "dagster"), LONG_AGO))

    assert kinds(some_evidence(queue=denied(), heartbeats=silent)) == [Kind.BLIND]
    assert kinds(some_evidence(steps=denied("steps"), heartbeats=silent)) == [Kind.BLIND, Kind.NOBODY_LOOKS]


def test_silence_of_a_plane_that_never_beat_needs_something_to_have_looked_after() -> None:
    """A deployment of this minute is not silent; one with old rows is, and says so."""
    never = some_evidence(heartbeats=read({"lambda": NOON}), newest=(a_row(entered_at=LONG_AGO),))

    finding = the_finding(never)

    assert (finding.kind, finding.since) == (Kind.PLANE_SILENT, None)
    assert "it never completed one" in finding.summary
    assert "dagster: no heartbeat, ever" in finding.evidence
    assert kinds(some_evidence(heartbeats=read({"lambda": NOON}), rows=denied("rows"))) == [Kind.BLIND]


def test_silence_of_one_plane_explains_nothing_that_the_other_would_repair() -> None:
    """Incident 9: a plane alive and a gap open are two faults; with nobody alive the gap is a consequence."""
    one = some_evidence(gaps=(a_missed_row(),), heartbeats=read({"lambda": LONG_AGO, "dagster": NOON}))
    both = some_evidence(gaps=(a_missed_row(),), heartbeats=read({"lambda": LONG_AGO, "dagster": LONG_AGO}))

    assert kinds(one) == [Kind.PLANE_SILENT, Kind.NO_INTENT]
    assert kinds(both) == [Kind.NOBODY_LOOKS]


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
