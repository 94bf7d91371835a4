"""Dead letters: what a ruling does, and the record that a person looks at.

Record, then row, then delete: whatever crashes in between, the letter comes back and finds its record, and
the row says by its job's id whether the ruling was carried out.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.reconcile.actions import Ruling, SettleDeadLetter
from parjanya_dagster.core.reconcile.dead_letters import (
    DeadLetterRecord,
    document_of,
    record_from,
    record_of,
    row_after,
    ruled,
)
from parjanya_dagster.core.reconcile.snapshot import FoundLetter
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.identity import image_key_from

_KEPT: Final = timedelta(days=90)
"""How long a record is kept that nobody needs to look at, or that settles with its image.

A job that was returned waits in its row: if that waits still, it is found without the letter.
"""
_READ: Final = 1000


def settle_dead_letter(platform: Platform, action: SettleDeadLetter) -> Ruling:
    """Record the letter, carry out the ruling, delete the message; return the ruling that came to hold.

    Raises:
        EdgeError: some step failed; the letter comes back, and the steps that were done are not repeated.
    """
    _record(platform, action)
    before, after = action.row, row_after(action, limits=platform.limits, now=platform.clock())
    if before is not None and after is not None and not platform.images.write(before, after):
        action = _ruled_again(platform, action)
    platform.dead_letters.delete([action.letter.receipt])
    return action.ruling


def open_dead_letters(platform: Platform) -> list[DeadLetterRecord]:
    """Return dead letters that somebody should look at, newest first, among the newest 1,000 records.

    One whose image went on meanwhile is none: that follows from the rows, whoever moved them.

    Raises:
        EdgeError: records or rows cannot be read.
    """
    found = platform.records.newest(RecordKind.DEAD_LETTER, limit=_READ)
    letters = [record for _, document in found if (record := record_from(document)).is_open]
    keys = sorted({image_key_from(each.image) for each in letters if each.image})
    rows = {str(row.key): row for row in platform.images.get_many(keys)} if keys else {}
    return [each for each in letters if not each.is_overtaken(rows.get(each.image or ""))]


def acknowledge(platform: Platform, record_id: str, by: str) -> DeadLetterRecord:
    """Note that somebody has looked at a dead letter; the first one who did stays on record.

    Raises:
        InvalidRequestError: there is no such record.
    """
    document = platform.records.get(RecordKind.DEAD_LETTER, record_id)
    if document is None:
        raise InvalidRequestError(f"there is no dead letter '{record_id}'")
    record = record_from(document)
    if record.acknowledged_by is not None:
        return record
    seen = replace(record, acknowledged_by=by, acknowledged_at=platform.clock())
    if platform.records.replace(RecordKind.DEAD_LETTER, record_id, document, document_of(seen)):
        return seen
    return record_from(platform.records.get(RecordKind.DEAD_LETTER, record_id) or document)


def _record(platform: Platform, action: SettleDeadLetter) -> None:
    """Write the record of a letter once; a redelivery leaves the first ruling and its evidence on record."""
    record = record_of(action, now=platform.clock())
    platform.records.create(
        RecordKind.DEAD_LETTER, record.record_id, document_of(record), expires_at=_expiry(record)
    )


def _ruled_again(platform: Platform, action: SettleDeadLetter) -> SettleDeadLetter:
    """The row moved on since it was read: what holds now goes on record instead."""
    row = platform.images.get(action.job.key) if action.job else None
    found = FoundLetter(letter=action.letter, job=action.job, row=row)
    again = ruled(found, platform.limits)
    record = record_of(again, now=platform.clock())
    platform.records.put(
        RecordKind.DEAD_LETTER, record.record_id, document_of(record), expires_at=_expiry(record)
    )
    return again


def _expiry(record: DeadLetterRecord) -> datetime | None:
    settles_itself = record.ruling is Ruling.RETURNED or not record.is_open
    return record.found_at + _KEPT if settles_itself else None
