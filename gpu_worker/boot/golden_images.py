"""The images that golden answers are about: generated, small, and of awkward shapes.

Generated, so that no photograph travels with a model; stored as PNG beside the answers all the same, so that
another version of a generator or of numpy never asks about other pixels.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
"""uint8 [height, width, 3], sRGB."""
Channel = npt.NDArray[np.floating[Any]]
"""[height, width] or what spreads to it, 0..1."""


def golden_images() -> Mapping[str, Pixels]:
    """Return the images by file name; the same ones each time.

    A square, both extremes of elongation, a usual 3:2, and noise of odd sides: whatever in an engine goes by
    an image's shape or position goes another way for each.
    """
    return {
        "gradient-256x256.png": _gradient(256, 256),
        "panorama-1024x96.png": _rings(96, 1024),
        "tower-96x1024.png": _rings(1024, 96),
        "checks-384x256.png": _checks(256, 384),
        "noise-333x251.png": _noise(251, 333),
    }


def as_png(pixels: Pixels) -> bytes:
    """Return an image as a PNG file."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def from_png(content: bytes) -> Pixels:
    """Return the pixels of a PNG file.

    Raises:
        OSError: it is no image.
    """
    with Image.open(BytesIO(content)) as image:
        return np.array(image.convert("RGB"), np.uint8)


def _axes(height: int, width: int) -> tuple[Channel, Channel]:
    """Return down and across, 0..1, [height, 1] and [1, width]."""
    return np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)[None, :]


def _gradient(height: int, width: int) -> Pixels:
    down, across = _axes(height, width)
    return _pixels(down + 0 * across, across + 0 * down, (1 - down) * (1 - across))


def _rings(height: int, width: int) -> Pixels:
    down, across = _axes(height, width)
    distance = np.hypot((down - 0.4) * height, (across - 0.6) * width)
    rings = 0.5 + 0.5 * np.sin(distance / 9)
    return _pixels(rings, rings * across, 1 - rings * down)


def _checks(height: int, width: int) -> Pixels:
    rows, columns = np.indices((height, width)) // 24
    dark = (rows + columns) % 2
    return _pixels(0.9 - 0.8 * dark, 0.15 + 0.5 * dark, 0.3 + 0 * dark)


def _noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(20_26).integers(0, 256, (height, width, 3), np.uint8)


def _pixels(red: Channel, green: Channel, blue: Channel) -> Pixels:
    return np.round(255 * np.stack((red, green, blue), axis=-1)).astype(np.uint8)
