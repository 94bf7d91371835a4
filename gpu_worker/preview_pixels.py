"""Pixels of the previews that ingestion stored, at the model's grid.

They are our own files, written by a decoder that can be lost, and so they are read in this process; all the
same nothing is read that cannot be one of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from parjanya_dagster.imaging.grid import model_size
from parjanya_dagster.imaging.previews import PREVIEW_PX, at_grid

_MAX_PIXELS: Final = 4_000_000


def model_pixels(png: bytes) -> npt.NDArray[np.uint8]:
    """Return the pixels of the preview at the model's grid: uint8 [height, width, 3], sRGB.

    Raises:
        ValueError: not such a PNG.
    """
    with _opened(png, "PNG") as image:
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)


def pixels_for_people(jpeg: bytes, *, native_sides: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return the pixels of the preview for people, at the model's grid: uint8 [height, width, 3], sRGB.

    Args:
        native_sides: of the original, as stored; the preview, which is upright, says which is its height.

    Raises:
        ValueError: not such a JPEG, or it is not of an original of that size.
    """
    with _opened(jpeg, "JPEG") as image:
        if max(image.size) > PREVIEW_PX:
            raise ValueError(f"a preview of {image.width}x{image.height} pixels is not one of ours")
        shorter, longer = sorted(native_sides)
        rows, columns = model_size(*((longer, shorter) if image.height > image.width else (shorter, longer)))
        return np.asarray(at_grid(image.convert("RGB"), rows, columns), dtype=np.uint8)


@contextmanager
def _opened(preview: bytes, kind: str) -> Iterator[Image.Image]:
    try:
        with Image.open(BytesIO(preview), formats=(kind,)) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise ValueError(f"a preview of {image.width}x{image.height} pixels is not one of ours")
            yield image
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"the preview is not a {kind}: {error}") from error
