"""The audit: Truth against itself, both directions, per tenant and window of time.

Recent windows are compared every night. A window that can no longer change is closed: its counts and digest
are kept, and only a full pass reads it again, so that a loss in old Truth is noticed within a week.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Final

from parjanya_dagster.control.counters import correct
from parjanya_dagster.control.listing import all_images, records_of
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.names import image_id_of_key
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.conservation import (
    SAMPLES,
    WINDOW,
    Window,
    WindowAudit,
    audited,
    closed_id,
    unaccounted_stamps,
    window_audit_of,
    window_document,
    window_of,
)
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status

CLOSES_AFTER: Final = 2 * WINDOW
"""A window is closed this long after its end: no upload URL of it is valid, no transfer under way."""
_WAITING_READ: Final = 100_000
_LONGEST_WAIT: Final = timedelta(days=30)
"""Rows whose date is still to come wait too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantAudit:
    """What an audit of one tenant found.

    Args:
        first: the tenant's first window; None while it has no image.
        windows: what was compared in this pass, oldest first.
        kept: closed windows taken from the record, unread.
        changed: closed windows that are no longer what the record says, by their first moment.
        full: every window was read.
    """

    tenant_id: str
    first: Window | None
    windows: tuple[WindowAudit, ...]
    kept: tuple[WindowAudit, ...]
    changed: tuple[datetime, ...]
    full: bool
    at: datetime

    @property
    def residue(self) -> int:
        """Images not accounted for, in all windows."""
        return sum(each.residue for each in (*self.kept, *self.windows))


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentAudit:
    """Stamps against messages, over all tenants.

    Args:
        stamps: rows that say a job is out.
        messages: in the intents queue; None when it could not be read.
        dead_letters: in the dead-letter queue; None when it could not be read.
        unaccounted: stamps that no queue covers; None when a queue could not be read.
        samples: the oldest stamps, `tenant#image`, when any is unaccounted for.
    """

    stamps: int
    messages: int | None
    dead_letters: int | None
    unaccounted: int | None
    samples: tuple[str, ...]


def audit_tenant(
    platform: Platform,
    tenant_id: str,
    *,
    full: bool = False,
    progress: Callable[[WindowAudit], None] = lambda _window: None,
) -> TenantAudit:
    """Compare a tenant's originals with its rows, and keep what was found.

    Interrupted at any point and begun again it goes on: a closed window is kept as soon as it was compared.

    Args:
        full: read closed windows again, and compare them with their record.
        progress: told about every window that was compared.

    Raises:
        EdgeError: a store did not answer.
    """
    now = platform.clock()
    known = {each.window: each for each in closed_windows(platform, tenant_id)}
    first = _first_window(platform, tenant_id, full=full)
    every = list(_windows(first, now))
    windows: list[WindowAudit] = []
    for window in every:
        if full or window not in known:
            windows.append(_compared(platform, tenant_id, window, known.get(window), now))
            progress(windows[-1])
    correct(platform, tenant_id, _waiting(platform, tenant_id))
    audit = TenantAudit(
        tenant_id=tenant_id,
        first=first,
        windows=tuple(windows),
        kept=() if full else tuple(known[window] for window in every if window in known),
        changed=tuple(each.window.since for each in windows if _is_changed(known.get(each.window), each)),
        full=full,
        at=now,
    )
    platform.records.put(RecordKind.AUDIT, tenant_id, audit_document(audit))
    return audit


def audit_intents(platform: Platform) -> IntentAudit:
    """Compare the rows that say a job is out with what the queues hold.

    Counts of a queue are approximate, and jobs sent this moment may be missing from them: rows sent within
    the settling time are not asked about.
    """
    now = platform.clock()
    sent = platform.images.outstanding(sent_before=now - platform.limits.queue_settling, limit=_WAITING_READ)
    queues, dead = platform.queue_depths(), platform.queue.dead_letter_depth()
    totals = [None if isinstance(queue, Blind) else queue.value.total for queue in queues.values()]
    messages = None if None in totals else sum(filter(None, totals))
    dead_letters = None if isinstance(dead, Blind) else dead.value.total
    unaccounted = None
    if messages is not None and dead_letters is not None:
        unaccounted = unaccounted_stamps(stamps=len(sent), messages=messages, dead_letters=dead_letters)
    return IntentAudit(
        stamps=len(sent),
        messages=messages,
        dead_letters=dead_letters,
        unaccounted=unaccounted,
        samples=tuple(str(key) for key in sent[:SAMPLES]) if unaccounted else (),
    )


def last_audit(platform: Platform, tenant_id: str) -> dict[str, Any] | None:
    """Return the document of a tenant's last audit (see `audit_document`), or None."""
    return platform.records.get(RecordKind.AUDIT, tenant_id)


