"""Applying: actions → ports, in the plan's order.

Write order everywhere: send, then stamp. A crash in between duplicates a job, which costs one read; the
other order would lose it (incident 1).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from parjanya_dagster.control.adopt import abandon_upload, adopt_object
from parjanya_dagster.control.ingest import ingest_row
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.errors import EdgeError, InvalidIntentError
from parjanya_dagster.core.intent.job import Job, job_for
from parjanya_dagster.core.reconcile.actions import (
    AbandonUpload,
    Action,
    AdoptObject,
    EmitIntent,
    Quarantine,
    RememberEmptyReadings,
    ReportBlind,
    Revalidate,
    ScaleIn,
    ScaleOut,
)
from parjanya_dagster.core.truth.identity import new_image_id
from parjanya_dagster.core.truth.row import ImageRow

_SEND_SLICE: Final = 100
"""Jobs sent before they are stamped: what a crash can duplicate at most."""
_LEASE_S: Final = 30


@dataclass(slots=True)
class Applied:
    """What a cycle did.

    Args:
        counts: actions applied, by name and reason.
        faults: actions that failed, as messages for a person; the next cycle plans them again.
        blind: signals that could not be read.
    """

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)


def apply(platform: Platform, actions: Sequence[Action]) -> Applied:
    """Carry out the actions; one that fails stops no other."""
    applied = Applied()
    emissions = [action for action in actions if isinstance(action, EmitIntent)]
    for start in range(0, len(emissions), _SEND_SLICE):
        _emit(platform, emissions[start : start + _SEND_SLICE], applied)
    for action in actions:
        if isinstance(action, EmitIntent):
            continue
        try:
            _apply_one(platform, action, applied)
        except EdgeError as error:
            applied.faults.append(f"{type(action).__name__}: {error}")
    return applied


def _emit(platform: Platform, emissions: Sequence[EmitIntent], applied: Applied) -> None:
    now = platform.clock()
    jobs: dict[str, tuple[EmitIntent, Job]] = {}
    for action in emissions:
        intent_id = new_image_id(now, platform.entropy(10))
        try:
            job = job_for(action.row, names=platform.names, intent_id=intent_id, now=now)
        except InvalidIntentError as error:
            _quarantine(platform, action.row, str(error))
            applied.counts["quarantine:invalid_intent"] += 1
            applied.faults.append(str(error))
            continue
        jobs[intent_id] = (action, job)
    try:
        sent = platform.queue.send([job for _, job in jobs.values()]) if jobs else []
    except EdgeError as error:
        applied.faults.append(f"EmitIntent: {error}")
        return
    for job in sent:
        action, _ = jobs[job.intent_id]
        stamped = replace(
            action.row, intent_at=now, intent_id=job.intent_id, emissions=action.row.emissions + 1
        )
        # A stamp that loses means the worker was faster, or a replay came: both leave nothing to repair.
        platform.images.write(action.row, stamped)
        applied.counts[f"emit:{action.reason}"] += 1
    if len(sent) < len(jobs):
        applied.faults.append(f"EmitIntent: the queue refused {len(jobs) - len(sent)} of {len(jobs)} jobs")


def _apply_one(platform: Platform, action: Action, applied: Applied) -> None:
    match action:
        case EmitIntent():
            return
        case Revalidate(row=row):
            ingest_row(platform, row)
            applied.counts["revalidate"] += 1
        case AbandonUpload(row=row):
            applied.counts[f"upload:{abandon_upload(platform, row)}"] += 1
        case AdoptObject(key=key, info=info):
            applied.counts[f"adopt:{adopt_object(platform, key, info)}"] += 1
        case Quarantine(row=row, reason=reason):
            _quarantine(platform, row, reason)
            applied.counts["quarantine:emissions"] += 1
        case ScaleOut() | ScaleIn():
            _scale(platform, action, applied)
        case RememberEmptyReadings(signal=signal, run=run):
            platform.control.remember_empty_readings(signal, run)
        case ReportBlind(blind=blind):
            applied.blind.append(f"{blind.signal}: {blind.reason}")
        case _:
            assert_never(action)


def _scale(platform: Platform, action: ScaleOut | ScaleIn, applied: Applied) -> None:
    """Any plane may raise the capacity; only the lease's holder lowers it."""
    if isinstance(action, ScaleIn) and not platform.control.take_lease(
        "capacity", platform.plane, now=platform.clock(), duration_s=_LEASE_S
    ):
        return
    platform.fleet.set_desired(action.desired)
    applied.counts["scale_in" if isinstance(action, ScaleIn) else "scale_out"] += 1


def _quarantine(platform: Platform, row: ImageRow, reason: str) -> None:
    platform.images.write(row, replace(row, quarantined=True, last_error=f"quarantined: {reason}"[:300]))
