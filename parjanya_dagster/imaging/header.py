"""What a file's own header says, before a decoder is let near it: format, size, frames, EXIF block.

Formats are told by their magic bytes, never by name or content type. The parsers are total: a header that
ends early or contradicts itself gives what could be read.
"""

import struct
import zlib
from dataclasses import dataclass

from parjanya_dagster.core.truth.exif import Exif, exif_from_tags, orientation_from_tags
from parjanya_dagster.core.truth.technical import TechnicalFacts
from parjanya_dagster.imaging import isobmff, tags

EXIF_PREFIX = b"Exif\0\0"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_MAX_EXIF_BYTES = 16 * 1024 * 1024
_MAX_PARTS = 1 << 16  # segments or chunks of an honest file number in the hundreds
_UNSUPPORTED = (
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"8BPS", "PSD"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"\0\0\0\x0cjP  ", "JPEG2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG2000"),
    (0, b"\0\0\0\x0cJXL ", "JXL"),
    (0, b"\xff\x0a", "JXL"),
    (0, b"FOVb", "X3F"),
    (0, b"FUJIFILMCCD-RAW", "RAF"),
    (0, b"IIU\0", "RW2"),
    (0, b"IIRO", "ORF"),
    (0, b"IIRS", "ORF"),
    (0, b"MMOR", "ORF"),
    (6, b"HEAPCCDR", "CRW"),
    (0, b"%PDF", "PDF"),
    *((0, b"P%d" % digit, "PPM") for digit in range(1, 8)),
)
_TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_FILL = 0xFF
_BARE_MARKERS = frozenset({0x00, 0x01, _FILL, *range(0xD0, 0xD9)})
_APP1, _SOS, _EOI = 0xE1, 0xDA, 0xD9
_PNG_PROFILE = b"Raw profile type "


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What was read; None where it was not. `exif` is a TIFF structure without the `Exif` prefix."""

    format: str | None = None
    width: int | None = None
    height: int | None = None
    exif: bytes | None = None


def read_header(data: bytes) -> Header:  # noqa: PLR0911 - one return per family of formats
    """Return the header of a file of any kind; `format` is None when no known magic matches."""
    if data[:3] == b"\xff\xd8\xff":
        return _read_jpeg(data)
    if data[:8] == PNG_SIGNATURE:
        return _read_png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _read_webp(data)
    if data[4:8] == b"ftyp":
        still = isobmff.read_still(data)
        return Header(format=still.format, width=still.width, height=still.height, exif=still.exif)
    if data[:4] in _TIFF_MAGICS:
        return _read_tiff(data)
    for offset, magic, name in _UNSUPPORTED:
        if data.startswith(magic, offset):
            width, height = _unsupported_size(name, data)
            return Header(format=name, width=width, height=height)
    return Header()


def describe(data: bytes) -> tuple[TechnicalFacts, Exif]:
    """Return the facts of a file that need no decoder."""
    header = read_header(data)
    directories = tags.read_directories(header.exif or b"")
    facts = TechnicalFacts(
        size_bytes=len(data),
        format=header.format,
        width=header.width,
        height=header.height,
        orientation=orientation_from_tags(directories.image),
    )
    return facts, exif_from_tags(image=directories.image, photo=directories.photo, gps=directories.gps)


def _read_jpeg(data: bytes) -> Header:
    """Walk the segments up to the pixels; junk between segments is skipped, as decoders do."""
    width = height = exif = None
    position = 2
    for _ in range(_MAX_PARTS):
        position = data.find(b"\xff", position)
        if not 0 <= position < len(data) - 3:
            break
        marker = data[position + 1]
        if marker in (_SOS, _EOI):
            break
        if marker in _BARE_MARKERS:
            position += 1 if marker == _FILL else 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4])
        body = data[position + 4 : position + 2 + length]
        if marker in _SOF_MARKERS and width is None and len(body) >= 5:  # noqa: PLR2004 - precision, height, width
            height, width = struct.unpack_from(">HH", body, 1)
        elif marker == _APP1 and body.startswith(EXIF_PREFIX):
            exif = _join_exif(exif, body[len(EXIF_PREFIX) :])
        position += 2 + max(length, 2)
    return Header(format="JPEG", width=width, height=height, exif=exif)


def _join_exif(first: bytes | None, block: bytes) -> bytes:
    """Return one block: EXIF beyond 64 KB goes on in further segments, which don't begin a TIFF header."""
    if first is None:
        return block
    return first if block[:2] in (b"II", b"MM") else first + block


