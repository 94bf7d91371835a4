"""Pixels of every mode a decoder may return, brought to 8-bit sRGB without touching more than needed.

Full-size pictures are converted only where nothing works without it (palettes, 16 bits); alpha, CMYK, LAB
and colour profiles wait until a tile or a preview is small.
"""

import io

import numpy as np
from PIL import Image, ImageCms

TURNED = frozenset({5, 6, 7, 8})
"""Orientations that swap width and height."""

_DIRECT_MODES = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "LAB"})
_ALPHA_TWINS = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}
_PROFILE_SPACES = {"RGB": "RGB", "CMYK": "CMYK", "L": "GRAY", "LAB": "Lab"}
_SRGB_NAMES = (b"sRGB", "sRGB".encode("utf-16-be"))
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def normalise(image: Image.Image) -> Image.Image:
    """Return the picture in L, LA, RGB, RGBA, CMYK or LAB with 8 bits per channel; itself where it is."""
    mode = image.mode
    if mode in _DIRECT_MODES:
        return image
    if mode == "1":
        return image.convert("L")
    if mode == "P":
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if mode in _ALPHA_TWINS:
        return image.convert(_ALPHA_TWINS[mode])
    if mode == "F" or mode.startswith("I"):
        return _eight_bits(image)
    return image.convert("RGB")


def luma(tile: Image.Image) -> Image.Image:
    """Return a tile's luma (ITU-R 601) as mode L, transparency on white."""
    if tile.mode == "L":
        return tile
    if tile.mode == "LAB":
        return tile.getchannel(0)
    return _opaque(tile).convert("RGB").convert("L")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return a small picture as opaque sRGB; a profile that doesn't fit or doesn't parse is ignored."""
    opaque = _opaque(image)
    converted = None
    if opaque.mode == "LAB":
        converted = _transform(opaque, None)
    elif profile and not any(name in profile for name in _SRGB_NAMES):
        converted = _transform(opaque, profile)
    return converted or opaque.convert("RGB")


def upright(image: Image.Image, orientation: int | None) -> Image.Image:
    """Return the picture turned as its orientation (1..8) asks."""
    method = _UPRIGHT.get(orientation or 1)
    return image if method is None else image.transpose(method)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return deep greyscale as mode L: integers by their top byte, floats by their own range."""
    deep = np.asarray(image)
    if image.mode == "F":
        finite = np.nan_to_num(deep, nan=0.0, posinf=0.0, neginf=0.0)
        low, high = float(finite.min()), float(finite.max())
        scaled = (finite - low) * (255.0 / (high - low) if high > low else 0.0)
    elif image.mode.startswith("I;16"):
        scaled = deep >> 8
    else:
        bits = max(8, int(deep.max()).bit_length())
        scaled = np.clip(deep, 0, None) >> (0 if bits == 8 else 8 if bits <= 16 else bits - 8)  # noqa: PLR2004 - widths of samples
    return Image.fromarray(scaled.astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode not in ("LA", "RGBA"):
        return image
    canvas = Image.new("RGB", image.size, "white")
    coloured = image.convert("RGBA")
    canvas.paste(coloured, mask=coloured.getchannel("A"))
    return canvas


def _transform(image: Image.Image, source: bytes | None) -> Image.Image | None:
    """Return the picture in sRGB, read by its profile (None: as CIE LAB); None where that cannot be done."""
    try:
        given = ImageCms.createProfile("LAB") if source is None else io.BytesIO(source)
        profile = ImageCms.ImageCmsProfile(given)
        if profile.profile.xcolor_space.strip() != _PROFILE_SPACES[image.mode]:
            return None
        return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
