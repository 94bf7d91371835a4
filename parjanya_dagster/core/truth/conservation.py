"""Conservation: whatever was uploaded is accounted for, and whatever is claimed is there.

Within a window of image ids, every original has a row past upload, and every row past upload has its
original; a tombstone stands for an original that is gone on purpose. What remains is a number with samples.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from parjanya_dagster.core.truth.erasure import is_unfinished
from parjanya_dagster.core.truth.identity import created_at_of
from parjanya_dagster.core.truth.row import BEFORE_UPLOAD, ImageRow, Status

WINDOW: Final = timedelta(days=1)
SAMPLES: Final = 5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Window:
    """All image ids made on one day, UTC.

    Args:
        since: first moment; `until` is the first moment after.
    """

    since: datetime

    @property
    def until(self) -> datetime:
        """First moment of the next window."""
        return self.since + WINDOW

    @property
    def first_id(self) -> str:
        """Text that no id of this window is below, and no id of an earlier one reaches."""
        return id_floor(self.since)

    @property
    def end_id(self) -> str:
        """Text that every id of this window is below."""
        return id_floor(self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowAudit:
    """One tenant's window, both directions.

    Args:
        originals: objects under `originals/` in the tenant's bucket.
        rows: rows past upload whose original lies in the tenant's bucket.
        elsewhere: rows past upload whose original lies in an adopted bucket; not compared.
        tombstones: erased rows.
        without_row: objects that have no row past upload.
        without_object: rows past upload whose object is gone.
        not_erased: erased rows whose object is still there, or whose erasure nobody has finished.
        samples: image ids by residue, at most 5 each.
        digest: sha256 over everything that was compared; a closed window keeps it.
    """

    window: Window
    originals: int
    rows: int
    elsewhere: int
    tombstones: int
    without_row: int
    without_object: int
    not_erased: int
    samples: Mapping[str, tuple[str, ...]]
    digest: str

    @property
    def residue(self) -> int:
        """Images that are not accounted for; 0 when everything is conserved."""
        return self.without_row + self.without_object + self.not_erased


def window_of(image_id: str) -> Window:
    """Return the window an image belongs to.

    Raises:
        ValueError: not a UUID.
    """
    return window_at(created_at_of(image_id))


def window_at(moment: datetime) -> Window:
    """Return the window of a moment."""
    return Window(since=moment - (moment - _EPOCH) % WINDOW)


def id_floor(moment: datetime) -> str:
    """Return the beginning of the least UUIDv7 of a moment: 48 bits of milliseconds as a UUID writes them."""
    digits = f"{(moment - _EPOCH) // timedelta(milliseconds=1):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def closed_id(tenant_id: str, window: Window) -> str:
    """Return the id under which a tenant's closed window is kept."""
    return f"{tenant_id}#{window.since:%Y-%m-%d}"


def audited(
    window: Window, *, objects: Iterable[str], rows: Iterable[ImageRow], bucket: str, now: datetime
) -> WindowAudit:
    """Return the comparison of a window's originals with its rows.

    Args:
        objects: image ids of the originals in `bucket`, each once.
        rows: heads of the window, in any order.
        bucket: the tenant's uploads bucket.
    """
    stored = set(objects)
    heads = list(rows)
    past = [row for row in heads if row.status not in BEFORE_UPLOAD and row.status is not Status.ERASED]
    here = {row.key.image_id for row in past if row.original is None or row.original.bucket == bucket}
    erased = {row.key.image_id for row in heads if row.status is Status.ERASED}
    left = {
        row.key.image_id for row in heads if is_unfinished(row) and (row.due_at is None or row.due_at <= now)
    }
    residue = {
        "without_row": sorted(stored - here - erased),
        "without_object": sorted(here - stored),
        "not_erased": sorted(stored & erased | left),
    }
    return WindowAudit(
        window=window,
        originals=len(stored),
        rows=len(here),
        elsewhere=len(past) - len(here),
        tombstones=len(erased),
        **{name: len(ids) for name, ids in residue.items()},
        samples={name: tuple(ids[:SAMPLES]) for name, ids in residue.items() if ids},
        digest=_digest(stored, here, erased),
    )


def unaccounted_stamps(*, stamps: int, messages: int, dead_letters: int) -> int:
    """Return how many jobs the rows claim that no queue holds; 0 when every stamp is covered.

    Duplicates make messages exceed stamps, which is harmless; the other way round is lost intent.
    """
    return max(0, stamps - messages - dead_letters)


def window_document(audit: WindowAudit) -> dict[str, Any]:
    """Return the record of a window."""
    return {
        "since": audit.window.since.isoformat(),
        "originals": audit.originals,
        "rows": audit.rows,
        "elsewhere": audit.elsewhere,
        "tombstones": audit.tombstones,
        "without_row": audit.without_row,
        "without_object": audit.without_object,
        "not_erased": audit.not_erased,
        "samples": {name: list(ids) for name, ids in audit.samples.items()},
        "digest": audit.digest,
    }


def window_audit_of(document: Mapping[str, Any]) -> WindowAudit:
    """Return the window in a record."""
    counts = {
        name: int(document[name])
        for name in (
            *("originals", "rows", "elsewhere", "tombstones"),
            *("without_row", "without_object", "not_erased"),
        )
    }
    return WindowAudit(
        window=Window(since=datetime.fromisoformat(document["since"])),
        **counts,
        samples={name: tuple(ids) for name, ids in document["samples"].items()},
        digest=document["digest"],
    )


def _digest(*kinds: set[str]) -> str:
    told = "\n".join(",".join(sorted(ids)) for ids in kinds)
    return sha256(told.encode()).hexdigest()
