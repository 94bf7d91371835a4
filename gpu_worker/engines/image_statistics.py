"""Measured statistics of the pixels at the model's grid: what the cpu engine knows of an image.

Photographs are textured nearly everywhere, in many colours, with edges in all directions; what is composed
on a screen is flat, sharp-edged, axis-aligned and of few colours. Everything is measured at one common
size, so that neither the size of a file nor its compression decides.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

WORKING_PIXELS: Final = 147_456
"""Area that content is measured at: 384 squared. Enough for structure, too little for JPEG's traces."""

_BLOCK_PX: Final = 16
_FLAT_LEVELS: Final = 2.0  # a step this small is rounding or compression, not texture
_TEXTURE_LEVELS: Final = (3.0, 24.0)
_STRONG_LEVELS: Final = 40.0
_AXIS_TANGENT: Final = 0.1  # within 6 degrees of an axis
_GREY_LEVELS: Final = 8
_TINY: Final = 1e-6

Pixels = npt.NDArray[np.uint8]  # [height, width, 3], sRGB
Plane = npt.NDArray[np.float32]  # [height, width]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gradients:
    """First differences of luma: across, down, and their magnitude, each [height - 1, width - 1]."""

    across: Plane
    down: Plane
    magnitude: Plane


def content_statistics(pixels: Pixels) -> dict[str, float]:
    """Return the named statistics that tell photographs from composed images.

    Args:
        pixels: uint8 [height, width, 3], sRGB, from `at_common_size`.

    Returns:
        Finite numbers; always the same names in the same order.
    """
    luma = luma_of(pixels)
    gradients = _gradients_of(luma)
    return {
        **_palette_statistics(pixels),
        **_tone_statistics(pixels, luma),
        **_gradient_statistics(gradients),
        **_edge_statistics(gradients),
        **_block_statistics(luma),
        **_scale_statistics(luma, gradients),
        "aspect": abs(math.log(pixels.shape[1] / pixels.shape[0])),
    }


def at_common_size(pixels: Pixels) -> Pixels:
    """Return the image resized to `WORKING_PIXELS`, its shape kept as far as both sides stay ≥ 32."""
    height, width = pixels.shape[:2]
    scale = math.sqrt(WORKING_PIXELS / (height * width))
    size = (max(32, round(width * scale)), max(32, round(height * scale)))
    filtering = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(pixels).resize(size, filtering))


