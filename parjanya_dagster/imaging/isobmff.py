"""The boxes of HEIC and AVIF: which picture is the primary one, its stored size, and the EXIF item.

The decoders turn and crop pictures as the container says, so the size as stored has to come from here.
Box sizes and offsets are a stranger's: every one is clamped, and anything odd ends the reading.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

_HEVC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"mif1", b"msf1", b"mif2", b"miaf"})
_OTHER_BRANDS = {b"crx ": "CR3", b"qt  ": "MOV", b"jp2 ": "JPEG2000", b"jxl ": "JXL"}
_MAX_BOXES = 4096
_MAX_EXIF_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """A still picture's container; `format` is None for other ISO media (films, sound)."""

    format: str | None = None
    width: int | None = None
    height: int | None = None
    exif: bytes | None = None


@dataclass(slots=True, kw_only=True)
class _Meta:
    """What the meta box says, while it is being read."""

    primary: int | None = None
    exif_item: int | None = None
    extents: dict[int, tuple[int, list[tuple[int, int]]]] = field(default_factory=dict)
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    properties: dict[int, list[int]] = field(default_factory=dict)
    idat: tuple[int, int] = (0, 0)


def read_still(data: bytes) -> Still:
    """Return what the container of an ISO media file says; total."""
    brands = _brands(data)
    name = _format(brands)
    if name not in ("HEIC", "AVIF"):
        return Still(format=name)
    meta = _Meta()
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"meta":
            with suppress(IndexError):  # what was read until the box broke off counts
                _read_meta(data, start + 4, end, meta)
            break
    width, height = _size(meta)
    return Still(format=name, width=width, height=height, exif=_exif(data, meta))


def _brands(data: bytes) -> list[bytes]:
    end = min(int.from_bytes(data[:4]), len(data), 512)
    return [data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))]


def _format(brands: list[bytes]) -> str | None:
    major, compatible = brands[0], set(brands[1:])
    if major in _OTHER_BRANDS:
        return _OTHER_BRANDS[major]
    if major in _AVIF_BRANDS or (major in _HEIF_BRANDS and compatible & _AVIF_BRANDS):
        return "AVIF"
    if major in _HEVC_BRANDS | _HEIF_BRANDS or compatible & _HEVC_BRANDS:
        return "HEIC"
    return None


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield `(type, body start, body end)` of the boxes in a range."""
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        size, kind = int.from_bytes(data[start : start + 4]), data[start + 4 : start + 8]
        body = start + 8
        if size == 1:
            size, body = int.from_bytes(data[body : body + 8]), body + 8
        stop = end if size == 0 else min(start + size, end)
        if stop < body:
            return
        yield kind, body, stop
        start = stop


def _read_meta(data: bytes, start: int, end: int, meta: _Meta) -> None:
    for kind, body, stop in _boxes(data, start, end):
        if kind == b"pitm":
            meta.primary = _uint(data, body + 4, 4 if data[body] else 2)
        elif kind == b"iinf":
            _read_items(data, body, stop, meta)
        elif kind == b"iloc":
            _read_locations(data, body, meta)
        elif kind == b"idat":
            meta.idat = (body, stop)
        elif kind == b"iprp":
            for inner, at, until in _boxes(data, body, stop):
                if inner == b"ipco":
                    _read_sizes(data, at, until, meta)
                elif inner == b"ipma":
                    _read_associations(data, at, meta)


def _read_items(data: bytes, body: int, stop: int, meta: _Meta) -> None:
    for kind, at, _ in _boxes(data, body + (8 if data[body] else 6), stop):
        version = data[at]
        if kind != b"infe" or version < 2:  # noqa: PLR2004 - item types exist from version 2
            continue
        id_bytes = 2 if version == 2 else 4  # noqa: PLR2004 - version 3 has long ids
        kind_at = at + 4 + id_bytes + 2
        if data[kind_at : kind_at + 4] == b"Exif" and meta.exif_item is None:
            meta.exif_item = _uint(data, at + 4, id_bytes)


def _read_locations(data: bytes, body: int, meta: _Meta) -> None:
    version = data[body]
    offset_bytes, length_bytes = data[body + 4] >> 4, data[body + 4] & 15
    base_bytes, index_bytes = data[body + 5] >> 4, data[body + 5] & 15 if version else 0
    id_bytes = 4 if version == 2 else 2  # noqa: PLR2004 - version 2 has long ids
    at = body + 6 + id_bytes
    for _ in range(min(_uint(data, body + 6, id_bytes), _MAX_BOXES)):
        item, at = _uint(data, at, id_bytes), at + id_bytes
        method = 0
        if version:
            method, at = data[at + 1] & 15, at + 2
        base, at = _uint(data, at + 2, base_bytes), at + 2 + base_bytes
        count, at = _uint(data, at, 2), at + 2
        extents = []
        for _ in range(min(count, _MAX_BOXES)):
            at += index_bytes
            offset, length = _uint(data, at, offset_bytes), _uint(data, at + offset_bytes, length_bytes)
            extents.append((base + offset, length))
            at += offset_bytes + length_bytes
        meta.extents[item] = (method, extents)


def _read_sizes(data: bytes, start: int, end: int, meta: _Meta) -> None:
    for index, (kind, body, _) in enumerate(_boxes(data, start, end), start=1):
        if kind == b"ispe":
            meta.sizes[index] = (_uint(data, body + 4, 4), _uint(data, body + 8, 4))


def _read_associations(data: bytes, body: int, meta: _Meta) -> None:
    id_bytes = 4 if data[body] else 2
    wide = data[body + 3] & 1
    at = body + 8
    for _ in range(min(_uint(data, body + 4, 4), _MAX_BOXES)):
        item, count = _uint(data, at, id_bytes), data[at + id_bytes]
        at += id_bytes + 1
        step = 2 if wide else 1
        mask = 0x7FFF if wide else 0x7F
        meta.properties[item] = [_uint(data, at + step * n, step) & mask for n in range(count)]
        at += step * count


def _size(meta: _Meta) -> tuple[int | None, int | None]:
    for index in meta.properties.get(meta.primary or 0, ()):
        if index in meta.sizes:
            return meta.sizes[index]
    return None, None


def _exif(data: bytes, meta: _Meta) -> bytes | None:
    """Return the EXIF item's TIFF structure; the item begins with four bytes that say where that starts."""
    if meta.exif_item is None or meta.exif_item not in meta.extents:
        return None
    method, extents = meta.extents[meta.exif_item]
    shift, end = meta.idat if method == 1 else (0, len(data))
    parts = [data[shift + offset : min(shift + offset + length, end)] for offset, length in extents]
    item = b"".join(parts)[:_MAX_EXIF_BYTES]
    return item[4 + int.from_bytes(item[:4]) :] or None


def _uint(data: bytes, offset: int, size: int) -> int:
    chunk = data[offset : offset + size]
    if len(chunk) < size:
        raise IndexError(f"the box ends before byte {offset + size}")
    return int.from_bytes(chunk)
