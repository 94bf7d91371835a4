"""What reading a file gave: everything ingest stores about it, or why it was rejected.

These values cross from the decoder's process to its parent as JSON and bytes, never as pickles: a decoder
that was taken over must not be able to run code in the parent.
"""

import json
import struct
from dataclasses import asdict, dataclass, fields
from typing import Any

from parjanya_dagster.core.truth.exif import Exif
from parjanya_dagster.core.truth.technical import NativeStatistics, TechnicalFacts, TechnicalReason

_LENGTHS = struct.Struct(">IQ")
_MAX_SIDE = 1 << 16
_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """An encoded picture, upright and sRGB, without metadata; sizes in pixels."""

    content: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """A supported and fully decoded picture.

    `preview` is a JPEG of at most 1536 px; `model_grid` an uncompressed PNG at the model's own size.
    """

    facts: TechnicalFacts
    exif: Exif
    preview: Preview
    model_grid: Preview


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A file that is no usable picture: at least one reason, and whatever its header said."""

    facts: TechnicalFacts
    exif: Exif
    reasons: tuple[TechnicalReason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AtGrid:
    """A picture decoded for a model alone.

    Args:
        model_grid: an uncompressed PNG at the model's own size.
        is_scaled: decoded below native size.
    """

    model_grid: Preview
    is_scaled: bool


def to_wire(reading: Ingested | AtGrid | Rejected) -> list[bytes]:
    """Return the parts of one message: lengths, a JSON head, then the previews' bytes."""
    if isinstance(reading, AtGrid):
        grid = reading.model_grid
        return _message({"grid": [grid.width, grid.height], "is_scaled": reading.is_scaled}, [grid.content])
    head: dict[str, Any] = {"facts": asdict(reading.facts), "exif": asdict(reading.exif)}
    contents: list[bytes] = []
    match reading:
        case Ingested():
            contents = [reading.preview.content, reading.model_grid.content]
            head["previews"] = [
                [preview.width, preview.height, len(preview.content)]
                for preview in (reading.preview, reading.model_grid)
            ]
        case Rejected():
            head["reasons"] = list(reading.reasons)
    return _message(head, contents)


def _message(head: dict[str, Any], contents: list[bytes]) -> list[bytes]:
    document = json.dumps(head, allow_nan=False).encode()
    return [_LENGTHS.pack(len(document), sum(map(len, contents))), document, *contents]


def wire_lengths(prefix: bytes) -> tuple[int, int]:
    """Return the sizes in bytes of head and body that a message's first 12 bytes announce.

    Raises:
        ValueError: no honest answer is that long.
    """
    head_bytes, body_bytes = _LENGTHS.unpack(prefix)
    if head_bytes + body_bytes > _MAX_BYTES:
        raise ValueError(f"an answer of {head_bytes + body_bytes} bytes is not one of ours")
    return head_bytes, body_bytes


WIRE_PREFIX_BYTES = _LENGTHS.size


def from_wire(head: bytes, body: bytes) -> Ingested | AtGrid | Rejected:
    """Return the reading of one message.

    Raises:
        ValueError: the message is not one that `to_wire` writes.
    """
    try:
        document = json.loads(head)
        if "grid" in document:
            return AtGrid(
                model_grid=_preview(body, *document["grid"]), is_scaled=document["is_scaled"] is True
            )
        facts, exif = _facts(document["facts"]), Exif(**document["exif"])
        if "reasons" in document:
            reasons = tuple(TechnicalReason(code) for code in document["reasons"])
            return Rejected(facts=facts, exif=exif, reasons=reasons)
        (preview_width, preview_height, cut), (grid_width, grid_height, _) = document["previews"]
        return Ingested(
            facts=facts,
            exif=exif,
            preview=_preview(body[:cut], preview_width, preview_height),
            model_grid=_preview(body[cut:], grid_width, grid_height),
        )
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"the decoder's answer is malformed: {error!r}") from error


def _facts(document: dict[str, Any]) -> TechnicalFacts:
    measured = document.pop("statistics")
    statistics = None
    if measured is not None:
        statistics = NativeStatistics(
            **{name.name: float(measured[name.name]) for name in fields(NativeStatistics)}
        )
    return TechnicalFacts(**document, statistics=statistics)


def _preview(content: bytes, width: object, height: object) -> Preview:
    if not (isinstance(width, int) and isinstance(height, int)):
        raise TypeError("sizes are whole numbers")
    if not (0 < width < _MAX_SIDE and 0 < height < _MAX_SIDE):
        raise ValueError(f"a preview of {width}x{height} pixels is not one of ours")
    return Preview(content=content, width=width, height=height)
