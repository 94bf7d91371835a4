"""What a foreign object or record becomes."""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.reconcile.adoption import (
    Claim,
    Found,
    adopted_image_id,
    adopted_row,
    claim_of_key,
    claim_of_record,
    moment_of,
    refusal_of,
)
from parjanya_dagster.core.reconcile.source_mapping import Columns, Defaults, Select, SourceMapping
from parjanya_dagster.core.truth.identity import created_at_of
from parjanya_dagster.core.truth.row import Lane, Status
from tests.builders import NOON, a_key, an_original

MAPPING = SourceMapping(
    columns=Columns(
        key="path", uploader="owner", time="taken", status="state", priority="prio", file_name="title"
    ),
    statuses={"done": "adopt", "deleted": "skip"},
    priorities={"rush": "high"},
    defaults=Defaults(uploader="archive", priority="low"),
)
RECORD = {"path": "2019/a.jpg", "state": "done"}
times = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by contract


@given(st.text(min_size=1), times)
def test_foreign_key_maps_to_one_valid_id_for_ever(key: str, modified_at: datetime) -> None:
    """Whoever adopts an object again, from whichever list, arrives at the same UUIDv7."""
    image_id = adopted_image_id("archive", key, modified_at)

    assert image_id == adopted_image_id("archive", key, modified_at)
    parsed = uuid.UUID(image_id)
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert abs(created_at_of(image_id) - modified_at) < timedelta(milliseconds=1)
    assert image_id != adopted_image_id("archive", f"{key}!", modified_at)
    assert image_id != adopted_image_id("elsewhere", key, modified_at)


@given(times, times)
def test_adopted_ids_are_in_the_order_of_their_objects(one: datetime, two: datetime) -> None:
    """Listings, windows and `--before` hold for adopted images too."""
    earlier, later = sorted([one, two])
    if later - earlier >= timedelta(milliseconds=1):
        assert adopted_image_id("archive", "z", earlier) < adopted_image_id("archive", "a", later)


def test_record_says_what_its_columns_say() -> None:
    """All columns of a mapping, in their own words."""
    record = RECORD | {"owner": "ada", "taken": "2019-05-01", "prio": "rush", "title": "Sunset.jpg"}

    assert claim_of_record(record, MAPPING, bucket="archive") == Claim(
        key="2019/a.jpg",
        uploader="ada",
        priority="high",
        file_name="Sunset.jpg",
        at=datetime(2019, 5, 1, tzinfo=UTC),
    )


def test_record_that_says_little_gets_the_defaults() -> None:
    """What no column tells, the mapping's defaults do."""
    assert claim_of_record(RECORD | {"prio": "whenever"}, MAPPING, bucket="archive") == Claim(
        key="2019/a.jpg", uploader="archive", priority="low", file_name="a.jpg"
    )


@pytest.mark.parametrize("said", ["s3://archive/2019/a.jpg", "/2019/a.jpg", "2019/a.jpg"])
def test_key_of_a_record_is_understood_however_it_is_written(said: str) -> None:
    """Systems write addresses, paths or keys."""
    claim = claim_of_record({"path": said, "state": "done"}, MAPPING, bucket="archive")

    assert isinstance(claim, Claim)
    assert claim.key == "2019/a.jpg"


def test_prefix_is_put_before_their_keys() -> None:
    """Their keys may be relative to a folder that only they knew."""
    mapping = MAPPING.model_copy(update={"select": Select(key_prefix="uploads/")})
    claim = claim_of_record(RECORD, mapping, bucket="archive")

    assert isinstance(claim, Claim)
    assert claim.key == "uploads/2019/a.jpg"


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"state": "done"}, Found.NO_KEY),
        (RECORD | {"state": "deleted"}, Found.STATUS_SKIPPED),
        (RECORD | {"state": "???"}, Found.STATUS_UNKNOWN),
        ({"path": "a.jpg"}, Found.STATUS_UNKNOWN),
        (RECORD | {"taken": "yesterday"}, Found.TIME_UNREADABLE),
    ],
)
def test_record_that_cannot_be_adopted_says_why(record: dict[str, Any], found: Found) -> None:
    """Nothing is left out silently: every record is counted under a reason."""
    assert claim_of_record(record, MAPPING, bucket="archive") is found


def test_record_without_a_status_column_is_adopted() -> None:
    """A table that knows no statuses is taken whole."""
    claim = claim_of_record({"path": "a.jpg"}, SourceMapping(columns=Columns(key="path")), bucket="b")

    assert claim == claim_of_key("a.jpg", SourceMapping())


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, None),
        ({"key": "a.JPG"}, None),
        ({"key": "notes.txt"}, Found.NOT_AN_IMAGE),
        ({"size_bytes": 0}, Found.EMPTY),
        ({"size_bytes": 101}, Found.TOO_LARGE),
        ({"modified_at": datetime(2018, 12, 31, tzinfo=UTC)}, Found.OUT_OF_RANGE),
        ({"modified_at": datetime(2020, 1, 1, tzinfo=UTC)}, Found.OUT_OF_RANGE),
    ],
)
def test_object_that_cannot_be_adopted_says_why(changes: dict[str, Any], found: Found | None) -> None:
    """By what it is called, how large it is, and when it was made."""
    select = Select(since=datetime(2019, 1, 1, tzinfo=UTC), until=datetime(2020, 1, 1, tzinfo=UTC))
    given_: dict[str, Any] = {
        "key": "a.jpg",
        "size_bytes": 9,
        "modified_at": datetime(2019, 5, 1, tzinfo=UTC),
        **changes,
    }
    claim = claim_of_key(given_.pop("key"), SourceMapping())

    assert refusal_of(claim, SourceMapping(select=select), max_bytes=100, **given_) is found


def test_adopted_row_waits_for_validation_behind_fresh_uploads() -> None:
    """An archive starves nobody, and no job of a forgotten row matches it."""
    claim = Claim(key="k", uploader="ada", priority="low", file_name="x" * 300)

    row = adopted_row(claim, an_original(), key=a_key(), now=NOON)

    assert (row.status, row.lane, row.priority) == (Status.PENDING_VALIDATION, Lane.REGRADE, "low")
    assert (row.due_at, row.generation) == (NOON, int(NOON.timestamp() * 1000))
    assert len(row.file_name or "") == 255


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-01T12:00:00+00:00",
        "2026-03-01T12:00:00",
        "2026-03-01T13:00:00+01:00",
        1772366400,
        Decimal(1772366400),
        1772366400000,
        1772366400.0,
    ],
)
def test_time_is_read_however_it_is_written(value: object) -> None:
    """ISO 8601 with or without zone, seconds, milliseconds, DynamoDB's numbers."""
    assert moment_of(value) == NOON


@pytest.mark.parametrize("value", ["yesterday", "", None, 1e300, float("nan"), [1]])
def test_value_that_is_no_time_is_none(value: object) -> None:
    """Whatever a stranger stored."""
    assert moment_of(value) is None
