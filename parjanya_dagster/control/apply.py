"""Applying: actions → ports, in the plan's order, until the cycle's time is up.

Write order everywhere: send, then stamp. A crash in between duplicates a job, which costs one read; the
other order would lose it (incident 1).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, assert_never

from parjanya_dagster.control.adopt import abandon_upload, adopt_object
from parjanya_dagster.control.arrivals import remember_look
from parjanya_dagster.control.capacity import apply_capacity
from parjanya_dagster.control.dead_letters import settle_dead_letter
from parjanya_dagster.control.ingest import ingest_row
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.sources import sources_for
from parjanya_dagster.core.errors import EdgeError, InvalidIntentError
from parjanya_dagster.core.intent.job import Job, job_for
from parjanya_dagster.core.reconcile.actions import (
    AbandonUpload,
    Action,
    AdoptObject,
    EmitIntent,
    FallBack,
    Finish,
    LearnCapacity,
    LookOnFrom,
    Postpone,
    Quarantine,
    RememberEmptyReadings,
    Replay,
    ReportBlind,
    Revalidate,
    ScaleIn,
    ScaleOut,
    SettleDeadLetter,
    Terminate,
    Tidy,
    name_of,
)
from parjanya_dagster.core.reconcile.dead_letters import finished
from parjanya_dagster.core.reconcile.replay import EVERYTHING, replayed
from parjanya_dagster.core.truth.identity import new_image_id
from parjanya_dagster.core.truth.row import ImageRow

_SEND_SLICE: Final = 100
"""Jobs sent before they are stamped: what a crash can duplicate at most."""

_PROMPT: Final = (
    EmitIntent,
    ScaleOut,
    ScaleIn,
    Terminate,
    FallBack,
    LearnCapacity,
    RememberEmptyReadings,
    ReportBlind,
)
"""What costs one call at most, and is never left out for want of time; jobs were sent in slices before."""


@dataclass(slots=True)
class Applied:
    """What a cycle did.

    Args:
        counts: actions applied, by name and reason.
        faults: actions that failed, as messages for a person; the next cycle plans them again.
        blind: signals that could not be read.
        left: actions that the cycle had no time for; the next one plans them again.
        troubled: tenants whose bucket did not answer in this cycle, and what it said.
    """

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)
    left: int = 0
    troubled: dict[str, str] = field(default_factory=dict)


def apply(platform: Platform, actions: Sequence[Action], *, deadline: datetime | None = None) -> Applied:
    """Carry out the actions; one that fails stops no other.

    Args:
        deadline: nothing that touches a row or an object begins after this; None for no deadline. Capacity
            and memory cost one call each and are never left out.
    """
    applied = Applied()
    emissions = [action for action in actions if isinstance(action, EmitIntent)]
    # A fleet whose queue does not answer keeps no other fleet's jobs waiting.
    for fleet in (None, *platform.others):
        own = [each for each in emissions if platform.of_fleet(each.row.fleet).fleet_name == fleet]
        _emit_all(platform.of_fleet(fleet), own, applied, deadline=deadline)
    for action in actions:
        if deadline is not None and not isinstance(action, _PROMPT) and platform.clock() >= deadline:
            applied.left += 1
            continue
        _try(platform, action, applied)
    return applied


def _emit_all(
    platform: Platform, emissions: Sequence[EmitIntent], applied: Applied, *, deadline: datetime | None
) -> None:
    for start in range(0, len(emissions), _SEND_SLICE):
        if deadline is not None and platform.clock() >= deadline:
            applied.left += len(emissions) - start
            break
        if not _emit(platform, emissions[start : start + _SEND_SLICE], applied):
            break


def _emit(platform: Platform, emissions: Sequence[EmitIntent], applied: Applied) -> bool:
    """Send jobs and stamp their rows; return whether it is worth going on.

    A queue or a table that does not answer is no row's fault: nothing is moved, and the next cycle tries
    again. A queue that refuses single jobs lets those rows wait.
    """
    now = platform.clock()
    try:
        jobs = _jobs(platform, emissions, applied, now=now)
        sent = platform.queue.send([job for _, job in jobs.values()]) if jobs else []
        for job in sent:
            action, _ = jobs.pop(job.intent_id)
            # A stamp that loses means the worker was faster, or a replay came: both leave nothing to repair.
            platform.images.write(action.row, _stamped(action.row, job.intent_id, now=now))
            applied.counts[f"emit:{action.reason}"] += 1
    except EdgeError as error:
        applied.faults.append(f"EmitIntent: {error}")
        return False
    for action, _ in jobs.values():
        _try(platform, Postpone(row=action.row, reason="the queue refused its job"), applied)
    return True


def _jobs(
    platform: Platform, emissions: Sequence[EmitIntent], applied: Applied, *, now: datetime
) -> dict[str, tuple[EmitIntent, Job]]:
    """Return jobs by intent id; a row that none can be built for is quarantined by name (incident 4)."""
    jobs: dict[str, tuple[EmitIntent, Job]] = {}
    sources = sources_for(platform, [action.row for action in emissions])
    for action in emissions:
        intent_id = new_image_id(now, platform.entropy(10))
        try:
            job = job_for(action.row, names=platform.names, intent_id=intent_id, now=now, sources=sources)
        except InvalidIntentError as error:
            _try(platform, Quarantine(row=action.row, reason=f"invalid_intent: {error}"), applied)
            applied.faults.append(str(error))
            continue
        jobs[intent_id] = (action, job)
    return jobs


def _try(platform: Platform, action: Action, applied: Applied) -> None:
    """Apply one action; where a tenant's bucket failed before in this cycle, let the tenant wait alone."""
    tenant_id = _bucket_of(action)
    if tenant_id is not None and tenant_id in applied.troubled:
        _put_off(platform, action, applied.troubled[tenant_id], applied)
        return
    try:
        _apply_one(platform, action, applied)
    except EdgeError as error:
        applied.faults.append(f"{type(action).__name__}: {error}")
        if tenant_id is not None:
            applied.troubled[tenant_id] = str(error)
            _put_off(platform, action, str(error), applied)


