"""Images that show nothing: what an engine says about them is its habit, not its judgement.

Source: Zhao et al., Calibrate before use, https://arxiv.org/abs/2102.09690, who ask about empty inputs.
"""

from collections.abc import Iterator
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

_SIZES: Final = ((768, 768), (928, 608), (608, 928), (1024, 512))
"""Width and height, px: a model's habits may depend on the grid."""

_GREYS: Final = (0, 64, 128, 192, 255)
_NOISE_LEVELS: Final = (16.0, 64.0)
_SEED: Final = 20_261_122

BLANK_IMAGES: Final = len(_SIZES) * (len(_GREYS) + len(_NOISE_LEVELS))


def blank_images() -> Iterator[bytes]:
    """Yield `BLANK_IMAGES` PNG files, always the same: plain greys, and noise without any structure."""
    random = np.random.default_rng(_SEED)
    for width, height in _SIZES:
        for grey in _GREYS:
            yield _png(np.full((height, width, 3), grey, np.uint8))
        for level in _NOISE_LEVELS:
            noise = random.normal(128, level, (height, width, 3))
            yield _png(np.clip(noise, 0, 255).astype(np.uint8))


def _png(pixels: "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]") -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
