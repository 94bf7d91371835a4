"""Identity of images."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.truth.identity import SHARDS, ImageKey, created_at_of, image_key_from, new_image_id

TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by hypothesis' API
ENTROPY = st.binary(min_size=10, max_size=10)


@given(TIMES, ENTROPY)
def test_image_id_carries_its_time_and_is_a_uuid7(at: datetime, entropy: bytes) -> None:
    """The audit walks windows of time by id alone."""
    image_id = new_image_id(at, entropy)

    assert abs((created_at_of(image_id) - at).total_seconds()) <= 0.001
    assert image_id[14] == "7"
    assert image_id[19] in "89ab"


@given(TIMES, TIMES, ENTROPY, ENTROPY)
def test_image_ids_of_later_milliseconds_sort_later(a: datetime, b: datetime, x: bytes, y: bytes) -> None:
    """Listings are in the order of time."""
    first, second = sorted((a, b))
    if int(first.timestamp() * 1000) < int(second.timestamp() * 1000):
        assert new_image_id(first, x) < new_image_id(second, y)


@given(ENTROPY, ENTROPY)
def test_image_ids_with_other_entropy_differ(x: bytes, y: bytes) -> None:
    """Two uploads of one millisecond never share a row."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    differs = x[:10] != y[:10] and int.from_bytes(x, "big") % 2**74 != int.from_bytes(y, "big") % 2**74

    assert (new_image_id(now, x) != new_image_id(now, y)) or not differs


def test_image_key_survives_its_text_form() -> None:
    """Keys travel as text between steps."""
    key = ImageKey(tenant_id="acme", image_id="018f")

    assert image_key_from(str(key)) == key
    assert 0 <= key.shard < SHARDS


def test_image_key_from_other_text_is_refused() -> None:
    """A malformed key is an error, not an empty tenant."""
    with pytest.raises(ValueError, match="tenant#image"):
        image_key_from("acme")