def luma_of(pixels: Pixels) -> Plane:
    """Return Rec. 601 luma, 0..255: float32 [height, width]."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return (pixels.reshape(-1, 3).astype(np.float32) @ weights).reshape(pixels.shape[:2])


def _gradients_of(luma: Plane) -> _Gradients:
    across = luma[:-1, 1:] - luma[:-1, :-1]
    down = luma[1:, :-1] - luma[:-1, :-1]
    return _Gradients(across=across, down=down, magnitude=np.hypot(across, down))


def _palette_statistics(pixels: Pixels) -> dict[str, float]:
    """Few colours cover a composed image; a photograph needs hundreds."""
    coarse = (pixels >> 3).astype(np.int32)
    codes = (coarse[..., 0] << 10) | (coarse[..., 1] << 5) | coarse[..., 2]
    counts = np.sort(np.bincount(codes.ravel(), minlength=1 << 15))[::-1]
    share = counts[counts > 0] / codes.size
    covered = np.searchsorted(share.cumsum(), 0.9) + 1
    return {
        "palette_entropy_bits": float(-(share * np.log2(share)).sum()),
        "palette_log_size": math.log2(float(covered)),
        "palette_top_1": float(share[0]),
        "palette_top_8": float(share[:8].sum()),
    }


def _tone_statistics(pixels: Pixels, luma: Plane) -> dict[str, float]:
    """Composed images have white or black grounds, exact greys and pure colours."""
    high, low = pixels.max(axis=2), pixels.min(axis=2)
    chroma = high - low  # uint8; high ≥ low everywhere
    saturation = chroma / np.maximum(high, np.uint8(1))
    share = np.bincount((luma * 0.25).astype(np.int64).ravel(), minlength=64)[:64] / luma.size
    present = share[share > 0]
    return {
        "tone_white": float((low >= 248).mean()),  # noqa: PLR2004 - paper white after resizing
        "tone_grey": float((chroma < _GREY_LEVELS).mean()),
        "tone_saturation": float(saturation.mean()),
        "tone_pure": float(((saturation > 0.8) & (high > 128)).mean()),  # noqa: PLR2004 - full, bright colours
        "tone_entropy_bits": float(-(present * np.log2(present)).sum()),
        "tone_top_3": float(np.sort(share)[-3:].sum()),
    }


def _gradient_statistics(gradients: _Gradients) -> dict[str, float]:
    """A photograph's gradients fill all sizes; a composed image's are nothing or an edge."""
    magnitude = gradients.magnitude
    low, high = _TEXTURE_LEVELS
    p50, p90, p99 = np.percentile(magnitude, (50, 90, 99))
    return {
        "gradient_flat": float((magnitude < _FLAT_LEVELS).mean()),
        "gradient_texture": float(((magnitude >= low) & (magnitude < high)).mean()),
        "gradient_strong": float((magnitude >= _STRONG_LEVELS).mean()),
        "gradient_log_p50": math.log1p(float(p50)),
        "gradient_log_p90": math.log1p(float(p90)),
        "gradient_peakedness": math.log((float(p99) + 1) / (float(p90) + 1)),
    }


def _edge_statistics(gradients: _Gradients) -> dict[str, float]:
    """Screens and pages are ruled along the axes, often over their whole width."""
    across, down = np.abs(gradients.across), np.abs(gradients.down)
    threshold = max(float(np.percentile(gradients.magnitude, 90)), 8.0)
    edges = gradients.magnitude >= threshold
    aligned = np.minimum(across, down) <= _AXIS_TANGENT * np.maximum(across, down)
    ruled_rows = ((down >= threshold) & aligned).mean(axis=1)
    ruled_columns = ((across >= threshold) & aligned).mean(axis=0)
    return {
        "edge_aligned": float((edges & aligned).sum() / max(1, edges.sum())),
        "edge_ruled": float(max(ruled_rows.max(), ruled_columns.max())),
        "edge_row_unevenness": _unevenness(edges.mean(axis=1)),
        "edge_column_unevenness": _unevenness(edges.mean(axis=0)),
    }


def _block_statistics(luma: Plane) -> dict[str, float]:
    """Text and line art: blocks with strong contrast on a ground that is flat."""
    blocks = _blocks_of(luma)
    deviation = blocks.std(axis=1)
    ground = np.median(blocks, axis=1, keepdims=True)
    on_ground = (np.abs(blocks - ground) < 4).mean(axis=1)  # noqa: PLR2004 - levels, as JPEG leaves a ground
    reach = blocks.max(axis=1) - blocks.min(axis=1)
    inked = (reach > 64) & (on_ground > 0.35)  # noqa: PLR2004 - a quarter of the range, on a third of the block
    quiet, usual = np.percentile(deviation, (10, 25))
    low, high = _TEXTURE_LEVELS
    return {
        "block_flat": float((deviation < 1).mean()),
        "block_texture": float(((deviation >= low) & (deviation < high)).mean()),
        "block_inked": float(inked.mean()),
        "block_on_ground": float(on_ground.mean()),
        "block_log_quiet": math.log1p(float(quiet)),
        "block_log_usual": math.log1p(float(usual)),
    }


def _scale_statistics(luma: Plane, gradients: _Gradients) -> dict[str, float]:
    """Natural scenes hold much the same contrast at every scale (1/f spectra)."""
    fine = math.log(float(gradients.magnitude.mean()) + 1)
    half = _halved(luma)
    middle = math.log(float(_gradients_of(half).magnitude.mean()) + 1)
    coarse = math.log(float(_gradients_of(_halved(half)).magnitude.mean()) + 1)
    return {"scale_fine": middle - fine, "scale_coarse": coarse - middle}


def _blocks_of(luma: Plane) -> Plane:
    """Return whole blocks: float32 [blocks, pixels]."""
    rows, columns = luma.shape[0] // _BLOCK_PX, luma.shape[1] // _BLOCK_PX
    whole = luma[: rows * _BLOCK_PX, : columns * _BLOCK_PX]
    tiled = whole.reshape(rows, _BLOCK_PX, columns, _BLOCK_PX).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(tiled).reshape(rows * columns, -1)


def _halved(luma: Plane) -> Plane:
    even = luma[: luma.shape[0] // 2 * 2, : luma.shape[1] // 2 * 2]
    quarter: Plane = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) * np.float32(
        0.25
    )
    return quarter


def _unevenness(profile: npt.NDArray[np.float64]) -> float:
    """Return the relative deviation of a profile: lines of text and bars come and go."""
    return float(profile.std() / (profile.mean() + _TINY))
