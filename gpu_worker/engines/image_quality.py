"""Technical quality from measured statistics: five scores and their sum-up, each with a stated scale.

The scales are written down, not fitted: each constant says at which measured value a score is one half. Focus
and noise come from the original's own pixels, since neither survives resizing.
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from gpu_worker.engines.image_statistics import Pixels

_HALF_ACUTANCE: Final = 0.15  # a Gaussian blur of 1 px brings a crisp photograph here, 2 px to 0.06
_HALF_NOISE_LEVELS: Final = 4.5  # visible grain; 12 levels hide detail
_HALF_CONTRAST_LEVELS: Final = 25.0  # photographs have 35 to 75
_HALF_COLOURFULNESS: Final = 40.0  # between "moderately" and "averagely colourful" of the source
_HALF_BRIGHTNESS: Final = 110.0  # where a normal exposure lands when cut by two and a half stops
_HALF_CLIPPED_HIGHLIGHTS: Final = 0.3
_HALF_CLIPPED_SHADOWS: Final = 0.4

_NOISE_GAIN: Final = 28.0
"""What noise adds to the squared Laplacian: 20 if white, more since it is estimated where it is least."""

_NOISE_RATIOS: Final = (0.9, 1.5)
"""Fine over coarse detail: up to the first it is the scene's, from the second it is noise (2 if white)."""

_ROUNDING_ENERGY: Final = 10 / 3
"""What whole levels add to the squared Laplacian: 20 / 12, and as much again for compression."""

_LOWEST_CONTRAST_LEVELS: Final = 8.0

_WEIGHTS: Final = {"sharpness": 0.35, "exposure": 0.3, "noise": 0.2, "contrast": 0.15}


def quality_scores(native: Mapping[str, float], colours: Pixels) -> dict[str, float]:
    """Return sharpness, exposure, noise, colourfulness, contrast and overall_quality, each 0..1, 1 best.

    Args:
        native: ingest's statistics by their bare names (`NativeStatistics`).
        colours: uint8 [height, width, 3], sRGB, of any size.

    Raises:
        KeyError: a statistic is missing.
    """
    scores = {
        "sharpness": sharpness(native),
        "exposure": exposure(native),
        "noise": _falling(native["noise_sigma"], half=_HALF_NOISE_LEVELS, steepness=1.7),
        "contrast": _rising(native["luma_contrast"], half=_HALF_CONTRAST_LEVELS, steepness=2.0),
    }
    return {
        **scores,
        "colourfulness": _rising(colourfulness(colours), half=_HALF_COLOURFULNESS, steepness=1.5),
        "overall_quality": overall_quality(scores),
    }


def sharpness(native: Mapping[str, float]) -> float:
    """Return acutance as a score: detail of the sharpest tiles, less noise, over the picture's contrast.

    Only the sharpest tiles count, so that a blurred background is no fault. Over the contrast, so that a
    darker exposure of the same scene is not less sharp. Gravel and noise both fill the finest scale, but
    noise is gone at half resolution and gravel is not, which `detail_ratio` tells.
    """
    texture, white = _NOISE_RATIOS
    noise_share = max(0.0, min(1.0, (native["detail_ratio"] - texture) / (white - texture)))
    noise_energy = _ROUNDING_ENERGY + noise_share * _NOISE_GAIN * native["noise_sigma"] ** 2
    best, good = (
        math.sqrt(max(0.0, native[name] ** 2 - noise_energy)) for name in ("sharpness_max", "sharpness_p90")
    )
    acutance = math.sqrt(best * good) / max(native["luma_contrast"], _LOWEST_CONTRAST_LEVELS)
    return _rising(acutance, half=_HALF_ACUTANCE, steepness=1.4)


def exposure(native: Mapping[str, float]) -> float:
    """Return how well the tonal range is used: neither dark throughout, nor washed out, nor cut off.

    Darkness is judged by the brightest parts as much as by the mean: a lit night scene is exposed well.
    """
    brightness = 0.6 * native["luma_p99"] + 0.8 * native["luma_mean"]
    not_dark = _logistic((brightness - _HALF_BRIGHTNESS) / 22)
    not_bright = _logistic((215 - native["luma_mean"]) / 12)
    highlights = _falling(native["clipped_highlights"], half=_HALF_CLIPPED_HIGHLIGHTS, steepness=1.5)
    shadows = _falling(native["clipped_shadows"], half=_HALF_CLIPPED_SHADOWS, steepness=1.5)
    return not_dark * not_bright * highlights * shadows


def colourfulness(pixels: Pixels) -> float:
    """Return the colourfulness M, 0 for greys to about 110 for extremely colourful.

    Source: Hasler and Süsstrunk, Measuring colourfulness in natural images, SPIE 5007 (2003).
    """
    red, green, blue = np.moveaxis(pixels.astype(np.float32), 2, 0)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    deviation = math.hypot(float(red_green.std()), float(yellow_blue.std()))
    mean = math.hypot(float(red_green.mean()), float(yellow_blue.mean()))
    return deviation + 0.3 * mean


def overall_quality(scores: Mapping[str, float]) -> float:
    """Return the geometric mean of the weighted scores and of the worst: one bad flaw spoils a photograph."""
    weighted = math.prod(scores[name] ** weight for name, weight in _WEIGHTS.items())
    return math.sqrt(weighted * min(scores[name] for name in _WEIGHTS))


def _rising(value: float, *, half: float, steepness: float) -> float:
    """Return 0 at 0, one half at `half`, towards 1 above."""
    return 1 - _falling(value, half=half, steepness=steepness)


def _falling(value: float, *, half: float, steepness: float) -> float:
    odds: float = (max(value, 0.0) / half) ** steepness
    return 1 / (1 + odds)


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, value))))
