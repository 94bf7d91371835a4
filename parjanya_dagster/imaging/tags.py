"""The tags of a TIFF structure: IFD0, ExifIFD and the GPS directory, from bytes that may lie.

Pillow merges orientation from XMP and container transforms into what it calls EXIF, and gives up on a whole
directory for one bad entry. A rejected or odd photo's facts must be those the file states, so the few tags
that matter are read here: nothing is followed twice, nothing is read beyond its bounds, nothing raises.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from parjanya_dagster.core.truth.exif import GpsTag, Tag

EXIF_IFD = 0x8769
GPS_IFD = 0x8825
IMAGE_WIDTH = 0x0100
IMAGE_LENGTH = 0x0101
NEW_SUBFILE_TYPE = 0x00FE
SUB_IFDS = 0x014A
DNG_VERSION = 0xC612

_FRAME_TAGS = (EXIF_IFD, GPS_IFD, IMAGE_WIDTH, IMAGE_LENGTH, NEW_SUBFILE_TYPE, SUB_IFDS, DNG_VERSION)
_WANTED = frozenset({*_FRAME_TAGS, *Tag})
_WANTED_GPS = frozenset(GpsTag)
_MAX_ENTRIES = 4096
_MAX_NUMBERS = 8
_MAX_TEXT_BYTES = 1024
_BYTE_ORDERS: dict[bytes, Literal["<", ">"]] = {b"II": "<", b"MM": ">"}
_TEXT_TYPES = frozenset({2, 7})  # ASCII, UNDEFINED
_RATIONAL_CODES = {5: "II", 10: "ii"}
_NUMBER_CODES = {
    1: "B",
    3: "H",
    4: "I",
    6: "b",
    8: "h",
    9: "i",
    11: "f",
    12: "d",
    13: "I",
    16: "Q",
    17: "q",
    18: "Q",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Directories:
    """Raw values by tag, in the form `core.truth.exif` takes; empty where a directory is missing."""

    image: dict[int, object] = field(default_factory=dict)
    photo: dict[int, object] = field(default_factory=dict)
    gps: dict[int, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """How one file writes numbers and directories: byte order, classic or BigTIFF."""

    order: Literal["<", ">"]
    count_code: str
    entry_code: str
    inline_bytes: int


def read_directories(tiff: bytes) -> Directories:
    """Return the directories of a TIFF structure (a TIFF file, or an EXIF block without its prefix)."""
    order = _BYTE_ORDERS.get(tiff[:2])
    if order is None:
        return Directories()
    magic = _number_at(tiff, 2, order + "H")
    if magic == 43:  # noqa: PLR2004 - BigTIFF's number, as 42 is TIFF's
        layout = _Layout(order=order, count_code="Q", entry_code="HHQ", inline_bytes=8)
        start = _number_at(tiff, 8, order + "Q")
    else:  # RAW files and EXIF writers put other numbers than 42 here; the rest of the structure is the same
        layout = _Layout(order=order, count_code="H", entry_code="HHI", inline_bytes=4)
        start = _number_at(tiff, 4, order + "I")
    image = _read_directory(tiff, start, layout, _WANTED)
    return Directories(
        image=image,
        photo=_read_directory(tiff, _pointer(image.get(EXIF_IFD)), layout, _WANTED),
        gps=_read_directory(tiff, _pointer(image.get(GPS_IFD)), layout, _WANTED_GPS),
    )


def _read_directory(
    tiff: bytes, start: int | None, layout: _Layout, wanted: frozenset[int]
) -> dict[int, object]:
    values: dict[int, object] = {}
    for tag, kind, count, where in _entries(tiff, start, layout):
        if tag in wanted and (value := _value(tiff, kind, count, where, layout)) is not None:
            values.setdefault(tag, value)
    return values


def _entries(tiff: bytes, start: int | None, layout: _Layout) -> Iterator[tuple[int, int, int, int]]:
    """Yield `(tag, type, count, offset of the inline value)` for every entry that lies within the file."""
    if not start:
        return
    count = _number_at(tiff, start, layout.order + layout.count_code)
    entry = struct.Struct(layout.order + layout.entry_code)
    first = start + struct.calcsize(layout.order + layout.count_code)
    stride = entry.size + layout.inline_bytes
    for index in range(min(count or 0, _MAX_ENTRIES)):
        offset = first + index * stride
        if offset + stride > len(tiff):
            return
        tag, kind, values = entry.unpack_from(tiff, offset)
        yield tag, kind, values, offset + entry.size


def _value(tiff: bytes, kind: int, count: int, inline: int, layout: _Layout) -> object | None:
    if kind in _TEXT_TYPES:
        where = _place(tiff, count, inline, layout)
        return None if where is None else bytes(tiff[where : where + min(count, _MAX_TEXT_BYTES)])
    code = _RATIONAL_CODES.get(kind) or _NUMBER_CODES.get(kind)
    if code is None:
        return None
    size = struct.calcsize("=" + code)
    where = _place(tiff, size * count, inline, layout)
    used = min(count, _MAX_NUMBERS)
    if where is None or where + size * used > len(tiff):
        return None
    items = struct.unpack_from(layout.order + code * used, tiff, where)
    if kind in _RATIONAL_CODES:
        return tuple(zip(items[::2], items[1::2], strict=True))
    return items


def _place(tiff: bytes, size: int, inline: int, layout: _Layout) -> int | None:
    """Return where a value of `size` bytes lies: in the entry itself, or at the offset the entry holds."""
    if size <= layout.inline_bytes:
        return inline
    offset = _number_at(tiff, inline, layout.order + ("Q" if layout.inline_bytes > 4 else "I"))  # noqa: PLR2004 - bytes of a classic offset
    return offset if offset is not None and offset < len(tiff) else None


def _pointer(value: object) -> int | None:
    first = value[0] if isinstance(value, tuple) and value else None
    return first if isinstance(first, int) and first > 0 else None


def _number_at(data: bytes, offset: int, code: str) -> int | None:
    if offset + struct.calcsize(code) > len(data):
        return None
    (value,) = struct.unpack_from(code, data, offset)
    return int(value)
