"""One file's bytes to everything ingest stores about it, or to a model's pixels alone, in one decode.

This runs wherever it is called. Bytes from outside belong in `decoder.Decoder`, which calls it in a child
process with limits; benchmarks and the child call it directly.
"""

import io
import warnings
from dataclasses import replace

import pillow_heif
from PIL import Image

from parjanya_dagster.core.truth.exif import Exif, orientation_from_tags
from parjanya_dagster.core.truth.technical import (
    TechnicalFacts,
    TechnicalLimits,
    TechnicalReason,
    technical_reasons,
)
from parjanya_dagster.imaging import native, pixels, previews, tags
from parjanya_dagster.imaging.grid import model_size
from parjanya_dagster.imaging.header import describe, strip_prefix
from parjanya_dagster.imaging.reading import AtGrid, Ingested, Rejected

_SIGNS_OF_TRUNCATION = ("truncated", "unexpected end", "not enough image data", "end of file", "eof")
_SIGNS_OF_MEMORY = ("memory", "allocat")


def decode(data: bytes, limits: TechnicalLimits) -> Ingested | Rejected:
    """Return what a file is, or why it is rejected; whatever a decoder raises becomes a reason.

    Args:
        data: the whole file.
        limits: checked on the header first, and on the decoder's own idea of the size next.
    """
    facts, exif = describe(data)
    if reasons := technical_reasons(facts, limits):
        return Rejected(facts=facts, exif=exif, reasons=reasons)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn about files; our answer about a file is a value
        try:
            image, facts = _load(data, facts, limits)
        except Exception as error:  # noqa: BLE001 - hostile bytes make decoders raise anything at all
            return Rejected(facts=facts, exif=exif, reasons=(_reason_of(error),))
        return _measure(image, facts, exif)


def decode_at_grid(data: bytes, limits: TechnicalLimits) -> AtGrid | Rejected:
    """Return a file's pixels at the model's grid, or why there are none.

    A JPEG is decoded no larger than the grid asks for (DCT scaling): a fifth of the time and a sixteenth of
    the pixels, 51 dB from those of a whole decode. Other formats, and small files, give the very same pixels.
    """
    facts, exif = describe(data)
    if reasons := technical_reasons(facts, limits):
        return Rejected(facts=facts, exif=exif, reasons=reasons)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        try:
            image, facts = _load(data, facts, limits, at_grid=True)
            native_size = _native_size(image, facts)
            grid = previews.make_model_preview(
                pixels.normalise(image),
                native_size,
                orientation=_remaining_orientation(image, facts),
                profile=image.info.get("icc_profile"),
            )
        except Exception as error:  # noqa: BLE001 - hostile bytes make decoders raise anything at all
            return Rejected(facts=facts, exif=exif, reasons=(_reason_of(error),))
    return AtGrid(model_grid=grid, is_scaled=image.size != native_size)


def _native_size(image: Image.Image, facts: TechnicalFacts) -> tuple[int, int]:
    """Return (width, height) of a picture before it was scaled; only JPEG's decoder scales."""
    if facts.format != "JPEG" or facts.width is None or facts.height is None:
        return image.size
    return facts.width, facts.height


class _TooManyPixelsError(Exception):
    """The decoder found more pixels than the header admitted."""


def _load(
    data: bytes, facts: TechnicalFacts, limits: TechnicalLimits, *, at_grid: bool = False
) -> tuple[Image.Image, TechnicalFacts]:
    """Return the decoded primary picture, and the facts completed by what the decoder knows.

    Args:
        at_grid: decode no larger than the model's grid needs, where the format can do that.
    """
    if facts.format == "HEIC":
        container = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
        still, frames = container[container.primary_index], len(container)
        known = _complete(facts, still.size, frames, limits)
        image = still.to_pillow()
        image.info = {"icc_profile": still.info.get("icc_profile")}
        return image, known
    picture = Image.open(io.BytesIO(data), formats=[str(facts.format)])
    known = _complete(facts, picture.size, _count_frames(data, picture), limits)
    if at_grid:
        rows, columns = model_size(picture.height, picture.width)  # as it lies in the file, not yet upright
        picture.draft(picture.mode, (columns, rows))
    picture.load()
    return picture, known


def _complete(
    facts: TechnicalFacts, size: tuple[int, int], frames: int | None, limits: TechnicalLimits
) -> TechnicalFacts:
    if size[0] * size[1] > limits.max_pixels:
        raise _TooManyPixelsError
    return replace(facts, width=facts.width or size[0], height=facts.height or size[1], frames=frames)


def _count_frames(data: bytes, picture: Image.Image) -> int | None:
    """Return how many pictures a file holds; None if counting fails, which says nothing about the first."""
    if picture.format != "TIFF":
        return int(getattr(picture, "n_frames", 1))
    try:  # counting TIFF pages seeks through them, so not in the picture that is about to be loaded
        return int(getattr(Image.open(io.BytesIO(data), formats=["TIFF"]), "n_frames", 1))
    except Exception:  # noqa: BLE001 - a broken page list raises anything at all
        return None


def _measure(image: Image.Image, facts: TechnicalFacts, exif: Exif) -> Ingested | Rejected:
    """Return the whole reading; a fault in here is ours, and named so."""
    try:
        profile = image.info.get("icc_profile")
        orientation = _remaining_orientation(image, facts)
        eight_bits = pixels.normalise(image)
        preview, model_grid = previews.make_previews(eight_bits, orientation=orientation, profile=profile)
        measured = replace(facts, statistics=native.measure(eight_bits))
    except MemoryError:
        return Rejected(facts=facts, exif=exif, reasons=(TechnicalReason.DECODER_OUT_OF_MEMORY,))
    except Exception:  # noqa: BLE001 - one odd picture must not end the ingestion of others
        return Rejected(facts=facts, exif=exif, reasons=(TechnicalReason.VALIDATION_CRASHED,))
    return Ingested(facts=measured, exif=exif, preview=preview, model_grid=model_grid)


def _remaining_orientation(image: Image.Image, facts: TechnicalFacts) -> int | None:
    """Return the turn that the decoder left to do.

    libheif and Pillow's TIFF reader turn pictures themselves. For AVIF the container decides, not EXIF, and
    Pillow states its decision in the EXIF block it hands out.
    """
    match facts.format:
        case "HEIC" | "TIFF":
            return None
        case "AVIF":
            block = strip_prefix(image.info.get("exif") or b"")
            return orientation_from_tags(tags.read_directories(block).image)
        case _:
            return facts.orientation


def _reason_of(error: Exception) -> TechnicalReason:
    message = str(error).lower()
    if isinstance(error, MemoryError) or any(sign in message for sign in _SIGNS_OF_MEMORY):
        return TechnicalReason.DECODER_OUT_OF_MEMORY
    if isinstance(error, Image.DecompressionBombError | _TooManyPixelsError):
        return TechnicalReason.TOO_MANY_PIXELS
    if isinstance(error, EOFError) or any(sign in message for sign in _SIGNS_OF_TRUNCATION):
        return TechnicalReason.TRUNCATED
    return TechnicalReason.UNDECODABLE
