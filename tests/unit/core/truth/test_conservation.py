"""Conservation: every original accounted for, every claim backed by an object."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.truth.conservation import (
    WINDOW,
    Window,
    audited,
    id_floor,
    unaccounted_stamps,
    window_at,
    window_audit_of,
    window_document,
    window_of,
)
from parjanya_dagster.core.truth.identity import new_image_id
from parjanya_dagster.core.truth.row import ImageRow, Status
from tests.builders import NAMES, NOON, TENANT, a_row, an_original

BUCKET = NAMES.uploads_bucket(TENANT)
TODAY = window_at(NOON)
MOMENTS = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds / 7, tz=UTC))


def ids(*rows: ImageRow) -> list[str]:
    """Return the image ids of rows."""
    return [row.key.image_id for row in rows]


def test_window_when_everything_has_its_counterpart_has_no_residue() -> None:
    """Scored, failed and pending rows all keep their original."""
    rows = [a_row(1), a_row(2, status=Status.ENRICHED), a_row(3, status=Status.REJECTED_TECHNICAL)]

    audit = audited(TODAY, objects=ids(*rows), rows=rows, bucket=BUCKET, now=NOON)

    assert (audit.originals, audit.rows, audit.residue, dict(audit.samples)) == (3, 3, 0, {})


@pytest.mark.parametrize("status", [Status.PENDING_UPLOAD, Status.UPLOAD_FAILED])
def test_row_before_upload_claims_no_object_and_accounts_for_none(status: Status) -> None:
    """A late PUT behind a row that gave up is a residue, until it is adopted."""
    row = a_row(1, status=status)

    assert audited(TODAY, objects=[], rows=[row], bucket=BUCKET, now=NOON).residue == 0
    late = audited(TODAY, objects=ids(row), rows=[row], bucket=BUCKET, now=NOON)
    assert (late.without_row, late.samples["without_row"]) == (1, (row.key.image_id,))


def test_object_without_row_and_row_without_object_are_both_named() -> None:
    """Both directions, with samples."""
    kept, orphan, claim = a_row(1), a_row(2), a_row(3, status=Status.ENRICHED)

    audit = audited(TODAY, objects=ids(kept, orphan), rows=[kept, claim], bucket=BUCKET, now=NOON)

    assert (audit.without_row, audit.without_object, audit.residue) == (1, 1, 2)
    assert audit.samples == {"without_row": tuple(ids(orphan)), "without_object": tuple(ids(claim))}


def test_tombstone_accounts_for_an_object_that_is_gone_but_not_for_one_that_stayed() -> None:
    """An erasure that left its object behind is found."""
    gone, left = (a_row(number, status=Status.ERASED, original=None, due_at=None) for number in (1, 2))

    audit = audited(TODAY, objects=ids(left), rows=[gone, left], bucket=BUCKET, now=NOON)

    assert (audit.tombstones, audit.not_erased, audit.without_row, audit.without_object) == (2, 1, 0, 0)


@pytest.mark.parametrize(
    ("final_in", "not_erased"), [(None, 1), (timedelta(0), 1), (timedelta(seconds=1), 0)]
)
def test_erasure_that_nobody_finished_is_named_once_its_last_look_is_due(
    final_in: timedelta | None, not_erased: int
) -> None:
    """Its object may be gone, and its results not; until then whoever was busy may still write."""
    row = a_row(1, status=Status.ERASED, due_at=None if final_in is None else NOON + final_in)

    audit = audited(TODAY, objects=[], rows=[row], bucket=BUCKET, now=NOON)

    assert (audit.tombstones, audit.not_erased, audit.residue) == (1, not_erased, not_erased)
    assert audit.samples == ({"not_erased": tuple(ids(row))} if not_erased else {})


def test_row_of_an_adopted_bucket_is_counted_apart() -> None:
    """Its original is not in the tenant's bucket, and nobody claims that it is."""
    row = a_row(1, original=an_original(bucket="their-archive"))

    audit = audited(TODAY, objects=[], rows=[row], bucket=BUCKET, now=NOON)

    assert (audit.elsewhere, audit.rows, audit.residue) == (1, 0, 0)


def test_samples_are_few_however_much_is_missing() -> None:
    """A number says how much, samples say where to look."""
    rows = [a_row(number) for number in range(1, 50)]

    audit = audited(TODAY, objects=[], rows=rows, bucket=BUCKET, now=NOON)

    assert (audit.without_object, len(audit.samples["without_object"])) == (49, 5)


def test_digest_changes_with_what_is_there_and_with_nothing_else() -> None:
    """A closed window whose digest changed has lost or gained something."""
    rows = [a_row(1), a_row(2)]
    digest = audited(TODAY, objects=ids(*rows), rows=rows, bucket=BUCKET, now=NOON).digest

    assert audited(TODAY, objects=ids(*rows)[::-1], rows=rows[::-1], bucket=BUCKET, now=NOON).digest == digest
    assert audited(TODAY, objects=ids(rows[0]), rows=rows, bucket=BUCKET, now=NOON).digest != digest


def test_window_when_kept_as_a_record_is_read_back() -> None:
    """What is kept of a closed window is all that was found."""
    audit = audited(TODAY, objects=ids(a_row(2)), rows=[a_row(1)], bucket=BUCKET, now=NOON)

    assert window_audit_of(window_document(audit)) == audit


@pytest.mark.parametrize(
    ("stamps", "messages", "dead_letters", "unaccounted"),
    [(0, 0, 0, 0), (5, 5, 0, 0), (5, 3, 2, 0), (5, 9, 0, 0), (5, 3, 1, 1), (5, 0, 0, 5)],
)
def test_stamps_beyond_messages_and_dead_letters_are_unaccounted(
    stamps: int, messages: int, dead_letters: int, unaccounted: int
) -> None:
    """A duplicate message is harmless; a stamp without one is lost intent."""
    assert unaccounted_stamps(stamps=stamps, messages=messages, dead_letters=dead_letters) == unaccounted


@given(moment=MOMENTS, entropy=st.binary(min_size=10, max_size=10))
def test_every_id_lies_in_the_window_of_its_moment(moment: datetime, entropy: bytes) -> None:
    """Windows tile time, and the order of ids is the order of time."""
    image_id = new_image_id(moment, entropy)
    window = window_of(image_id)

    assert window == window_at(moment)
    assert window.since <= moment < window.until
    assert window.first_id <= image_id < window.end_id
    assert Window(since=window.until).first_id == window.end_id
    assert window_at(window.since - timedelta(milliseconds=1)).until == window.since
    assert id_floor(moment) <= image_id < id_floor(moment + timedelta(milliseconds=1))
    assert window.until - window.since == WINDOW
