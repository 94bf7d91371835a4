"""The diagnosis as a whole: one finding per fault, none for health, nothing out of blindness."""

from datetime import timedelta
from typing import Any

import pytest

from parjanya_dagster.core.belief.boot import BootStage
from parjanya_dagster.core.reconcile.diagnose import SYMPTOMS
from parjanya_dagster.core.reconcile.evidence import Evidence, Residue
from parjanya_dagster.core.reconcile.findings import (
    EXPLANATIONS,
    PLACES,
    Kind,
    Layer,
    findings_document,
)
from parjanya_dagster.core.truth.row import Lane, Status
from tests.builders import NOON, a_key, a_queue, a_row, an_original
from tests.evidence_builders import (
    LONG_AGO,
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
from tests.unit.core.reconcile.sick_evidence import ELSEWHERE, OLDER, SICK, found, kinds, the_finding

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
    never = some_evidence(heartbeats=read({"dagster": NOON}), newest=(a_row(entered_at=LONG_AGO),))

    finding = the_finding(never)

    assert (finding.kind, finding.since) == (Kind.PLANE_SILENT, None)
    assert "it never completed a cycle" in finding.summary
    assert "lambda: no heartbeat, ever" in finding.evidence
    assert kinds(some_evidence(heartbeats=read({"lambda": NOON}), rows=denied("rows"))) == [Kind.BLIND]


def test_platform_without_dagster_is_healthy_while_the_functions_look_and_blind_when_they_stop() -> None:
    """Dagster may be left out: then the Lambda plane is everybody who could look."""
    old = (a_row(status=Status.ENRICHED, entered_at=LONG_AGO),)

    assert kinds(some_evidence(heartbeats=read({"lambda": NOON}), newest=old)) == []
    stopped = some_evidence(heartbeats=read({"lambda": LONG_AGO}), newest=old)
    assert kinds(stopped) == [Kind.NOBODY_LOOKS]
    assert kinds(some_evidence(heartbeats=read({}), newest=old)) == [Kind.NOBODY_LOOKS]


def test_silence_of_one_plane_explains_nothing_that_the_other_would_repair() -> None:
    """Incident 9: a plane alive and a gap open are two faults; with nobody alive the gap is a consequence."""
    one = some_evidence(gaps=(a_missed_row(),), heartbeats=read({"lambda": LONG_AGO, "dagster": NOON}))
    both = some_evidence(gaps=(a_missed_row(),), heartbeats=read({"lambda": LONG_AGO, "dagster": LONG_AGO}))

    assert kinds(one) == [Kind.PLANE_SILENT, Kind.NO_INTENT]
    assert kinds(both) == [Kind.NOBODY_LOOKS]


@pytest.mark.parametrize(
    "where",
    [
        {"registry": read(("other",))},
        {"traces": read({"other": "backlog counter"})},
        {"gaps": (a_row(tenant_id="other"),)},
        {"outstanding": (a_row(tenant_id="other"),)},
        {"newest": (a_row(tenant_id="other"),)},
        {"dead_letters": read((a_dead_letter(image="other#image"),))},
        {"residues": read((Residue(tenant_id="other", count=1, samples=(), at=NOON),))},
    ],
)
def test_evidence_knows_every_tenant_it_speaks_of(where: dict[str, Any]) -> None:
    """Whoever may see one tenant's findings alone is kept from the others, wherever they are named."""
    assert "other" in some_evidence(**where).tenants


def test_evidence_of_nothing_readable_speaks_of_nobody() -> None:
    """A message that is no job belongs to no tenant, and what is unreadable names none."""
    unreadable = some_evidence(
        rows=denied(),
        registry=denied(),
        traces=denied(),
        residues=denied(),
        dead_letters=read((a_dead_letter(image=None),)),
    )

    assert unreadable.tenants == frozenset()
