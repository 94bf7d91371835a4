"""Pictures for tests, drawn from a seed: no file of anybody is needed."""

import io

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from parjanya_dagster.core.truth.exif import Tag


def a_scene(width: int = 96, height: int = 64, *, mode: str = "RGB") -> Image.Image:
    """Return a picture with detail at every scale, the same every time; its left half is darker."""
    random = np.random.default_rng(7)
    levels = random.integers(0, 120, (height, width, 3), dtype=np.uint8)
    levels[:, width // 2 :] += 120
    return Image.fromarray(levels).convert(mode)


def a_smooth_scene(width: int, height: int, *, block: int = 12) -> Image.Image:
    """Return a picture of flat blocks, `block` pixels wide, with perfectly sharp edges."""
    random = np.random.default_rng(11)
    blocks = random.integers(0, 255, (height // block + 1, width // block + 1), dtype=np.uint8)
    return Image.fromarray(np.kron(blocks, np.ones((block, block), np.uint8))[:height, :width]).convert("RGB")


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """Return a picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def camera_exif(orientation: int = 1) -> Image.Exif:
    """Return what a camera would write."""
    exif = Image.Exif()
    exif[Tag.MAKE] = "Parjanya"
    exif[Tag.MODEL] = "One"
    exif[Tag.ORIENTATION] = orientation
    photo = exif.get_ifd(0x8769)
    photo[Tag.ISO] = 200
    photo[Tag.EXPOSURE_TIME] = IFDRational(1, 125)
    photo[Tag.FNUMBER] = IFDRational(28, 10)
    photo[Tag.DATETIME_ORIGINAL] = "2024:05:06 07:08:09"
    return exif
