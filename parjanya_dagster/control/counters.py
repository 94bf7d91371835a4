"""Counters of the backlog: pending rows by tenant, the service level, at a cost that no backlog changes.

They are fed by the stream with the old and the new image of a head. Nothing else in the platform may use
the content of an event, since a stream can be late, repeat itself or lose a record: here the worst that
follows is a wrong number on a page. No repair, no job and no instance depends on it alone, a backlog that
fits into one look at the indexes is taken from there instead, and the audit corrects what has drifted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.identity import SHARDS, ImageKey
from parjanya_dagster.core.truth.row import Lane, Status

_PROBE: Final = 500
"""Entries per index that are looked at: a smaller backlog is seen whole."""
_TENANTS_READ: Final = 10_000
_INSTANT: Final = timedelta(milliseconds=1)
"""What happens at this very moment is seen too: indexes keep whole milliseconds, and end before a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How one head changed, as a stream record has it.

    Args:
        before: status before; None when the head is new, or was in quarantine and waited for a person.
        after: status after; None when the head is gone, or is in quarantine.
    """

    key: ImageKey
    before: Status | None
    after: Status | None


def note_changes(platform: Platform, changes: Iterable[Change]) -> None:
    """Count what changed; rows that stay pending, or stay settled, cost nothing.

    Raises:
        EdgeError: a counter did not answer; some may have counted.
    """
    sums: dict[str, Counter[str]] = {}
    for change in changes:
        # A status that does not wait has no counter.
        before, after = _counted(change.before), _counted(change.after)
        if before is not after:
            sums.setdefault(f"{change.key.tenant_id}#{change.key.shard}", Counter()).update(
                {status: sign for status, sign in ((before, -1), (after, 1)) if status}
            )
    for record_id, by_status in sorted(sums.items()):
        platform.records.add(
            RecordKind.BACKLOG, record_id, {name: change for name, change in by_status.items() if change}
        )


def backlog(platform: Platform) -> Counter[str]:
    """Return rows that wait to be uploaded, validated or scored, by tenant, where there are any.

    While one bounded look at the indexes sees them all, that is the answer; beyond it the counters are.
    """
    seen, is_whole = _probe(platform)
    if is_whole:
        return seen
    counted = Counter(
        {tenant_id: sum(by_status.values()) for tenant_id, by_status in counts(platform).items()}
    )
    return +(counted | seen)


def counts(platform: Platform) -> dict[str, Counter[str]]:
    """Return what the counters say: by tenant and status."""
    found: dict[str, Counter[str]] = {}
    for record_id, document in platform.records.newest(RecordKind.BACKLOG, limit=_TENANTS_READ * SHARDS):
        tenant_id, _, _ = record_id.partition("#")
        found.setdefault(tenant_id, Counter()).update({name: int(count) for name, count in document.items()})
    return found


def correct(platform: Platform, tenant_id: str, found: Mapping[Status, int]) -> Counter[str]:
    """Make a tenant's counters say what an audit counted; return by how much they were wrong.

    What the stream counts meanwhile is kept: the difference is added, nothing is overwritten.
    """
    said = Counter[str]()
    for shard in range(SHARDS):
        said.update(platform.records.get(RecordKind.BACKLOG, f"{tenant_id}#{shard}") or {})
    drift = {
        status.value: found.get(status, 0) - said[status.value]
        for status in Status
        if not status.is_settled and found.get(status, 0) != said[status.value]
    }
    platform.records.add(RecordKind.BACKLOG, f"{tenant_id}#0", drift)
    return Counter(drift)


def _counted(status: Status | None) -> Status | None:
    return None if status is None or status.is_settled else status


def _probe(platform: Platform) -> tuple[Counter[str], bool]:
    """Return rows by tenant as the sparse indexes show them, and whether one look saw them all."""
    until = platform.clock() + _INSTANT
    looks = [
        platform.images.outstanding(sent_before=until, limit=_PROBE),
        *(platform.images.due_gaps(lane, due_before=until, limit=_PROBE) for lane in Lane),
    ]
    seen = {key for look in looks for key in look}
    return Counter(key.tenant_id for key in seen), all(len(look) < _PROBE for look in looks)
