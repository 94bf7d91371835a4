"""Heads as items: derived index attributes, differences, size, schema."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.aws.attributes import Item
from parjanya_dagster.aws.truth_items import (
    as_stored,
    head_changes,
    head_item,
    image_key_of_item,
    item_key,
    millis_before,
    row_of,
)
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.truth.row import ImageRow, Lane, Original, Previews, Status, Verdict
from tests.builders import NOON, a_decision, a_key, a_row, an_original

times = st.none() | st.datetimes(datetime(2024, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by contract
texts = st.none() | st.text(max_size=20)
rows = st.builds(
    ImageRow,
    key=st.integers(1, 99).map(a_key),
    status=st.sampled_from(Status),
    generation=st.integers(1, 2**45),
    entered_at=st.just(NOON + timedelta(microseconds=1)),
    lane=st.sampled_from(Lane),
    priority=st.sampled_from(["low", "normal", "high"]),
    uploader=texts,
    file_name=texts,
    content_type=texts,
    due_at=times,
    intent_at=times,
    intent_id=texts,
    emissions=st.integers(0, 9),
    attempts=st.integers(0, 9),
    quarantined=st.booleans(),
    last_error=texts,
    original=st.none() | st.just(an_original()) | st.builds(Original, bucket=st.text(), key=st.text()),
    previews=st.none() | st.builds(Previews, display_key=st.text(), model_key=st.text()),
    decided_generation=st.none() | st.integers(1, 9),
    decision=st.none() | st.just(a_decision(Verdict.REVIEW, "soft", "dark")),
    result_id=texts,
    scored_by=texts,
)


def size_of(item: Item) -> int:
    """Return an item's size as DynamoDB counts it: names, values and the overhead of maps and lists."""
    return sum(len(name.encode()) + _size_of_value(value) for name, value in item.items())


def _size_of_value(attribute: Any) -> int:  # noqa: ANN401 - any attribute value
    [(kind, value)] = attribute.items()
    match kind:
        case "N":
            return (len(value.strip("-").replace(".", "")) + 1) // 2 + 1
        case "S":
            return len(value.encode())
        case "B":
            return len(value)
        case "L":
            return 3 + sum(1 + _size_of_value(each) for each in value)
        case "M":
            return 3 + sum(len(name) + 1 + _size_of_value(each) for name, each in value.items())
        case _:
            return 1


@given(rows)
def test_row_survives_the_way_to_an_item_and_back(row: ImageRow) -> None:
    """Every field of every row, to the millisecond where it is a sort key."""
    assert row_of(head_item(row)) == as_stored(row)


@pytest.mark.parametrize("file_name", [None, "None", "", "photo.jpg", "a/b.jpg"])
@pytest.mark.parametrize("rest", ["/None", "/", "/photo.jpg", "//a", "/a/b.jpg", "", ":x"])
def test_object_key_survives_whatever_the_file_was_called(rest: str, file_name: str | None) -> None:
    """Keys are stored short, and strangers choose file names: no name may be read back as another."""
    row = a_row(file_name=file_name)
    for key in (f"originals/{row.key.image_id}{rest}", f"originals{rest}", rest):
        named = replace(row, original=an_original(key=key))

        assert row_of(head_item(named)) == named


@given(rows, rows)
def test_changes_applied_to_the_item_before_give_the_item_after(before: ImageRow, after: ImageRow) -> None:
    """One update leaves nothing behind, in no index."""
    after = replace(after, key=before.key)

    changed, removed = head_changes(before, after)

    patched = {name: value for name, value in head_item(before).items() if name not in removed} | changed
    assert patched == head_item(after)


def test_changes_of_one_field_are_that_field() -> None:
    """A stamp on a head costs a write of what it stamps, and moves the row between indexes."""
    row = a_row()

    changed, removed = head_changes(
        row, replace(row, intent_at=NOON, intent_id="i", emissions=1, due_at=None)
    )

    assert set(changed) == {"intent_at", "intent_id", "emissions", "outstanding_key"}
    assert removed == ["due_at", "gap_key"]


