"""What a camera wrote about a photo: eleven facts, normalised from raw tags.

EXIF comes from strangers, so normalisation is total: whatever a tag holds, the answer is a value of
the declared type or None. Reading tags out of a file's bytes is `imaging.tags`; here is their meaning.

A raw value is `bytes` (or `str`) for text, a number, or a sequence of numbers, where a rational is a
`(numerator, denominator)` pair inside the sequence.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

Tags = Mapping[int, object]

_MAX_TEXT = 256
_MAX_ISO = 2**32
_MAX_ORIENTATION = 8
_DEGREE_UNITS = (1.0, 60.0, 3600.0)
_PAIR = 2


class Tag(IntEnum):
    """Tags of IFD0 and ExifIFD that are read, as TIFF 6 and EXIF 2.32 number them."""

    MAKE = 0x010F
    MODEL = 0x0110
    ORIENTATION = 0x0112
    EXPOSURE_TIME = 0x829A
    FNUMBER = 0x829D
    ISO = 0x8827
    DATETIME_ORIGINAL = 0x9003
    OFFSET_TIME = 0x9010
    OFFSET_TIME_ORIGINAL = 0x9011
    FOCAL_LENGTH = 0x920A
    LENS_MODEL = 0xA434


class GpsTag(IntEnum):
    """Tags of the GPS directory that are read."""

    LATITUDE_REF = 1
    LATITUDE = 2
    LONGITUDE_REF = 3
    LONGITUDE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Exif:
    """The facts of one file; None where the file has none or holds garbage.

    `datetime_original` is as stored (local time, usually `YYYY:MM:DD HH:MM:SS`), never interpreted;
    `offset_time` belongs to it. GPS is in signed decimal degrees, south and west negative.
    """

    make: str | None = None
    model: str | None = None
    datetime_original: str | None = None
    offset_time: str | None = None
    iso: int | None = None
    exposure_time_s: float | None = None
    fnumber: float | None = None
    focal_length_mm: float | None = None
    lens_model: str | None = None
    gps_latitude: float | None = None
    gps_longitude: float | None = None


def exif_from_tags(*, image: Tags, photo: Tags, gps: Tags) -> Exif:
    """Return the facts that three raw directories state.

    Args:
        image: IFD0. Photographic tags that TIFF/EP writers put here count if `photo` lacks them.
        photo: ExifIFD.
        gps: the GPS directory.
    """

    def of(tag: Tag) -> object:
        return photo[tag] if tag in photo else image.get(tag)

    return Exif(
        make=text(image.get(Tag.MAKE)),
        model=text(image.get(Tag.MODEL)),
        datetime_original=text(of(Tag.DATETIME_ORIGINAL)),
        offset_time=text(of(Tag.OFFSET_TIME_ORIGINAL)) or text(of(Tag.OFFSET_TIME)),
        iso=_whole(of(Tag.ISO)),
        exposure_time_s=_magnitude(of(Tag.EXPOSURE_TIME)),
        fnumber=_magnitude(of(Tag.FNUMBER)),
        focal_length_mm=_magnitude(of(Tag.FOCAL_LENGTH)),
        lens_model=text(of(Tag.LENS_MODEL)),
        gps_latitude=_degrees(gps.get(GpsTag.LATITUDE), gps.get(GpsTag.LATITUDE_REF), "N", "S", limit=90.0),
        gps_longitude=_degrees(
            gps.get(GpsTag.LONGITUDE), gps.get(GpsTag.LONGITUDE_REF), "E", "W", limit=180.0
        ),
    )


def orientation_from_tags(image: Tags) -> int | None:
    """Return IFD0's orientation, 1..8, or None."""
    value = number(image.get(Tag.ORIENTATION))
    if value is None or not value.is_integer() or not 1 <= value <= _MAX_ORIENTATION:
        return None
    return int(value)


def text(raw: object) -> str | None:
    """Return printable text up to the first NUL, without surrounding blanks; None if nothing is left.

    Bytes are UTF-8 where they can be and Latin-1 otherwise; control characters become spaces, and
    256 characters are enough for any honest tag.
    """
    if isinstance(raw, bytes):
        head = raw.split(b"\0", 1)[0]
        try:
            decoded = head.decode()
        except UnicodeDecodeError:
            decoded = head.decode("latin-1")
    elif isinstance(raw, str):
        decoded = raw.split("\0", 1)[0]
    else:
        return None
    clean = "".join(character if character.isprintable() else " " for character in decoded[:_MAX_TEXT])
    return clean.strip() or None


def number(raw: object) -> float | None:
    """Return the first number of a raw value, or None when it is absent, undefined or not finite."""
    if isinstance(raw, Sequence) and not isinstance(raw, str | bytes):
        first = raw[0] if raw else None
        return _ratio(first) if isinstance(first, tuple) else _scalar(first)
    return _scalar(raw)


def _ratio(pair: tuple[object, ...]) -> float | None:
    if len(pair) != _PAIR:
        return None
    numerator, denominator = (_scalar(part) for part in pair)
    if numerator is None or denominator is None or denominator == 0:
        return None
    return _scalar(numerator / denominator)


def _scalar(raw: object) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    try:
        value = float(raw)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def _magnitude(raw: object) -> float | None:
    value = number(raw)
    return value if value is not None and value >= 0 else None


def _whole(raw: object) -> int | None:
    value = number(raw)
    return int(value) if value is not None and 0 <= value <= _MAX_ISO else None


def _degrees(raw: object, ref: object, positive: str, negative: str, *, limit: float) -> float | None:
    """Return signed degrees; a position without a known hemisphere is no position."""
    hemisphere = (text(ref) or "")[:1].upper()
    if (
        hemisphere not in (positive, negative)
        or not isinstance(raw, Sequence)
        or isinstance(raw, str | bytes)
    ):
        return None
    parts = [number([part]) for part in raw[: len(_DEGREE_UNITS)]]
    if not parts or parts[0] is None:
        return None
    # Undefined minutes or seconds (x/0) are written by phones that know whole degrees or minutes only.
    degrees = sum((part or 0.0) / unit for part, unit in zip(parts, _DEGREE_UNITS, strict=False))
    if not 0 <= degrees <= limit:
        return None
    return -degrees if hemisphere == negative else degrees