def audit_document(audit: TenantAudit) -> dict[str, Any]:
    """Return an audit as plain values: totals over all windows, and every window with a residue."""
    every = (*audit.kept, *audit.windows)
    totals = {
        name: sum(getattr(each, name) for each in every)
        for name in (
            *("originals", "rows", "elsewhere", "tombstones"),
            *("without_row", "without_object", "not_erased"),
        )
    }
    return {
        "tenant": audit.tenant_id,
        "at": audit.at.isoformat(),
        "full": audit.full,
        "first": audit.first.since.isoformat() if audit.first else None,
        **totals,
        "residue": audit.residue,
        "changed": [each.isoformat() for each in audit.changed],
        "windows_read": len(audit.windows),
        "windows_kept": len(audit.kept),
        "residues": [window_document(each) for each in every if each.residue][-SAMPLES:],
    }


def closed_windows(platform: Platform, tenant_id: str) -> Iterator[WindowAudit]:
    """Yield a tenant's closed windows, newest first."""
    for _, document in records_of(platform, RecordKind.CONSERVATION, tenant_id):
        yield window_audit_of(document)


def _waiting(platform: Platform, tenant_id: str) -> Counter[Status]:
    """Return a tenant's rows that wait, by status: what the indexes name, read consistently."""
    now = platform.clock()
    keys = set(platform.images.outstanding(sent_before=now, limit=_WAITING_READ))
    for lane in Lane:
        keys.update(platform.images.due_gaps(lane, due_before=now + _LONGEST_WAIT, limit=_WAITING_READ))
    rows = platform.images.get_many(sorted(key for key in keys if key.tenant_id == tenant_id))
    return Counter(row.status for row in rows if not row.status.is_settled and not row.quarantined)


def _windows(first: Window | None, now: datetime) -> Iterator[Window]:
    while first is not None and first.since <= now:
        yield first
        first = Window(since=first.until)


def _first_window(platform: Platform, tenant_id: str, *, full: bool) -> Window | None:
    """Return the tenant's first window: as the last audit recorded it, or found again in a full pass.

    Adoption may bring images that are older than everything before.
    """
    last = last_audit(platform, tenant_id)
    if last and last["first"] and not full:
        return Window(since=datetime.fromisoformat(last["first"]))
    ids = _ids_from(platform, tenant_id, "")
    found = (next(_known_windows(ids), None), _oldest_row(platform, tenant_id))
    return min((each for each in found if each is not None), default=None)


def _known_windows(image_ids: Iterator[str]) -> Iterator[Window]:
    """Yield windows of ids; an id that carries no time is nobody's upload, and adoption names it."""
    for image_id in image_ids:
        with suppress(ValueError):
            yield window_of(image_id)


def _oldest_row(platform: Platform, tenant_id: str) -> Window | None:
    """Return the window of the tenant's oldest row; a listing knows no other way to it than through all."""
    last = deque(all_images(platform, tenant_id), maxlen=1)
    return window_of(last[0].key.image_id) if last else None


def _compared(
    platform: Platform, tenant_id: str, window: Window, before: WindowAudit | None, now: datetime
) -> WindowAudit:
    """Compare a window, and close it once nothing in it can change; one that did change stays on record."""
    found = _audited(platform, tenant_id, window, now)
    may_close = found.residue == 0 and now - window.until >= CLOSES_AFTER
    if may_close and not _is_changed(before, found):
        platform.records.put(RecordKind.CONSERVATION, closed_id(tenant_id, window), window_document(found))
    return found


def _is_changed(before: WindowAudit | None, found: WindowAudit) -> bool:
    return before is not None and before.digest != found.digest


def _audited(platform: Platform, tenant_id: str, window: Window, now: datetime) -> WindowAudit:
    return audited(
        window,
        objects=takewhile(
            lambda image_id: image_id < window.end_id, _ids_from(platform, tenant_id, window.first_id)
        ),
        rows=_rows_of(platform, tenant_id, window),
        bucket=platform.names.uploads_bucket(tenant_id),
        now=now,
    )


def _ids_from(platform: Platform, tenant_id: str, from_id: str) -> Iterator[str]:
    bucket = platform.names.uploads_bucket(tenant_id)
    ids = (image_id_of_key(info.key) for info in platform.objects.originals(bucket, from_id=from_id))
    return (image_id for image_id in ids if image_id is not None)


def _rows_of(platform: Platform, tenant_id: str, window: Window) -> list[ImageRow]:
    """Return the heads of a window, read consistently: the listing names them, and lags."""
    listed = (row.key for row in all_images(platform, tenant_id, before_image_id=window.end_id))
    keys = takewhile(lambda key: key.image_id >= window.first_id, listed)
    return platform.images.get_many(list(keys))