@pytest.mark.parametrize(
    ("row", "indexes"),
    [
        (a_row(), {"gap_key", "listing_key"}),
        (a_row(status=Status.PENDING_UPLOAD, due_at=NOON), {"gap_key", "listing_key"}),
        (a_row(status=Status.PENDING_VALIDATION), {"gap_key", "listing_key"}),
        (a_row(intent_at=NOON), {"outstanding_key", "listing_key"}),
        (a_row(quarantined=True), {"listing_key"}),
        (a_row(due_at=None), {"listing_key"}),
        (a_row(status=Status.ENRICHED, due_at=NOON, intent_at=NOON), {"listing_key"}),
    ],
    ids=["gap", "upload", "validation", "outstanding", "quarantined", "not_due", "settled"],
)
def test_head_is_in_exactly_the_indexes_its_row_belongs_to(row: ImageRow, indexes: set[str]) -> None:
    """Finding work costs what the work costs: the indexes are sparse."""
    assert {name for name in head_item(row) if name.endswith("_key")} == indexes


def test_index_keys_name_lane_tenant_and_shard() -> None:
    """What the sweep and the listing ask for."""
    row = a_row(lane=Lane.REGRADE)
    item = head_item(row)

    assert item["gap_key"] == {"S": f"regrade#{row.key.shard}"}
    assert item["listing_key"] == {"S": f"acme#{row.key.shard}"}
    assert item["image_id"] == {"S": row.key.image_id}
    assert item["due_at"] == {"N": "1772366400000"}
    assert image_key_of_item(item) == row.key


@pytest.mark.parametrize(
    ("generation", "uploader"),
    [(12, "ada.lovelace@example.com"), (1_772_366_400_123, None)],
    ids=["uploaded", "rebuilt_from_its_object"],
)
def test_full_head_fits_one_write_unit(generation: int, uploader: str | None) -> None:
    """A replay is one write unit: a head with everything a real one can have at once is at most 1 KB."""
    key = a_key(tenant_id="photo-collective-north")
    row = a_row(
        key=key,
        generation=generation,
        lane=Lane.REGRADE,
        uploader=uploader,
        file_name="DSC_20260301_0042-NR.jpg",
        intent_at=NOON,
        intent_id=a_key(7).image_id,
        emissions=3,
        attempts=2,
        returns=1,
        fleet="large-and-thirst",
        last_error="preview_unavailable: no answer within 10 s (attempt 2)",
        original=an_original(
            key, key=f"originals/{key.image_id}/DSC_20260301_0042-NR.jpg", version_id="v" * 32
        ),
        decision=a_decision(
            Verdict.REVIEW, "soft_focus", "text_heavy", "low_label_mass", policy="2026-03-01.2"
        ),
        questions=("technical_quality", "text_present"),
        decided_generation=generation - 1,
        result_id=f"{generation - 1}-{a_key(8).image_id}",
    )
    unset = {field.name for field in fields(row) if getattr(row, field.name) in (None, False, 0)}

    # Batches, overrides and who scored come with a decision, when the job and its error are gone; a job that
    # was sent ends the refusals, and nobody knows who uploaded an object without a row.
    assert unset - {"uploader"} == {"quarantined", "postponed", "override", "batches", "scored_by"}
    assert size_of(head_item(row)) <= 1024


def test_head_of_a_newer_schema_is_refused() -> None:
    """An old process must not misread what a newer one wrote, and says what to deploy."""
    item = head_item(a_row()) | {"schema": {"N": "3"}}

    with pytest.raises(ConfigError, match=r"schema 3, .* up to 2: deploy"):
        row_of(item)


def test_attributes_of_a_later_version_are_left_alone() -> None:
    """A field that was added within one schema does not stop older readers."""
    assert row_of(head_item(a_row()) | {"colour": {"S": "red"}}) == a_row()


def test_changes_between_two_images_are_a_mistake() -> None:
    """A row cannot become another image's."""
    with pytest.raises(ValueError, match="cannot become"):
        head_changes(a_row(1), a_row(2))


def test_item_key_is_tenant_and_image_together() -> None:
    """One partition per image."""
    assert item_key(a_key(), "facts") == {"pk": {"S": str(a_key())}, "sk": {"S": "facts"}}


@pytest.mark.parametrize(("microseconds", "millis"), [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)])
def test_bound_of_an_index_read_is_exact(microseconds: int, millis: int) -> None:
    """`stored < bound` in milliseconds means `time < limit` to the microsecond."""
    assert millis_before(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)) == millis
