"""Observing for a diagnosis: each part by itself, nothing changed, and one refusal hides nothing else."""

import pytest

from parjanya_dagster.control.audit import audit_tenant
from parjanya_dagster.control.diagnose import diagnosis_of, observe_evidence
from parjanya_dagster.control.sources import register_source
from parjanya_dagster.core.belief.boot import BootStage
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.errors import DeniedError, UnavailableError
from parjanya_dagster.core.reconcile.evidence import value_of
from parjanya_dagster.core.reconcile.findings import Kind
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from parjanya_dagster.simulation.scene_acts import (
    TENANT,
    opening,
    pass_time,
    report_boot,
    stream,
    sweep,
    upload,
    work,
)
from tests.builders import a_row, an_original
from tests.evidence_builders import a_pulse

READS = (
    "control.tenants",
    "control.heartbeats",
    "images.due_gaps",
    "images.outstanding",
    "images.get_many",
    "images.listing",
    "queue.depth",
    "queue.dead_letter_depth",
    "fleet.size",
    "fleet.launches",
    "steps.open",
    "records.newest",
    "records.get",
)


@pytest.fixture
def world() -> FakePlatform:
    """Return a world in which all is well, with one image decided and one at work."""
    world = opening()
    stream(world, upload(world, 1))
    work(world)
    stream(world, upload(world, 1))
    world.clock.advance(seconds=20)
    return world


def test_diagnosis_of_a_working_world_finds_nothing_and_changes_nothing(world: FakePlatform) -> None:
    """Looking is free of effects: no dead letter is taken, no heartbeat given."""
    world.calls.clear()

    assert diagnosis_of(world.platform()) == []
    assert world.calls.writes == []
    assert world.calls.count("dead_letters.receive") == 0


@pytest.mark.parametrize("denied", READS)
def test_diagnosis_with_one_part_denied_is_that_one_finding(world: FakePlatform, denied: str) -> None:
    """Incident 7, for each thing that is read: named with its reason, and nothing follows from it."""
    sources = an_original(bucket="archive")
    world.images.add(a_row(7, original=sources, due_at=None, intent_at=world.clock(), intent_id="x"))
    register_source(world.platform(), TENANT, "archive", who="ada")
    world.calls.fail(denied, DeniedError(f"not allowed: {denied}"), times=10**6)

    (finding,) = diagnosis_of(world.platform())

    assert finding.kind is Kind.BLIND
    assert f"not allowed: {denied}" in " ".join(finding.evidence)


def test_diagnosis_when_nothing_answers_is_one_finding(world: FakePlatform) -> None:
    """With everything unreachable a person reads one sentence, not twelve traces."""
    world.calls.clear()
    for name in READS:
        world.calls.fail(name, UnavailableError("connection refused"), times=10**6)

    (finding,) = diagnosis_of(world.platform())

    assert (finding.kind, finding.incident) == (Kind.BLIND, "7")
    assert isinstance(observe_evidence(world.platform()).rows, Blind)
    assert world.calls.count("steps.open") == 0


def test_evidence_counts_queues_before_rows(world: FakePlatform) -> None:
    """A job that ends in between shows as a row that waits no more, never as a lost job."""
    world.calls.clear()

    observe_evidence(world.platform())

    names = world.calls.names
    assert names.index("queue.depth") < names.index("images.outstanding")
    assert names.index("queue.dead_letter_depth") < names.index("images.outstanding")


def test_evidence_reads_boots_pulses_and_what_capacity_remembers(world: FakePlatform) -> None:
    """Records are read by their own writers' codecs."""
    platform = world.platform()
    report_boot(world, "i-9", BootStage.READY, template="7")
    platform.records.put(RecordKind.PULSE, "i-9", a_pulse("i-9").document())
    sweep(world)

    evidence = observe_evidence(platform)

    assert [boot.instance_id for boot in value_of(evidence.boots) or ()] == ["i-9"]
    assert list(value_of(evidence.pulses) or {}) == ["i-9"]
    memory = value_of(evidence.memory)
    assert memory is not None
    assert [mark.version for mark in memory.marks] == ["7"]


def test_audit_residue_is_found_until_an_audit_finds_none(world: FakePlatform) -> None:
    """What the last audit could not account for is told with its samples."""
    (key,) = upload(world, 1)
    stream(world, [key])
    work(world)
    platform = world.platform()
    world.images.forget(key)
    audit_tenant(platform, TENANT)

    (finding,) = diagnosis_of(platform)

    assert finding.kind is Kind.RESIDUE
    assert f"{key.image_id} (without row)" in " ".join(finding.evidence)

    sweep(world)
    pass_time(world, 1)
    world.images.add(a_row(key=key, due_at=None, intent_at=world.clock(), intent_id="x"))
    audit_tenant(platform, TENANT)
    assert diagnosis_of(platform) == []


def test_a_tenant_that_left_only_a_counter_is_missed_by_its_marker(world: FakePlatform) -> None:
    """Incident 5 with everything settled: the backlog's counters still know who was here."""
    world.records.add(RecordKind.BACKLOG, "lonely#2", {"pending_upload": 0})

    (finding,) = diagnosis_of(world.platform())

    assert finding.kind is Kind.MARKER_MISSING
    assert "lonely: backlog counter lonely#2" in finding.evidence


def test_a_tenant_that_left_only_its_bucket_is_missed_by_its_marker(world: FakePlatform) -> None:
    """Incident 5 before anything was uploaded, or after everything was erased: the bucket's name tells."""
    bucket = world.buckets.ensure("lonely")

    (finding,) = diagnosis_of(world.platform())

    assert finding.kind is Kind.MARKER_MISSING
    assert f"lonely: bucket {bucket}" in finding.evidence


def test_buckets_that_cannot_be_listed_are_named_and_hide_no_row(world: FakePlatform) -> None:
    """Whoever may not list buckets is told so, and is still told of tenants with rows."""
    world.calls.fail("buckets.existing", DeniedError("s3:ListAllMyBuckets"))

    findings = diagnosis_of(world.platform())

    assert [finding.kind for finding in findings] == [Kind.BLIND]
    assert "s3:ListAllMyBuckets" in " ".join(findings[0].evidence)
