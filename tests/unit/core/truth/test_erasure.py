"""Tombstones, and the account of what went."""

from dataclasses import fields
from datetime import timedelta

import pytest

from parjanya_dagster.core.errors import IllegalTransitionError
from parjanya_dagster.core.names import originals_folder
from parjanya_dagster.core.truth.erasure import (
    Erasure,
    digest_of_version,
    is_unfinished,
    tombstone_of,
    tombstone_of_object,
)
from parjanya_dagster.core.truth.row import ImageRow, Original, Status
from tests.builders import NAMES, NOON, a_key, a_row, an_original

PATIENCE = timedelta(minutes=3)
LATER = NOON + timedelta(hours=1)
KEPT = {"key", "status", "generation", "entered_at", "due_at", "original"}


def buried(row: ImageRow, *, include_source: bool = False, awaits_upload: bool = True) -> ImageRow:
    """Return the tombstone of a row an hour after noon."""
    return tombstone_of(
        row,
        names=NAMES,
        include_source=include_source,
        patience=PATIENCE,
        now=LATER,
        awaits_upload=awaits_upload,
    )


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.ERASED])
def test_tombstone_of_any_row_names_nobody(status: Status) -> None:
    """No file name, no uploader, no verdict: whatever is not listed here has its default."""
    row = a_row(status=status, attempts=2, last_error="ada's photo", generation=7)
    tombstone = buried(row)

    bare = ImageRow(key=row.key, status=Status.ERASED, generation=7, entered_at=LATER)
    others = [field.name for field in fields(row) if field.name not in KEPT]
    assert [getattr(tombstone, name) for name in others] == [getattr(bare, name) for name in others]
    assert (tombstone.key, tombstone.status, tombstone.generation) == (row.key, Status.ERASED, 7)
    assert (tombstone.entered_at, tombstone.is_gap) == (LATER, False)
    assert tombstone.original == Original(
        bucket=NAMES.uploads_bucket("acme"), key=originals_folder(row.key.image_id)
    )
    assert is_unfinished(tombstone)


def test_erased_row_is_not_erased_again() -> None:
    """The lifecycle says so."""
    with pytest.raises(IllegalTransitionError):
        buried(a_row(status=Status.ERASED))


def test_adopted_original_is_only_pointed_to_when_it_is_to_go() -> None:
    """A key in somebody else's bucket may carry a name: it is not kept without need."""
    row = a_row(status=Status.ENRICHED, original=an_original(bucket="archive", key="ada/2019.jpg"))

    kept, without = buried(row, include_source=True).original, buried(row).original
    assert kept == Original(bucket="archive", key="ada/2019.jpg")
    assert without is not None
    assert without.bucket == NAMES.uploads_bucket("acme")
    uploaded = buried(a_row(original=None), include_source=True).original
    assert uploaded is not None
    assert uploaded.key == originals_folder(a_key().image_id)


@pytest.mark.parametrize(
    ("row", "final_at"),
    [
        (a_row(status=Status.ENRICHED), LATER),
        (a_row(status=Status.ENRICHED, entered_at=LATER), LATER + PATIENCE),
        (a_row(), LATER + PATIENCE),
        (a_row(status=Status.PENDING_UPLOAD), LATER + PATIENCE),
        (
            a_row(status=Status.PENDING_UPLOAD, due_at=LATER + timedelta(hours=1)),
            LATER + timedelta(hours=1, seconds=5),
        ),
    ],
    ids=["settled", "just_settled", "pending", "upload", "open_upload"],
)
def test_last_look_is_final_when_nobody_can_write_any_more(row: ImageRow, final_at: object) -> None:
    """Workers that began before, and uploads under way, are waited for; nothing else is."""
    assert buried(row).due_at == final_at


def test_upload_is_not_awaited_where_its_bucket_goes() -> None:
    """There will be nothing to put it into."""
    row = a_row(status=Status.PENDING_UPLOAD, due_at=LATER + timedelta(hours=1))

    assert buried(row, awaits_upload=False).due_at == LATER + PATIENCE


def test_objects_without_a_row_get_a_tombstone_too() -> None:
    """It keeps them from being adopted while they go."""
    tombstone = tombstone_of_object(a_key(), names=NAMES, now=NOON)

    assert is_unfinished(tombstone)
    assert (tombstone.generation, tombstone.due_at) == (int(NOON.timestamp() * 1000), NOON)
    assert not is_unfinished(a_row())


def test_account_survives_its_record_and_names_no_object() -> None:
    """What went is proven by digests; the certificate carries counts and one digest per image."""
    version = digest_of_version("bucket", "originals/ada.jpg", "v1")
    account = Erasure(
        key=a_key(),
        generation=3,
        erased_at=NOON,
        objects=frozenset({version, digest_of_version("bucket", "originals/ada.jpg", None)}),
        items=frozenset({"facts", "result#1"}),
        letters=frozenset({"letter"}),
        finished=True,
    )

    assert Erasure.from_document(account.to_document()) == account
    assert "ada" not in str(account.to_document())
    certified = account.certified()
    assert (certified["object_versions"], certified["items"], certified["dead_letters"]) == (2, 2, 1)
    assert certified["digest"] == account.digest != Erasure(key=a_key(), generation=3, erased_at=NOON).digest
