"""Adopting an archive: rows for the objects of a foreign bucket, or for the records of a foreign table.

It goes in batches: read, create the rows that are missing, then remember how far it came. A crash in between
repeats one batch, and a row that exists is left as it is, so running it twice adopts nothing twice.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from parjanya_dagster.control.ingest import original_of
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.sources import check_source, register_source
from parjanya_dagster.control.trail import recorded
from parjanya_dagster.control.uploads import MAX_UPLOAD_BYTES
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.ports import ObjectInfo
from parjanya_dagster.core.reconcile.adoption import (
    Claim,
    Found,
    adopted_image_id,
    adopted_row,
    claim_of_key,
    claim_of_record,
    refusal_of,
)
from parjanya_dagster.core.reconcile.source_mapping import SourceMapping
from parjanya_dagster.core.reconcile.wording import SAMPLES
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import Status

BATCH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What to adopt.

    Args:
        prefix: only objects whose key begins so; a table names its objects itself.
        table: the records of another system; None lists the bucket.
    """

    tenant_id: str
    bucket: str
    mapping: SourceMapping = field(default_factory=SourceMapping)
    prefix: str = ""
    table: str | None = None

    @property
    def record_id(self) -> str:
        """Id of the record of how far it came."""
        return f"{self.tenant_id}#{self.bucket}#{self.table or ''}#{self.prefix}"

    @property
    def command(self) -> str:
        """How the trail calls it."""
        table = f" --table {self.table}" if self.table else ""
        return f"adopt --tenant {self.tenant_id} --bucket {self.bucket}{table}"