def _read_png(data: bytes) -> Header:
    width = height = exif = None
    position = len(PNG_SIGNATURE)
    for _ in range(_MAX_PARTS):
        if position + 8 > len(data):
            break
        length = int.from_bytes(data[position : position + 4])
        kind = data[position + 4 : position + 8]
        start, end = position + 8, position + 8 + length
        if kind == b"IHDR" and width is None and length >= 8:  # noqa: PLR2004 - width and height
            width, height = _unpack(">II", data, start) or (None, None)
        elif kind == b"eXIf":
            exif = strip_prefix(data[start:end])
        elif kind in (b"zTXt", b"tEXt", b"iTXt") and exif is None:
            exif = _exif_of_text(kind, data[start:end])
        elif kind == b"IEND":
            break
        position = end + 4
    return Header(format="PNG", width=width, height=height, exif=exif)


def _exif_of_text(kind: bytes, body: bytes) -> bytes | None:
    """Return EXIF that ImageMagick hides in a text chunk: a length and hexadecimal digits."""
    keyword, _, rest = body.partition(b"\0")
    if keyword not in (_PNG_PROFILE + b"exif", _PNG_PROFILE + b"APP1"):
        return None
    if kind == b"zTXt":
        try:
            rest = zlib.decompressobj().decompress(rest[1:], _MAX_EXIF_BYTES)
        except zlib.error:
            return None
    elif kind == b"iTXt":
        return None
    lines = rest.strip().split(b"\n", 2)
    try:
        return strip_prefix(bytes.fromhex(lines[-1].decode("ascii")))
    except ValueError:
        return None


def strip_prefix(block: bytes) -> bytes:
    """Return an EXIF block without the six-byte prefix of JPEG, which some writers put everywhere."""
    return block.removeprefix(EXIF_PREFIX)


def _read_webp(data: bytes) -> Header:
    size: tuple[int, ...] | None = None
    exif = None
    position = 12
    for _ in range(_MAX_PARTS):
        if position + 8 > len(data):
            break
        kind = data[position : position + 4]
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        start = position + 8
        if size is None and kind in (b"VP8X", b"VP8 ", b"VP8L"):
            size = _webp_size(kind, data, start)
        elif kind == b"EXIF":
            exif = strip_prefix(data[start : start + length])
        position = start + length + (length & 1)
    width, height = size or (None, None)
    return Header(format="WEBP", width=width, height=height, exif=exif)


def _webp_size(kind: bytes, data: bytes, start: int) -> tuple[int, int] | None:
    if len(data) < start + 10:
        return None
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[start + at : start + at + 3], "little") + 1 for at in (4, 7))
        return width, height
    if kind == b"VP8L":
        bits = int.from_bytes(data[start + 1 : start + 5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, start + 6)
    return width & 0x3FFF, height & 0x3FFF


def _read_tiff(data: bytes) -> Header:
    """Tell a TIFF from the RAW formats built on it: those are negatives, with a small preview in IFD0."""
    image = tags.read_directories(data).image
    if data[8:10] == b"CR":
        return Header(format="CR2", exif=data)
    if tags.DNG_VERSION in image:
        return Header(format="DNG", exif=data)
    if tags.SUB_IFDS in image and image.get(tags.NEW_SUBFILE_TYPE) == (1,):
        return Header(format="NEF", exif=data)
    width, height = image.get(tags.IMAGE_WIDTH), image.get(tags.IMAGE_LENGTH)
    return Header(format="TIFF", width=_positive(width), height=_positive(height), exif=data)


def _unsupported_size(name: str, data: bytes) -> tuple[int | None, int | None]:
    """Return the size of the common formats that are refused, so that a person sees what was refused."""
    if name == "GIF" and len(data) >= 10:  # noqa: PLR2004 - bytes of its header
        width, height = struct.unpack_from("<HH", data, 6)
        return width, height
    if name == "BMP" and len(data) >= 26 and int.from_bytes(data[14:18], "little") >= 40:  # noqa: PLR2004 - same
        width, height = struct.unpack_from("<ii", data, 18)
        return abs(width), abs(height)  # a negative height means top-down
    return None, None


def _positive(raw: object) -> int | None:
    first = raw[0] if isinstance(raw, tuple) and raw else None
    return first if isinstance(first, int) and first > 0 else None


def _unpack(code: str, data: bytes, offset: int) -> tuple[int, ...] | None:
    try:
        return struct.unpack_from(code, data, offset)
    except struct.error:
        return None
