"""Why one thing is where it is: every wait has an owner, a reason, a since and a deadline.

A pure function over one row and what surrounds it, so that the answer rests on what
was read and on nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, assert_never

from parjanya_dagster.core.belief.signals import Blind, FleetSignal, QueueSignal
from parjanya_dagster.core.reconcile.dead_letters import DeadLetterRecord
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.replay_plan import failure_of
from parjanya_dagster.core.reconcile.wording import counted, facts, lasting
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.core.truth.trail import TrailEntry

OOM: Final = "oom"
"""Code of the failure that larger instances may get past."""
SWEEP: Final = timedelta(minutes=1)
"""A sweep looks at what is due this often."""


class Owner(StrEnum):
    """Who has to act next."""

    UPLOADER = "uploader"
    INGEST = "ingest"
    RECONCILE = "reconcile"
    FLEET = "fleet"
    WORKER = "worker"
    PERSON = "person"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a row's wait depends on.

    Args:
        queue: of the fleet that the row waits for, and so is `fleet`.
        fleet_name: that fleet's, if it is an extra one.
        dead_letter: what was recorded of a message of this image that was given up.
        trail: entries that may have moved this row, newest first.
    """

    queue: QueueSignal
    fleet: FleetSignal
    heartbeats: Mapping[str, datetime]
    fleet_name: str | None = None
    dead_letter: DeadLetterRecord | None = None
    trail: Sequence[TrailEntry] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Why one thing is where it is.

    Args:
        status: where it stands, in one word.
        owner: who has to act next; `nobody` when nothing is waited for.
        deadline: when the wait ends one way or another; None without a wait, or if only a person can end it.
        then: what happens at the deadline, or what a person can do.
        evidence: facts, most telling first.
    """

    subject: str
    status: str
    owner: Owner
    reason: str
    since: datetime | None
    deadline: datetime | None
    then: str
    evidence: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the answer as plain values."""
        return {
            "subject": self.subject,
            "status": self.status,
            "owner": self.owner.value,
            "reason": self.reason,
            "since": self.since.isoformat() if self.since else None,
            "deadline": self.deadline.isoformat() if self.deadline else None,
            "then": self.then,
            "evidence": list(self.evidence),
        }


def why_image(row: ImageRow, around: Surroundings, limits: Limits, now: datetime) -> Answer:
    """Return why an image is where it is."""
    if row.quarantined:
        return _quarantined(row, around)
    match row.status:
        case Status.PENDING_UPLOAD:
            return _upload(row, limits, now)
        case Status.PENDING_VALIDATION:
            return _validation(row, around, now)
        case Status.PENDING_VLM_ENRICHMENT:
            return _job(row, around, limits, now) if row.intent_at else _gap(row, around, now)
        case Status.ENRICHED:
            return _enriched(row, around)
        case Status.UPLOAD_FAILED | Status.REJECTED_TECHNICAL | Status.VLM_FAILED | Status.ERASED:
            return _ended(row, around)
        case _:
            assert_never(row.status)


def _upload(row: ImageRow, limits: Limits, now: datetime) -> Answer:
    valid_until = row.entered_at + limits.upload_url_life
    is_valid = now < valid_until
    return _answer(
        row,
        owner=Owner.UPLOADER if is_valid else Owner.RECONCILE,
        reason=(
            "the file has not arrived"
            if is_valid
            else "the file has not arrived and its URL has expired; a transfer may still be under way"
        ),
        deadline=row.due_at,
        then="the object is looked for once more; if it is there it is ingested, else the upload has failed",
        evidence=facts(
            f"upload URL valid until {_time(valid_until)}",
            f"asked for by {row.uploader}" if row.uploader else "",
        ),
    )


def _validation(row: ImageRow, around: Surroundings, now: datetime) -> Answer:
    is_due = row.due_at is not None and row.due_at <= now
    return _answer(
        row,
        owner=Owner.RECONCILE if is_due else Owner.INGEST,
        reason=(
            f"ingestion number {row.attempts} did not end in time"
            if is_due
            else f"ingestion number {row.attempts} is under way"
        ),
        deadline=(row.due_at + SWEEP if is_due else row.due_at) if row.due_at else None,
        then="the sweep ingests it again; after the third time that kills its process it is rejected by name",
        evidence=facts(row.last_error or "", *(_beats(around, now) if is_due else ())),
    )


def _gap(row: ImageRow, around: Surroundings, now: datetime) -> Answer:
    is_due = row.due_at is None or row.due_at <= now
    return _answer(
        row,
        owner=Owner.RECONCILE,
        reason=(
            "no job was sent for it yet"
            if is_due
            else f"it is held back after {counted(row.postponed, 'refusal')} in a row"
        ),
        since=row.due_at if is_due else row.entered_at,
        deadline=row.due_at + SWEEP if row.due_at else None,
        then="the stream or the next sweep sends its job",
        evidence=facts(
            f"last error: {row.last_error}" if row.last_error else "",
            f"{counted(row.returns, 'dead letter')} of this generation came back" if row.returns else "",
            _destination(row, around),
            *_beats(around, now),
        ),
    )