@dataclass(slots=True)
class Progress:
    """How far an adoption came.

    Args:
        counts: objects and records, by what was made of them.
        samples: keys of each kind, at most 5, of this run.
        cursor: where to go on; None at the beginning and at the end.
    """

    counts: Counter[Found] = field(default_factory=Counter)
    samples: dict[Found, list[str]] = field(default_factory=dict)
    cursor: str | None = None
    finished: bool = False

    def count(self, found: Found, key: str) -> None:
        """Count one object or record."""
        self.counts[found] += 1
        sample = self.samples.setdefault(found, [])
        if len(sample) < SAMPLES:
            sample.append(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """An object or record that is left alone, and why."""

    label: str
    found: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """An object that is there, and what is said about it."""

    claim: Claim
    info: ObjectInfo


def adopt_source(
    platform: Platform,
    adoption: Adoption,
    *,
    who: str,
    resume: bool = False,
    on_batch: Callable[[Progress], None] = lambda _progress: None,
) -> Progress:
    """Register the source and create the rows that are missing; return what was made of everything.

    Args:
        who: for the audit trail.
        resume: go on where the last run of the same adoption stopped.

    Raises:
        InvalidRequestError: it cannot be adopted, or there is nothing to resume.
    """
    _check(platform, adoption)
    progress = _resumed(platform, adoption) if resume else Progress()
    with recorded(platform, who, adoption.command) as recording:
        register_source(platform, adoption.tenant_id, adoption.bucket, who=who)
        for batch, cursor in _batches(platform, adoption, progress.cursor):
            _take(platform, adoption, batch, progress, creates=True)
            progress.cursor = cursor
            _remember(platform, adoption, progress)
            recording.after = {found.value: count for found, count in progress.counts.items()}
            on_batch(progress)
        progress.cursor, progress.finished = None, True
        _remember(platform, adoption, progress)
    return progress


def preview_adoption(
    platform: Platform, adoption: Adoption, *, on_batch: Callable[[Progress], None] = lambda _progress: None
) -> Progress:
    """Return what an adoption would make of everything; write nothing.

    Raises:
        InvalidRequestError: it cannot be adopted.
    """
    _check(platform, adoption)
    progress = Progress()
    for batch, _ in _batches(platform, adoption, None):
        _take(platform, adoption, batch, progress, creates=False)
        on_batch(progress)
    progress.finished = True
    return progress


def _check(platform: Platform, adoption: Adoption) -> None:
    check_source(platform, adoption.tenant_id, adoption.bucket)
    if adoption.table and adoption.mapping.columns.key is None:
        raise InvalidRequestError(
            f"which column of table '{adoption.table}' is the object's key? "
            'Say so in the mapping: [columns] key = "…"'
        )


def _resumed(platform: Platform, adoption: Adoption) -> Progress:
    kept = platform.records.get(RecordKind.ADOPTION, adoption.record_id)
    if kept is None or kept["finished"]:
        raise InvalidRequestError(f"there is nothing to resume: no unfinished `parjanya {adoption.command}`")
    counts = Counter({Found(name): count for name, count in kept["counts"].items()})
    return Progress(counts=counts, cursor=kept["cursor"])


def _remember(platform: Platform, adoption: Adoption, progress: Progress) -> None:
    document = {
        "cursor": progress.cursor,
        "counts": {found.value: count for found, count in progress.counts.items()},
        "finished": progress.finished,
        "at": platform.clock().isoformat(),
    }
    platform.records.put(RecordKind.ADOPTION, adoption.record_id, document)


def _batches(
    platform: Platform, adoption: Adoption, cursor: str | None
) -> Iterator[tuple[Sequence[_Seen | _Left], str | None]]:
    """Yield what there is in batches, each with where to go on behind it."""
    if adoption.table is None:
        yield from _objects(platform, adoption, cursor)
        return
    while True:
        page = platform.archive.records(adoption.table, after=cursor, limit=BATCH)
        yield [_seen_record(platform, adoption, record) for record in page.records], page.after
        cursor = page.after
        if cursor is None:
            return


def _objects(
    platform: Platform, adoption: Adoption, cursor: str | None
) -> Iterator[tuple[Sequence[_Seen | _Left], str | None]]:
    every = platform.archive.versions(adoption.bucket, prefix=adoption.prefix, after_key=cursor or "")
    current = (each for each in every if each.is_current and not each.is_marker)
    while batch := list(islice(current, BATCH)):
        seen = [
            _Seen(
                claim=claim_of_key(each.key, adoption.mapping),
                info=ObjectInfo(
                    bucket=each.bucket,
                    key=each.key,
                    version_id=each.version_id,
                    etag=each.etag or "",
                    size_bytes=each.size_bytes,
                    modified_at=each.modified_at,
                ),
            )
            for each in batch
        ]
        yield seen, batch[-1].key


def _seen_record(platform: Platform, adoption: Adoption, record: Mapping[str, Any]) -> _Seen | _Left:
    claim = claim_of_record(record, adoption.mapping, bucket=adoption.bucket)
    if isinstance(claim, Found):
        return _Left(label=str(record.get(adoption.mapping.columns.key or "")), found=claim)
    info = platform.objects.head(adoption.bucket, claim.key)
    return _Left(label=claim.key, found=Found.NO_OBJECT) if info is None else _Seen(claim=claim, info=info)


def _take(
    platform: Platform,
    adoption: Adoption,
    batch: Sequence[_Seen | _Left],
    progress: Progress,
    *,
    creates: bool,
) -> None:
    wanted: dict[ImageKey, _Seen] = {}
    for each in batch:
        if isinstance(each, _Left):
            progress.count(each.found, each.label)
            continue
        image_id = adopted_image_id(each.info.bucket, each.info.key, each.info.modified_at)
        key = ImageKey(tenant_id=adoption.tenant_id, image_id=image_id)
        refusal = refusal_of(
            each.claim,
            adoption.mapping,
            size_bytes=each.info.size_bytes,
            modified_at=each.info.modified_at,
            max_bytes=MAX_UPLOAD_BYTES,
        )
        if refusal is None and key not in wanted:
            wanted[key] = each
        else:
            progress.count(refusal or Found.ALREADY_ADOPTED, each.claim.key)
    known = {row.key: row.status for row in platform.images.get_many(list(wanted))}
    for key, each in wanted.items():
        if key in known:
            found = Found.ERASED if known[key] is Status.ERASED else Found.ALREADY_ADOPTED
        else:
            found = _create(platform, key, each) if creates else Found.ADOPTED
        progress.count(found, each.claim.key)


def _create(platform: Platform, key: ImageKey, seen: _Seen) -> Found:
    row = adopted_row(seen.claim, original_of(seen.info), key=key, now=platform.clock())
    return Found.ADOPTED if platform.images.create(row) else Found.ALREADY_ADOPTED
