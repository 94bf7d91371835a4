"""Observing for a diagnosis: ports → Evidence, each part by itself, so that a refusal hides nothing else.

Queues are counted before the rows that wait for their messages are read: a job that ended in between then
shows as a row that no longer waits, and never as a job that got lost.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from parjanya_dagster.control.capacity import capacity_memory, newest_boots
from parjanya_dagster.control.dead_letters import open_dead_letters
from parjanya_dagster.control.listing import images_of
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.readings import reading_of
from parjanya_dagster.control.sources import sources_for
from parjanya_dagster.core.belief.pulse import Pulse
from parjanya_dagster.core.belief.signals import Blind, QueueSignal, Reading
from parjanya_dagster.core.names import NO_SOURCES, TenantSources
from parjanya_dagster.core.reconcile.diagnose import diagnose
from parjanya_dagster.core.reconcile.evidence import Evidence, FleetEvidence, Patience, Residue, Rows
from parjanya_dagster.core.reconcile.findings import Finding
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.row import ImageRow, Lane

NEWEST_READ: Final = 100
"""Newest rows of each tenant that are looked at."""
RECORDS_READ: Final = 500


def diagnosis_of(platform: Platform) -> list[Finding]:
    """Read the platform once and return what is wrong with it; never raises for what cannot be read."""
    return findings_in(platform, observe_evidence(platform))


def findings_in(platform: Platform, evidence: Evidence) -> list[Finding]:
    """Return what is wrong according to evidence that was just observed."""
    return diagnose(evidence, Patience(queue=platform.limits.queue_quiet), platform.clock())


def observe_evidence(platform: Platform) -> Evidence:
    """Return everything that a diagnosis may look at."""
    registry = reading_of(platform, "registry", lambda: tuple(platform.control.tenants()))
    queue, dead_letter_queue = platform.queue.depth(), platform.queue.dead_letter_depth()
    if all(isinstance(each, Blind) for each in (registry, queue, dead_letter_queue)):
        return _nothing_else(platform, registry, queue, dead_letter_queue)
    queues = {name: each.queue.depth() for name, each in platform.others.items()}
    rows = reading_of(platform, "image rows", lambda: _rows(platform, registry))
    return Evidence(
        queue=queue,
        dead_letter_queue=dead_letter_queue,
        rows=rows,
        fleet=platform.fleet.size(),
        launches=platform.fleet.launches(),
        steps=platform.steps.open_steps(),
        heartbeats=reading_of(platform, "heartbeats", platform.control.heartbeats),
        registry=registry,
        traces=reading_of(platform, "backlog counters and buckets", lambda: _traces(platform)),
        boots=reading_of(platform, "boots", lambda: newest_boots(platform)),
        pulses=reading_of(platform, "pulses", lambda: _pulses(platform)),
        dead_letters=reading_of(platform, "dead-letter records", lambda: tuple(open_dead_letters(platform))),
        residues=reading_of(platform, "audits", lambda: _residues(platform)),
        memory=reading_of(platform, "capacity memory", lambda: capacity_memory(platform)),
        names=platform.names,
        sources=reading_of(platform, "sources", lambda: _sources(platform, rows)),
        breaker_limits=platform.capacity.breaker,
        others={name: _evidence_of(platform.of_fleet(name), queue) for name, queue in queues.items()},
    )


def _evidence_of(platform: Platform, queue: QueueSignal) -> FleetEvidence:
    """Return what a diagnosis may look at of an extra fleet, asked of the platform as that fleet has it."""
    return FleetEvidence(
        queue=queue,
        fleet=platform.fleet.size(),
        launches=platform.fleet.launches(),
        boots=reading_of(platform, "boots", lambda: newest_boots(platform)),
        memory=reading_of(platform, "capacity memory", lambda: capacity_memory(platform)),
    )


def _nothing_else(
    platform: Platform,
    registry: Reading[tuple[str, ...]] | Blind,
    queue: QueueSignal,
    dead_letter_queue: QueueSignal,
) -> Evidence:
    """Return evidence of a platform that does not answer: each further call would wait for its timeout."""
    rest = Blind(signal="all else", reason="not tried: neither Truth nor Intent answers", at=platform.clock())
    return Evidence(
        queue=queue,
        dead_letter_queue=dead_letter_queue,
        rows=rest,
        fleet=rest,
        launches=rest,
        steps=rest,
        heartbeats=rest,
        registry=registry,
        traces=rest,
        boots=rest,
        pulses=rest,
        dead_letters=rest,
        residues=rest,
        memory=rest,
        names=platform.names,
        sources=rest,
        breaker_limits=platform.capacity.breaker,
    )


def _rows(platform: Platform, registry: Reading[tuple[str, ...]] | Blind) -> Rows:
    now, limits = platform.clock(), platform.limits
    due = [
        key
        for lane in Lane
        for key in platform.images.due_gaps(lane, due_before=now, limit=limits.max_actions)
    ]
    sent = platform.images.outstanding(sent_before=now - limits.queue_settling, limit=limits.max_actions)
    heads = {row.key: row for row in platform.images.get_many(sorted({*due, *sent}))}
    newest: list[ImageRow] = []
    for tenant_id in () if isinstance(registry, Blind) else registry.value:
        newest += images_of(platform, tenant_id, limit=NEWEST_READ)
    return Rows(
        gaps=tuple(row for row in heads.values() if row.is_gap),
        outstanding=tuple(row for row in heads.values() if row.has_outstanding_intent),
        newest=tuple(newest),
    )


def _sources(platform: Platform, rows: Reading[Rows] | Blind) -> TenantSources:
    if isinstance(rows, Blind):
        return NO_SOURCES
    return sources_for(platform, (*rows.value.gaps, *rows.value.outstanding, *rows.value.newest))


def _traces(platform: Platform) -> Mapping[str, str]:
    """Return where each tenant left something; what was counted says more than a bucket."""
    counters = platform.records.newest(RecordKind.BACKLOG, limit=RECORDS_READ)
    return {
        tenant_id: f"bucket {platform.names.uploads_bucket(tenant_id)}"
        for tenant_id in platform.buckets.existing()
    } | {record_id.partition("#")[0]: f"backlog counter {record_id}" for record_id, _ in counters}


def _pulses(platform: Platform) -> dict[str, Pulse]:
    found = platform.records.newest(RecordKind.PULSE, limit=RECORDS_READ)
    return {instance_id: Pulse.of(instance_id, document) for instance_id, document in found}


def _residues(platform: Platform) -> tuple[Residue, ...]:
    audits = platform.records.newest(RecordKind.AUDIT, limit=RECORDS_READ)
    return tuple(
        Residue(
            tenant_id=tenant_id,
            count=int(document["residue"]),
            unfinished=int(document["not_erased"]),
            samples=tuple(
                f"{image_id} ({kind.replace('_', ' ')})"
                for window in document["residues"]
                for kind, image_ids in window["samples"].items()
                for image_id in image_ids
            ),
            at=datetime.fromisoformat(document["at"]),
        )
        for tenant_id, document in audits
        if document["residue"]
    )
