"""Diagnoses with an extra fleet: each is looked at by itself, and told by its name."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from parjanya_dagster.core.belief.signals import Instance
from parjanya_dagster.core.reconcile.capacity_memory import CapacityMemory
from parjanya_dagster.core.reconcile.diagnose import diagnose
from parjanya_dagster.core.reconcile.evidence import PLANES, Evidence, FleetEvidence
from parjanya_dagster.core.reconcile.findings import Finding, Kind
from tests.builders import NOON, a_queue
from tests.evidence_builders import (
    PATIENCE,
    a_group,
    a_missed_row,
    a_pulse,
    a_refused_launch,
    a_sent_row,
    denied,
    read,
    some_evidence,
)

LARGE = "large"
LONG_SILENT = NOON - timedelta(hours=1)


def a_fleet(**changes: Any) -> dict[str, FleetEvidence]:  # noqa: ANN401 - any part
    """Return the evidence of an extra fleet on which nothing is wrong, but for the changes."""
    healthy = FleetEvidence(
        queue=a_queue(), fleet=a_group(), launches=read(()), boots=read(()), memory=read(CapacityMemory())
    )
    return {LARGE: replace(healthy, **changes)}


def found(evidence: Evidence) -> list[Finding]:
    """Diagnose at noon."""
    return diagnose(evidence, PATIENCE, NOON)


def kinds(evidence: Evidence) -> list[Kind]:
    """Return the kinds of what is found at noon."""
    return [finding.kind for finding in found(evidence)]


def test_fleets_that_are_well_give_nothing() -> None:
    """An extra fleet is no fault."""
    assert found(some_evidence(others=a_fleet())) == []


def test_job_of_an_extra_fleet_is_not_the_usual_ones_fault() -> None:
    """Incident 3: where it waits is said by name, and the usual fleet, which is idle, is not accused."""
    waiting = some_evidence(outstanding=(a_sent_row(fleet=LARGE),), others=a_fleet(queue=a_queue(visible=1)))

    [finding] = found(waiting)

    assert (finding.kind, finding.summary.partition(":")[0]) == (Kind.NEVER_ASKED, f"fleet {LARGE}")


def test_pulse_of_one_fleet_is_no_sign_of_life_of_another() -> None:
    """A usual fleet that works does not hide a larger one that hangs, nor the other way round."""
    group = a_group(1, instances=(Instance(instance_id="i-large", lifecycle="InService", is_protected=True),))
    rows = (a_sent_row(1, at=LONG_SILENT, fleet=LARGE), a_sent_row(2, at=LONG_SILENT))
    busy = some_evidence(
        outstanding=rows,
        queue=a_queue(visible=1),
        fleet=a_group(1),
        others=a_fleet(queue=a_queue(visible=1), fleet=group),
    )

    usual_works = replace(busy, pulses=read({"i-usual": a_pulse("i-usual")}))
    large_works = replace(busy, pulses=read({"i-large": a_pulse("i-large")}))

    assert [(each.kind, each.summary.startswith("fleet")) for each in found(usual_works)] == [
        (Kind.NO_PROGRESS, True)
    ]
    assert [(each.kind, each.summary.startswith("fleet")) for each in found(large_works)] == [
        (Kind.NO_PROGRESS, False)
    ]
    assert [each.kind for each in found(replace(busy, pulses=denied("pulses")))] == [Kind.BLIND]


def test_failed_starts_of_an_extra_fleet_explain_that_nothing_came_to_it() -> None:
    """A cause explains within its fleet."""
    failing = a_fleet(
        queue=a_queue(visible=1),
        fleet=a_group(1, 0),
        launches=read(tuple(a_refused_launch(number) for number in (1, 2))),
    )
    evidence = some_evidence(outstanding=(a_sent_row(at=LONG_SILENT, fleet=LARGE),), others=failing)

    assert [(each.kind, each.summary.partition(":")[0]) for each in found(evidence)] == [
        (Kind.BOOTS_FAIL, f"fleet {LARGE}")
    ]


def test_planes_that_stopped_explain_what_was_not_asked_for_any_fleet() -> None:
    """Restarting one of them puts both right."""
    asleep = some_evidence(
        outstanding=(a_sent_row(fleet=LARGE),),
        others=a_fleet(queue=a_queue(visible=1)),
        heartbeats=read(dict.fromkeys(PLANES, LONG_SILENT)),
    )

    assert kinds(asleep) == [Kind.NOBODY_LOOKS]


def test_queue_that_cannot_be_read_is_named_and_explains_the_silence_of_the_planes() -> None:
    """No plane beats while it cannot see every queue; and no job is called lost meanwhile."""
    blind = some_evidence(
        outstanding=(a_sent_row(fleet=LARGE),),
        others=a_fleet(queue=denied()),
        heartbeats=read(dict.fromkeys(PLANES, LONG_SILENT)),
    )

    [finding] = found(blind)

    assert finding.kind is Kind.BLIND
    assert "queue.depth of fleet large" in finding.summary
    assert found(replace(blind, rows=denied("rows"), heartbeats=read(dict.fromkeys(PLANES, NOON)))) != []


def test_job_is_lost_only_if_no_queue_holds_it() -> None:
    """The number of messages is that of all queues."""
    rows = (a_sent_row(1), a_sent_row(2, fleet=LARGE))
    held = some_evidence(
        outstanding=rows,
        queue=a_queue(1),
        fleet=a_group(1),
        others=a_fleet(queue=a_queue(1), fleet=a_group(1)),
    )

    assert Kind.LOST_INTENT not in kinds(held)
    lost = [each for each in found(replace(held, queue=a_queue())) if each.kind is Kind.LOST_INTENT]
    assert [each.evidence[1] for each in lost] == ["all intents queues: 1 message, dead letters: 0"]


def test_missed_row_is_told_beside_what_all_queues_hold() -> None:
    """Regrades wait behind what any queue holds, by design."""
    [finding] = found(some_evidence(gaps=(a_missed_row(),), others=a_fleet(queue=a_queue(3))))

    assert finding.kind is Kind.NO_INTENT
    assert "all intents queues: 3 messages" in finding.evidence
