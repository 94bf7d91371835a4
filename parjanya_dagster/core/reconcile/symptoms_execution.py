"""Symptoms of Execution: Intent is there, and nothing carries it out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from parjanya_dagster.core.belief.signals import FleetSize, QueueDepth
from parjanya_dagster.core.reconcile.capacity_memory import BootMark
from parjanya_dagster.core.reconcile.evidence import Evidence, Patience, value_of
from parjanya_dagster.core.reconcile.findings import Finding, Kind
from parjanya_dagster.core.reconcile.starts import breaker, failed_starts
from parjanya_dagster.core.reconcile.wording import SAMPLES, counted, facts, lasting, row_samples
from parjanya_dagster.core.truth.row import Status

FAILED_STARTS: Final = 2
"""One failed start is chance; a second in a row has a cause."""


def never_asked(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """Jobs wait on the queue and no instance was asked for (incident 3)."""
    queue, fleet = value_of(evidence.queue), value_of(evidence.fleet)
    since = _waiting_since(evidence)
    if queue is None or fleet is None or since is None or queue.total == 0 or fleet.desired > 0:
        return None
    if now - since < patience.capacity:
        return None
    is_capped = fleet.max_size == 0
    return Finding(
        kind=Kind.NEVER_ASKED,
        summary=(
            f"{counted(queue.total, 'job')} waiting for up to {lasting(now - since)}, and no instance "
            "asked for"
        ),
        evidence=facts(*_demand(queue, fleet), _steps(evidence)),
        since=since,
        fix=(
            "the group's maximum is 0: raise it"
            if is_capped
            else "one call: `parjanya reconcile` raises the desired capacity to what the demand needs; if "
            "it stays 0, the caller lacks autoscaling:SetDesiredCapacity or the price cap forbids it "
            "(`parjanya capacity`)"
        ),
    )


def never_came(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """Instances were asked for and none came into service (incident 3)."""
    queue, fleet = value_of(evidence.queue), value_of(evidence.fleet)
    since = _waiting_since(evidence)
    if queue is None or fleet is None or since is None or queue.total == 0:
        return None
    if fleet.desired == 0 or fleet.in_service > 0 or now - since < patience.boot:
        return None
    return Finding(
        kind=Kind.NEVER_CAME,
        summary=(
            f"{counted(fleet.desired, 'instance')} asked for and none in service, while "
            f"{counted(queue.total, 'job')} waited for up to {lasting(now - since)}"
        ),
        evidence=facts(*_demand(queue, fleet)),
        since=since,
        fix=(
            "look at the group's scaling activities for what refuses the launch (capacity of the zone, "
            "quota, lifecycle hook); on a laptop `parjanya status` shows whether the fleet's process runs"
        ),
    )


def no_progress(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """Instances are in service, jobs wait, and no instance shows life."""
    queue, fleet, pulses = value_of(evidence.queue), value_of(evidence.fleet), value_of(evidence.pulses)
    since = _waiting_since(evidence)
    if queue is None or fleet is None or pulses is None or since is None:
        return None
    last = max((each.progress_at for each in pulses.values()), default=None)
    is_alive = last is not None and now - last < patience.progress
    if is_alive or queue.visible == 0 or fleet.in_service == 0 or now - since < patience.progress:
        return None
    return Finding(
        kind=Kind.NO_PROGRESS,
        summary=(
            f"{counted(fleet.in_service, 'instance')} in service, {counted(queue.visible, 'job')} waiting, "
            "and " + (f"no progress for {lasting(now - last)}" if last else "no pulse, ever")
        ),
        evidence=facts(
            *_demand(queue, fleet),
            *(
                f"{name}: pulse {lasting(now - each.at)} ago, progress {lasting(now - each.progress_at)} "
                f"ago, holds {each.held}"
                for name, each in sorted(pulses.items())[:SAMPLES]
            ),
        ),
        since=last or since,
        fix=(
            "`parjanya reconcile` ends instances without a pulse and the group replaces them; if the next "
            "ones are silent too, read a worker's log: it cannot reach a queue, a table or a bucket"
        ),
    )


def model_missing(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """An instance started and refused its model files: terminal, so one is proof enough (incident 6b)."""
    del patience
    failed = failed_starts(evidence).refused_model
    if not failed:
        return None
    return Finding(
        kind=Kind.MODEL_MISSING,
        summary=f"{counted(len(failed), 'instance')} booted and refused the model files: {failed[0].error}",
        evidence=_start_facts(evidence, failed, now),
        since=failed[-1].at,
        fix=(
            "the planes go back to the last good version of the launch template by themselves, if one ever "
            "came up (`parjanya capacity`); then bake the image with exactly the files of its manifest, and "
            "let one instance verify it before the group uses it"
        ),
    )


def boots_fail(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """Instances cannot be launched, or die before the worker starts (incident 6a)."""
    del patience
    failed = failed_starts(evidence).others
    if len(failed) < FAILED_STARTS:
        return None
    return Finding(
        kind=Kind.BOOTS_FAIL,
        summary=(
            f"{len(failed)} starts failed in a row, the last {lasting(now - failed[0].at)} ago: "
            f"{failed[0].error}"
        ),
        evidence=_start_facts(evidence, failed, now),
        since=failed[-1].at,
        fix=(
            "the planes go back to the last good version of the launch template by themselves, if one ever "
            "came up (`parjanya capacity`); then repair what the error names (image deregistered, instance "
            "profile, security group, user data) and bake again"
        ),
    )


def stuck_rows(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """Rows are overdue in upload or validation: no ingestion ended, and no sweep took them up."""
    rows = value_of(evidence.rows)
    before = now - patience.gap
    stuck = [
        row
        for row in (rows.gaps if rows else ())
        if row.status in (Status.PENDING_VALIDATION, Status.PENDING_UPLOAD)
        and row.due_at is not None
        and row.due_at < before
    ]
    if not stuck:
        return None
    since = min(row.due_at for row in stuck if row.due_at is not None)
    in_validation = sum(row.status is Status.PENDING_VALIDATION for row in stuck)
    return Finding(
        kind=Kind.STUCK_ROWS,
        summary=(
            f"{counted(len(stuck), 'row')} stuck before scoring, overdue for up to {lasting(now - since)}"
        ),
        evidence=facts(
            f"{in_validation} in validation, {len(stuck) - in_validation} waiting for an upload",
            row_samples(stuck),
        ),
        since=since,
        fix=(
            "`parjanya reconcile` ingests them again (or materialize `validated_images`); if they come "
            "back, the log of the function `on-upload` says what ended it"
        ),
    )


def _waiting_since(evidence: Evidence) -> datetime | None:
    """Return when the oldest outstanding job was sent, or None when no row waits for one."""
    rows = value_of(evidence.rows)
    sent = (row.intent_at for row in (rows.outstanding if rows else ()) if row.intent_at is not None)
    return min(sent, default=None)


def _demand(queue: QueueDepth, fleet: FleetSize) -> list[str]:
    return [
        f"intents queue: {queue.visible} visible, {queue.in_flight} in flight, {queue.delayed} delayed",
        f"fleet: {fleet.desired} desired, {fleet.in_service} in service, at most {fleet.max_size}",
    ]


def _steps(evidence: Evidence) -> str:
    steps = value_of(evidence.steps)
    return f"Dagster steps waiting or running: {steps}" if steps else ""


def _start_facts(evidence: Evidence, failed: Sequence[BootMark], now: datetime) -> tuple[str, ...]:
    held = breaker(evidence)
    return facts(
        *(f"{mark.mark} (template {mark.version}): {mark.error}" for mark in failed[:3]),
        f"breaker open: {held.words}" if held and held.is_open(now) else "",
    )
