"""Symptoms of Intent: what waits and was never asked for, asked for and lost, misdirected or given up."""

from datetime import datetime

from parjanya_dagster.core.names import Names, TenantSources
from parjanya_dagster.core.reconcile.evidence import Evidence, Patience, value_of
from parjanya_dagster.core.reconcile.findings import Finding, Kind
from parjanya_dagster.core.reconcile.intent_gap import intent_gap
from parjanya_dagster.core.reconcile.wording import counted, facts, lasting, row_samples, samples_of
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status


def no_intent(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """Rows wait to be scored and nobody was asked: an empty queue is not "no work" (incident 2)."""
    rows = value_of(evidence.rows)
    if rows is None:
        return None
    messages = evidence.messages
    # Regrades wait behind what is queued, by design; fresh rows never do.
    lanes = set(Lane) if messages == 0 else {Lane.FRESH}
    before = now - patience.gap
    missed = [
        row for row in rows.gaps if row.lane in lanes and row.due_at is not None and row.due_at < before
    ]
    gap = intent_gap(missed, grace=patience.gap, now=now)
    if not gap.total:
        return None
    oldest = min(row.due_at for row in missed if row.due_at is not None)
    return Finding(
        kind=Kind.NO_INTENT,
        summary=(
            f"{counted(gap.total, 'row')} due to be scored for up to {lasting(now - oldest)} and no job "
            "was sent: stream and sweep missed them"
        ),
        evidence=facts(
            ", ".join(
                f"{tenant}: {counted(count, 'row')}" for tenant, count in sorted(gap.by_tenant.items())
            ),
            "" if messages is None else f"{_queues(evidence)}: {counted(messages, 'message')}",
            f"for example {', '.join(gap.samples)}",
        ),
        since=oldest,
        fix=(
            "`parjanya reconcile` sends the missing jobs now; then see why the stream's function and the "
            "sweep did not (their logs, the queue's send permission)"
        ),
    )


def lost_intent(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """Rows say that their job is out, and no queue holds so many (incident 1)."""
    rows, messages = value_of(evidence.rows), evidence.messages
    dead = value_of(evidence.dead_letter_queue)
    if rows is None or messages is None or dead is None:
        return None
    before = now - patience.queue
    old = [row for row in rows.outstanding if row.intent_at is not None and row.intent_at < before]
    lost = len(old) - messages - dead.total
    if lost <= 0:
        return None
    since = min(row.intent_at for row in old if row.intent_at is not None)
    return Finding(
        kind=Kind.LOST_INTENT,
        summary=f"{counted(lost, 'job')} cannot be on any queue, and their rows wait for them",
        evidence=facts(
            f"{counted(len(old), 'row')} stamped more than {lasting(patience.queue)} ago",
            f"{_queues(evidence)}: {counted(messages, 'message')}, dead letters: {dead.total}",
            row_samples(sorted(old, key=lambda row: row.intent_at or now)),
        ),
        since=since,
        fix=(
            "nothing, if a plane is alive and the queue runs dry: when both queues have read empty for two "
            "minutes the jobs are sent again (each `parjanya reconcile` is such a reading). Then ask who "
            "purged the queue, or what stamps before it sends"
        ),
    )


def wrong_bucket(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """Rows point into a bucket that is not their tenant's (incident 4)."""
    del patience, now
    rows = value_of(evidence.rows)
    every = {row.key: row for row in (*rows.newest, *rows.gaps, *rows.outstanding)} if rows else {}
    astray = [row for row in every.values() if _is_astray(row, evidence)]
    if not astray:
        return None
    held = sum(row.quarantined for row in astray)
    return Finding(
        kind=Kind.WRONG_BUCKET,
        summary=f"{counted(len(astray), 'row')} whose object lies in a bucket that is not their tenant's",
        evidence=facts(
            *(f"{row.key} points to {row.original.bucket}" for row in astray[:5] if row.original),
            f"{held} of {len(astray)} refused and set aside" if held else "",
            f"{counted(len(every), 'row')} looked at",
        ),
        since=min(row.entered_at for row in astray),
        fix=(
            "correct whoever wrote these rows. If the bucket is an archive of the tenant, register it: "
            "`parjanya adopt --tenant TENANT --bucket BUCKET`, then `parjanya replay` lets go on what was "
            "set aside; else `parjanya images erase`, and upload again. No job is built meanwhile"
        ),
    )


def dead_letters(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """Messages were given up, and nobody has acknowledged that (incident 8)."""
    queue = value_of(evidence.dead_letter_queue)
    waiting = queue.total if queue else 0
    letters = [each for each in value_of(evidence.dead_letters) or () if each.is_open]
    if not waiting and not letters:
        return None
    guilty = sum(each.blames_image for each in letters)
    oldest = min((each.found_at for each in letters), default=None)
    overdue = sum(each.found_at < now - patience.acknowledgement for each in letters)
    return Finding(
        kind=Kind.DEAD_LETTERS,
        summary=f"{counted(waiting + len(letters), 'job')} given up and not acknowledged",
        evidence=facts(
            f"dead-letter queue: {counted(waiting, 'message')}" if waiting else "",
            f"recorded: {len(letters)}, of these {guilty} the image's own fault" if letters else "",
            samples_of(f"{each.image or each.message_id} ({each.evidence})" for each in letters),
            f"{overdue} for more than {lasting(patience.acknowledgement)}" if overdue else "",
        ),
        since=oldest,
        fix=(
            "`parjanya redrive --list` shows what is known of each; `parjanya redrive` sends those without "
            "evidence against the image again, at a rate, after a preview; look at the others and note it: "
            "`parjanya redrive --acknowledge LETTER`"
        ),
    )


def quarantined(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """Rows were set aside and wait for a person; those astray are another finding's."""
    del patience
    rows = value_of(evidence.rows)
    aside = [
        row for row in (rows.newest if rows else ()) if row.quarantined and not _is_astray(row, evidence)
    ]
    if not aside:
        return None
    since = min(row.entered_at for row in aside)
    return Finding(
        kind=Kind.QUARANTINED,
        summary=(
            f"{counted(len(aside), 'row')} set aside until a person looks, up to {lasting(now - since)} old"
        ),
        evidence=facts(*(f"{row.key}: {row.last_error or 'no reason noted'}" for row in aside[:5])),
        since=since,
        fix=(
            "`parjanya why IMAGE` says what was tried; `parjanya redrive` or `parjanya replay` tries again, "
            "`parjanya images erase` ends it"
        ),
    )


def is_misrouted(row: ImageRow, *, names: Names, sources: TenantSources | None) -> bool:
    """Whether a row's object lies neither in its tenant's bucket nor in one of its registered sources.

    Args:
        sources: None where they could not be read; a foreign bucket is then not held against it.
    """
    if row.original is None or row.status is Status.ERASED:
        return False
    bucket, tenant_id = row.original.bucket, row.key.tenant_id
    owner = names.tenant_of_bucket(bucket)
    if owner is not None:
        return owner != tenant_id
    return sources is not None and not sources.admit(tenant_id, bucket)


def _queues(evidence: Evidence) -> str:
    return "all intents queues" if evidence.others else "intents queue"


def _is_astray(row: ImageRow, evidence: Evidence) -> bool:
    return is_misrouted(row, names=evidence.names, sources=value_of(evidence.sources))