def _job(row: ImageRow, around: Surroundings, limits: Limits, now: datetime) -> Answer:
    sent_at = row.intent_at or now
    owner, reason = _execution(around)
    return _answer(
        row,
        owner=owner,
        reason=reason,
        since=sent_at,
        deadline=sent_at + limits.retention - limits.retention_margin,
        then=(f"its job is sent again; sooner, if both queues read empty for {lasting(limits.queue_quiet)}"),
        evidence=facts(
            f"job {row.intent_id} sent {lasting(now - sent_at)} ago, number {row.emissions} of this "
            "generation",
            counted(row.attempts, "attempt") + " recorded on this image alone" if row.attempts else "",
            f"last error: {row.last_error}" if row.last_error else "",
            _destination(row, around),
            *_dead_letter(around),
        ),
    )


def _destination(row: ImageRow, around: Surroundings) -> str:
    """Return which fleet a row waits for, where a replay named one."""
    if row.fleet is None:
        return ""
    is_there = row.fleet == around.fleet_name
    return f"a replay sent it to fleet {row.fleet}" + (
        "" if is_there else ", which is no more: the usual one scores it"
    )


def _execution(around: Surroundings) -> tuple[Owner, str]:
    """Return who has to carry a job out, and what stands between."""
    if isinstance(around.fleet, Blind) or isinstance(around.queue, Blind):
        signals = [each for each in (around.queue, around.fleet) if isinstance(each, Blind)]
        return Owner.WORKER, "its job is out; " + "; ".join(
            f"{each.signal} cannot be read: {each.reason}" for each in signals
        )
    fleet, queue = around.fleet.value, around.queue.value
    place = f"one of {queue.total} on the queue" + (
        f" of fleet {around.fleet_name}" if around.fleet_name else ""
    )
    if fleet.desired == 0:
        return Owner.RECONCILE, f"its job is {place}, and no instance is asked for"
    if fleet.in_service == 0:
        asked = counted(fleet.desired, "instance")
        return (
            Owner.FLEET,
            f"its job is {place}; {asked} asked for, none in service",
        )
    instances = counted(fleet.in_service, "instance")
    return (
        Owner.WORKER,
        f"its job is {place} ({queue.in_flight} being worked on) of {instances}",
    )


def _quarantined(row: ImageRow, around: Surroundings) -> Answer:
    return _answer(
        row,
        owner=Owner.PERSON,
        reason=row.last_error or "it was set aside, and no reason was noted",
        then="`parjanya replay` tries again, `parjanya images erase` ends it; nothing happens by itself",
        evidence=facts(
            f"{counted(row.emissions, 'job')} of generation {row.generation}" if row.emissions else "",
            f"its object lies in {row.original.bucket}" if row.original else "",
            *_dead_letter(around),
        ),
    )


def _enriched(row: ImageRow, around: Surroundings) -> Answer:
    decision = row.decision
    verdict = (
        f"{decision.verdict} under policy {decision.policy_version} ({', '.join(decision.reason_codes)})"
        if decision
        else "no decision"
    )
    return _answer(
        row,
        owner=Owner.NOBODY,
        reason=f"it was scored and decided: {verdict}",
        then="nothing: it is settled until somebody replays it or a policy changes",
        evidence=facts(
            f"a person's verdict stands above it: {row.override.verdict} by {row.override.by}, "
            f"{row.override.reason}"
            if row.override
            else "",
            f"scored by {row.scored_by}" if row.scored_by else "",
            *_replays(row, around),
        ),
    )


def _ended(row: ImageRow, around: Surroundings) -> Answer:
    return _answer(
        row,
        owner=Owner.NOBODY,
        reason=row.last_error or f"it is {row.status}",
        then=_ELSEWHERE if failure_of(row) == OOM else _AFTER[row.status],
        evidence=facts(*_dead_letter(around), *_replays(row, around)),
    )


_ELSEWHERE: Final = (
    "nothing, unless somebody replays it on a fleet of larger instances: `parjanya replay --fleet NAME`"
)
_AFTER: Final = {
    Status.UPLOAD_FAILED: "nothing, unless the object arrives after all: then it is ingested",
    Status.REJECTED_TECHNICAL: "nothing: the file itself cannot be used; upload another",
    Status.VLM_FAILED: "nothing, unless somebody replays it: `parjanya replay`",
    Status.ERASED: "nothing, ever: its tombstone keeps it from being adopted again",
}


def _answer(
    row: ImageRow,
    *,
    owner: Owner,
    reason: str,
    then: str,
    since: datetime | None = None,
    deadline: datetime | None = None,
    evidence: tuple[str, ...] = (),
) -> Answer:
    return Answer(
        subject=str(row.key),
        status=row.status,
        owner=owner,
        reason=reason,
        since=since or row.entered_at,
        deadline=deadline,
        then=then,
        evidence=evidence,
    )


def _replays(row: ImageRow, around: Surroundings) -> list[str]:
    replays = [f"generation {row.generation}"] if row.generation > 1 else []
    return replays + [f"{entry.action!r} by {entry.who} at {_time(entry.begun_at)}" for entry in around.trail]


def _dead_letter(around: Surroundings) -> list[str]:
    letter = around.dead_letter
    if letter is None:
        return []
    state = f"acknowledged by {letter.acknowledged_by}" if letter.acknowledged_by else "not acknowledged"
    return [f"a message of it was given up, found {_time(letter.found_at)}: {letter.evidence}; {state}"]


def _beats(around: Surroundings, now: datetime) -> list[str]:
    return [
        f"plane {plane} last looked {lasting(now - at)} ago"
        for plane, at in sorted(around.heartbeats.items())
    ] or ["no plane has ever looked"]


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
