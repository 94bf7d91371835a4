"""Why a tenant's images are where they are: the wait of its oldest, and how many wait beside it."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.why import Answer, Owner, Surroundings, why_image
from parjanya_dagster.core.reconcile.wording import counted, facts
from parjanya_dagster.core.truth.row import ImageRow


def why_tenant(
    tenant_id: str,
    rows: Sequence[ImageRow],
    *,
    is_registered: bool,
    around: Surroundings,
    limits: Limits,
    now: datetime,
) -> Answer:
    """Return what a tenant waits for.

    Args:
        rows: its newest rows; a wait that is older than all of them is not seen here.
        around: of the fleet that the oldest of them waits for.
    """
    counts = Counter(row.status.value for row in rows)
    evidence = facts(", ".join(f"{count} {status}" for status, count in counts.most_common()))
    if not is_registered:
        return _unregistered(tenant_id, evidence)
    oldest = oldest_waiting(rows)
    if oldest is None:
        return _quiet(tenant_id, rows, evidence)
    waiting = sum(not row.status.is_settled for row in rows)
    answer = why_image(oldest, around, limits, now)
    return Answer(
        subject=f"tenant:{tenant_id}",
        status="waiting",
        owner=answer.owner,
        reason=f"{waiting} of its newest {counted(len(rows), 'image')} wait; the oldest: {answer.reason}",
        since=answer.since,
        deadline=answer.deadline,
        then=answer.then,
        evidence=(*evidence, f"oldest: {oldest.key}", *answer.evidence),
    )


def oldest_waiting(rows: Sequence[ImageRow]) -> ImageRow | None:
    """Return the row that has waited for the longest; one that only a person can move comes after all others.

    Such rows say nothing about whether the line runs.
    """
    waiting = (row for row in rows if not row.status.is_settled)
    return min(waiting, key=lambda row: (row.quarantined, row.entered_at), default=None)


def _unregistered(tenant_id: str, evidence: tuple[str, ...]) -> Answer:
    return Answer(
        subject=f"tenant:{tenant_id}",
        status="unregistered",
        owner=Owner.PERSON,
        reason="it has no registry marker, so whatever goes by the registry passes it over",
        since=None,
        deadline=None,
        then=f"`parjanya tenant add {tenant_id}` writes the marker; so does its next upload",
        evidence=evidence,
    )


def _quiet(tenant_id: str, rows: Sequence[ImageRow], evidence: tuple[str, ...]) -> Answer:
    nothing = f"nothing waits among its newest {counted(len(rows), 'image')}"
    return Answer(
        subject=f"tenant:{tenant_id}",
        status="quiet",
        owner=Owner.NOBODY,
        reason=nothing if rows else "it has no images",
        since=max((row.entered_at for row in rows), default=None),
        deadline=None,
        then="nothing, until something is uploaded or replayed",
        evidence=evidence,
    )