def _put_off(platform: Platform, action: Action, reason: str, applied: Applied) -> None:
    if isinstance(action, Revalidate | AbandonUpload):
        _try(platform, Postpone(row=action.row, reason=reason), applied)


def _bucket_of(action: Action) -> str | None:
    match action:
        case Revalidate(row=row) | AbandonUpload(row=row):
            return row.key.tenant_id
        case AdoptObject(key=key):
            return key.tenant_id
        case LookOnFrom(tenant_id=tenant_id):
            return tenant_id
        case _:
            return None


def _apply_one(platform: Platform, action: Action, applied: Applied) -> None:  # noqa: C901 -- one arm per action
    match action:
        case EmitIntent():
            return
        case Revalidate(row=row):
            applied.counts[f"revalidate:{ingest_row(platform, row)}"] += 1
        case AbandonUpload(row=row):
            applied.counts[f"upload:{abandon_upload(platform, row)}"] += 1
        case AdoptObject(key=key, info=info):
            applied.counts[f"adopt:{adopt_object(platform, key, info)}"] += 1
        case LookOnFrom():
            remember_look(platform, action)
        case SettleDeadLetter():
            applied.counts[f"dead_letter:{settle_dead_letter(platform, action)}"] += 1
        case Quarantine() | Postpone() | Finish() | Replay() | Tidy():
            name, after = _row_after(platform, action)
            # A write that loses means that somebody else moved the row on: the next cycle sees where to.
            if platform.images.write(action.row, after):
                applied.counts[name] += 1
        case ScaleOut() | ScaleIn() | Terminate() | FallBack() | LearnCapacity():
            applied.counts[name_of(action)] += apply_capacity(platform.of_fleet(action.fleet), action)
        case RememberEmptyReadings(signal=signal, run=run):
            platform.control.remember_empty_readings(signal, run)
        case ReportBlind(blind=blind):
            applied.blind.append(f"{blind.signal}: {blind.reason}")
        case _:
            assert_never(action)


def _row_after(
    platform: Platform, action: Quarantine | Postpone | Finish | Replay | Tidy
) -> tuple[str, ImageRow]:
    """Return what the action is counted as, and the head that it makes of its row."""
    row, now = action.row, platform.clock()
    match action:
        case Quarantine(reason=reason):
            name = (
                "quarantine:invalid_intent" if reason.startswith("invalid_intent") else "quarantine:emissions"
            )
            said = f"quarantined: {reason}"[:300]
            return name, replace(row, quarantined=True, intent_at=None, intent_id=None, last_error=said)
        case Postpone():
            due_at = now + platform.limits.postponement(row.postponed)
            return "postpone", replace(row, due_at=due_at, postponed=row.postponed + 1)
        case Finish(result=result):
            return "finish", finished(row, result, now=now)
        case Replay():
            return "replay", replayed(row, EVERYTHING, lane=row.lane, now=now)
        case Tidy():
            tidied = replace(row, intent_at=None, intent_id=None)
            is_over = row.status.is_settled
            return "tidy", replace(tidied, due_at=None, quarantined=False) if is_over else tidied
        case _:
            assert_never(action)


def _stamped(row: ImageRow, intent_id: str, *, now: datetime) -> ImageRow:
    return replace(row, intent_at=now, intent_id=intent_id, emissions=row.emissions + 1, postponed=0)
