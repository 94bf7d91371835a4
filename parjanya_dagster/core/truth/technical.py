"""Whether a file is an image that can be judged at all, and what was measured on its own pixels.

Technical validation is the gate before any opinion: supported, complete, decodable, within bounds.
Everything finer (too soft, too small for print, clipped) is a fact for the policy's rules, not a reason here.
"""

from dataclasses import dataclass
from enum import StrEnum


class TechnicalReason(StrEnum):
    """Why a file was rejected before it was scored: the codes that people and scripts see."""

    NOT_FOUND = "not_found"
    NOT_A_FILE = "not_a_file"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    TRUNCATED = "truncated"
    UNDECODABLE = "undecodable"
    DECODER_CRASHED = "decoder_crashed"
    DECODER_TIMEOUT = "decoder_timeout"
    DECODER_OUT_OF_MEMORY = "decoder_out_of_memory"
    VALIDATION_CRASHED = "validation_crashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeStatistics:
    """Measured on tiles of the decoded picture at its own resolution, before any resizing.

    A model sees half a megapixel; focus and noise live in the other 23. Luma is 0..255.
    `sharpness_*` are percentiles over tiles of the RMS of the Laplacian, in luma levels.
    `detail_ratio` compares that RMS at full and at half resolution in the most detailed tiles: from about
    0.45 for a sharp picture, towards 0.25 for a blurred or enlarged one, hardly moved by its contrast.
    `noise_sigma` is the standard deviation of noise in luma levels, from the quietest unclipped tiles.
    `clipped_*`, `flat_tiles` and `coverage` are shares, 0..1.
    """

    sharpness_p10: float
    sharpness_p50: float
    sharpness_p90: float
    sharpness_max: float
    detail_ratio: float
    noise_sigma: float
    clipped_shadows: float
    clipped_highlights: float
    luma_mean: float
    luma_contrast: float
    luma_p01: float
    luma_p99: float
    luma_entropy_bits: float
    flat_tiles: float
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TechnicalFacts:
    """What is known of a file; None where it could not be learnt.

    Width and height are as stored, before any orientation. `orientation` is IFD0's, 1..8.
    `frames` counts pictures in the file, of which only the primary one is decoded.
    """

    size_bytes: int
    format: str | None = None
    width: int | None = None
    height: int | None = None
    orientation: int | None = None
    frames: int | None = None
    statistics: NativeStatistics | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TechnicalLimits:
    """Bounds that are checked on the header, before a decoder sees a pixel.

    102 megapixels is the largest single exposure a camera writes today. A tiny picture is valid: whether it
    is large enough is a rule of the policy, so `min_side_px` refuses only what cannot be a picture.
    """

    max_bytes: int = 256 * 1024 * 1024
    max_pixels: int = 108_000_000
    min_side_px: int = 1


SUPPORTED_FORMATS = frozenset({"JPEG", "PNG", "WEBP", "AVIF", "HEIC", "TIFF"})


def technical_reasons(facts: TechnicalFacts, limits: TechnicalLimits) -> tuple[TechnicalReason, ...]:
    """Return every reason that the header alone gives to reject a file; empty when it may be decoded."""
    if facts.size_bytes == 0:
        return (TechnicalReason.EMPTY,)
    reasons: list[TechnicalReason] = []
    if facts.size_bytes > limits.max_bytes:
        reasons.append(TechnicalReason.TOO_MANY_BYTES)
    if facts.format not in SUPPORTED_FORMATS:
        return (*reasons, TechnicalReason.UNSUPPORTED_FORMAT)
    if facts.width is not None and facts.height is not None:
        if facts.width * facts.height > limits.max_pixels:
            reasons.append(TechnicalReason.TOO_MANY_PIXELS)
        if min(facts.width, facts.height) < limits.min_side_px:
            reasons.append(TechnicalReason.TOO_SMALL)
    return tuple(reasons)
