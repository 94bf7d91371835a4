"""EXIF normalisation: eleven facts from whatever a stranger's tags hold."""

import math
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.truth.exif import (
    Exif,
    GpsTag,
    Tag,
    exif_from_tags,
    number,
    orientation_from_tags,
    text,
)

RAW_NUMBERS = st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.text(), st.binary())
RAW_VALUES = st.recursive(
    RAW_NUMBERS | st.tuples(RAW_NUMBERS, RAW_NUMBERS),
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple),
    max_leaves=8,
)
RAW_TAGS = st.dictionaries(st.sampled_from([*Tag, *GpsTag]) | st.integers(0, 0xFFFF), RAW_VALUES)


def a_photo(**changed: object) -> Exif:
    """Return the facts of a photo directory with the given tags."""
    return exif_from_tags(
        image={}, photo={Tag[name.upper()]: value for name, value in changed.items()}, gps={}
    )


def a_position(latitude: object, longitude: object, refs: str = "NE") -> tuple[float | None, float | None]:
    """Return the position that GPS tags state."""
    tags: dict[int, object] = {
        GpsTag.LATITUDE: latitude,
        GpsTag.LATITUDE_REF: refs[0].encode(),
        GpsTag.LONGITUDE: longitude,
        GpsTag.LONGITUDE_REF: refs[1].encode(),
    }
    exif = exif_from_tags(image={}, photo={}, gps=tags)
    return exif.gps_latitude, exif.gps_longitude


@given(image=RAW_TAGS, photo=RAW_TAGS, gps=RAW_TAGS)
def test_exif_from_any_tags_is_total_and_well_typed(
    image: dict[int, object], photo: dict[int, object], gps: dict[int, object]
) -> None:
    """Whatever tags hold, every fact is a finite value of its type or None."""
    exif = exif_from_tags(image=image, photo=photo, gps=gps)

    for field in fields(exif):
        value = getattr(exif, field.name)
        assert value is None or type(value).__name__ in str(field.type)
        if isinstance(value, float):
            assert math.isfinite(value)
        if isinstance(value, str):
            assert value == value.strip() != ""
            assert value.isprintable()
    assert exif.gps_latitude is None or abs(exif.gps_latitude) <= 90
    assert exif.gps_longitude is None or abs(exif.gps_longitude) <= 180
    assert orientation_from_tags(image) in {None, *range(1, 9)}


def test_exif_without_tags_has_no_facts() -> None:
    """A file without EXIF has eleven times None."""
    assert exif_from_tags(image={}, photo={}, gps={}) == Exif()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"Canon\0", "Canon"),
        (b"ION230\0 F\0", "ION230"),
        (b"NIKON CORPORATION   \0", "NIKON CORPORATION"),
        ("Canon\0 EOS", "Canon"),
        ("Fotoapparat Größe".encode(), "Fotoapparat Größe"),
        ("Größe".encode("latin-1"), "Größe"),
        (b"a\nb\x1b[31m", "a b [31m"),
        (b"\0\0\0", None),
        (b"   ", None),
        ((1, 2), None),
    ],
)
def test_text_stops_at_nul_and_is_printable(raw: object, expected: str | None) -> None:
    """Padding, encodings and control characters don't reach a table or a terminal."""
    assert text(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (((1, 60),), 1 / 60),
        (((5, 0),), None),
        (((0, 0),), None),
        (((1, 60, 1),), None),
        ((400, 0), 400.0),
        ((float("nan"),), None),
        ((float("inf"),), None),
        ((), None),
        (10**400, None),
        (((10**400, 1),), None),
        (True, None),
        (b"5", None),
    ],
)
def test_number_takes_the_first_defined_one(raw: object, expected: float | None) -> None:
    """Rationals over zero, pairs, infinities and empty values are answered, not raised."""
    assert number(raw) == expected


def test_iso_pair_gives_the_first() -> None:
    """Some cameras store ISO as two shorts, the second of them zero."""
    assert a_photo(iso=(400, 0)).iso == 400


def test_photographic_tags_in_the_image_directory_count_if_the_photo_directory_lacks_them() -> None:
    """TIFF/EP writers put exposure facts into IFD0."""
    exif = exif_from_tags(image={Tag.FNUMBER: ((28, 10),), Tag.ISO: (100,)}, photo={Tag.ISO: (200,)}, gps={})

    assert (exif.fnumber, exif.iso) == (2.8, 200)


def test_offset_of_the_original_time_wins() -> None:
    """The offset that belongs to the time of exposure, not to the last edit."""
    assert a_photo(offset_time=b"+00:00", offset_time_original=b"-07:00").offset_time == "-07:00"


def test_datetime_is_kept_as_stored() -> None:
    """A camera whose clock was never set says so; nothing is interpreted."""
    assert a_photo(datetime_original=b"0000:00:00 00:00:00\0").datetime_original == "0000:00:00 00:00:00"


def test_negative_magnitudes_are_garbage() -> None:
    """No exposure takes less than no time."""
    assert a_photo(exposure_time=((-1, 60),)).exposure_time_s is None


def test_position_is_signed_by_its_hemispheres() -> None:
    """South and west are negative; minutes may carry decimals."""
    latitude, longitude = a_position(((22, 1), (169, 10), (0, 1)), ((36, 1), (3, 1), (36, 1)), "SW")

    assert latitude == pytest.approx(-(22 + 16.9 / 60))
    assert longitude == pytest.approx(-36.06)


@pytest.mark.parametrize(
    ("raw", "refs"),
    [(((91, 1),), "NE"), (((1, 0),), "NE"), ((), "NE"), (((10, 1),), "XX"), (b"garbage", "NE"), (7, "NE")],
)
def test_impossible_position_is_none(raw: object, refs: str) -> None:
    """Ninety-one degrees north, degrees over zero, an unknown hemisphere: no position."""
    assert a_position(raw, None, refs) == (None, None)


def test_undefined_seconds_leave_the_minutes() -> None:
    """Phones that know no seconds write 0/0."""
    assert a_position(((10, 1), (30, 1), (0, 0)), None)[0] == 10.5


@pytest.mark.parametrize(
    ("raw", "expected"), [((6,), 6), ((0,), None), ((9,), None), ((6, 0), 6), ("6", None)]
)
def test_orientation_is_one_of_eight_or_none(raw: object, expected: int | None) -> None:
    """An orientation outside 1..8 asks for nothing."""
    assert orientation_from_tags({Tag.ORIENTATION: raw}) == expected
