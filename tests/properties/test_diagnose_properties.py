"""Diagnosis over anything: it never raises, never repeats itself, and says nothing of what is well."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.belief.boot import BootFailure, BootStage
from parjanya_dagster.core.reconcile.actions import Ruling
from parjanya_dagster.core.reconcile.capacity_memory import BootMark, CapacityMemory
from parjanya_dagster.core.reconcile.diagnose import diagnose
from parjanya_dagster.core.reconcile.evidence import Evidence, Residue, Rows
from parjanya_dagster.core.reconcile.findings import EXPLANATIONS, Kind, findings_document
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status
from tests.builders import NAMES, NOON, TENANT, a_key, a_queue, an_original
from tests.builders import a_row as a_plain_row
from tests.evidence_builders import (
    PATIENCE,
    a_boot,
    a_dead_letter,
    a_group,
    a_pulse,
    a_refused_launch,
    denied,
    read,
    some_evidence,
)

times = st.integers(-(10**6), 10**4).map(lambda seconds: NOON + timedelta(seconds=seconds))
maybe_times = st.none() | times
counts = st.integers(0, 5)
tenants = st.sampled_from([TENANT, "other", ""])
buckets = st.sampled_from([NAMES.uploads_bucket(TENANT), NAMES.uploads_bucket("other"), "archive", ""])


@st.composite
def rows(draw: st.DrawFn) -> ImageRow:
    """Any head, also such as the lifecycle would never make."""
    key = a_key(draw(st.integers(1, 9)), tenant_id=draw(st.sampled_from([TENANT, "other"])))
    return a_plain_row(
        key=key,
        status=draw(st.sampled_from(Status)),
        lane=draw(st.sampled_from(Lane)),
        quarantined=draw(st.booleans()),
        due_at=draw(maybe_times),
        intent_at=draw(maybe_times),
        entered_at=draw(times),
        original=draw(st.none() | buckets.map(lambda bucket: an_original(key, bucket=bucket))),
    )


def seen(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Readings of these values, or a signal that was denied."""
    return values.map(read) | st.just(denied())


some_rows = st.lists(rows(), max_size=4).map(tuple)
boots = st.builds(
    a_boot,
    st.integers(1, 50),
    stage=st.sampled_from(BootStage),
    error=st.none() | st.just("lost"),
    failure=st.none() | st.sampled_from(BootFailure),
    template_version=st.none() | st.just("7"),
)
marks = st.builds(
    BootMark, mark=st.text(max_size=3), version=st.just("7"), at=times, error=st.none() | st.just("x")
)
letters = st.builds(
    a_dead_letter,
    counts,
    image=st.none() | st.text(max_size=5),
    found_at=times,
    ruling=st.sampled_from(Ruling),
    blames_image=st.booleans(),
)
queues = st.builds(a_queue, counts, counts, counts) | st.just(denied())
evidence = st.builds(
    some_evidence,
    rows=seen(st.builds(Rows, gaps=some_rows, outstanding=some_rows, newest=some_rows)),
    queue=queues,
    dead_letter_queue=queues,
    fleet=st.builds(a_group, counts, counts, max_size=counts, template_version=st.none() | st.just("7"))
    | st.just(denied()),
    steps=seen(counts),
    heartbeats=seen(st.dictionaries(st.sampled_from(["lambda", "dagster", "cli"]), times)),
    registry=seen(st.lists(tenants, unique=True).map(tuple)),
    traces=seen(st.dictionaries(tenants, st.just("somewhere"))),
    launches=seen(st.lists(st.builds(a_refused_launch, st.integers(1, 50)), max_size=4).map(tuple)),
    boots=seen(st.lists(boots, max_size=4).map(tuple)),
    pulses=seen(st.dictionaries(st.just("i-1"), st.builds(a_pulse, at=times))),
    memory=seen(st.lists(marks, max_size=4).map(lambda each: CapacityMemory(marks=tuple(each)))),
    dead_letters=seen(st.lists(letters, max_size=3).map(tuple)),
    residues=seen(
        st.lists(
            st.builds(Residue, tenant_id=tenants, count=st.integers(1, 9), samples=st.just(("x",)), at=times),
            max_size=2,
        ).map(tuple)
    ),
)


@given(evidence, times)
def test_diagnose_is_total_ordered_and_free_of_consequences(found: Evidence, now: datetime) -> None:
    """Whatever was read, there is a report: each kind once, in order, each with facts, a fix and no echo."""
    findings = diagnose(found, PATIENCE, now)

    kinds = [finding.kind for finding in findings]
    assert kinds == [kind for kind in Kind if kind in kinds]
    assert all(finding.summary and finding.evidence and finding.fix for finding in findings)
    assert len(findings_document(findings)["findings"]) == len(findings)
    echoes = {each.consequence for each in EXPLANATIONS if each.cause in kinds and each.holds(found, now)}
    assert not echoes & set(kinds)


@given(evidence)
def test_diagnose_names_blindness_exactly_when_something_is_blind(found: Evidence) -> None:
    """Incident 7 is certain: it is first, and never missing or made up."""
    kinds = [finding.kind for finding in diagnose(found, PATIENCE, NOON)]

    assert (kinds[:1] == [Kind.BLIND]) == bool(found.blind)


@given(st.integers(0, 3), st.integers(1, 400), counts, counts)
def test_diagnose_of_a_line_that_runs_finds_nothing(
    instances: int, backlog: int, in_flight: int, settled: int
) -> None:
    """Any backlog with an instance that makes progress is work, not trouble; without any, it is young."""
    outstanding = tuple(
        a_plain_row(number, intent_at=NOON - timedelta(seconds=number), intent_id=str(number))
        for number in range(1, 1 + min(backlog, 9))
    )
    healthy = some_evidence(
        outstanding=outstanding,
        newest=tuple(a_plain_row(50 + each, status=Status.ENRICHED) for each in range(settled)),
        queue=a_queue(visible=backlog, in_flight=in_flight),
        fleet=a_group(instances),
        pulses=read({f"i-{each}": a_pulse(f"i-{each}") for each in range(instances)}),
    )

    assert diagnose(healthy, PATIENCE, NOON) == []
