"""Small generated pictures: a textured scene, and what may happen to it."""

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from gpu_worker.engines.engine import ScorableImage
from parjanya_dagster.imaging.native import measure
from parjanya_dagster.local.sample_scenes.canvas import Canvas

Pixels = npt.NDArray[np.uint8]


def a_scene(seed: int, *, width: int = 480, height: int = 320) -> Pixels:
    """Return a picture with detail at all scales, of normal brightness and contrast."""
    canvas = Canvas(width=width, height=height, rng=np.random.default_rng(seed))
    planes = [canvas.fractal(coarsest=4, roughness=0.75) * 45 + 115 for _ in range(3)]
    return _levels(np.stack(planes, axis=-1))


def a_page(*, width: int = 480, height: int = 320) -> Pixels:
    """Return lines of text on white under a coloured bar."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width, 50), fill="#2563eb")
    for row in range(10):
        draw.text((30, 70 + row * 24), "the quick brown fox jumps over the lazy dog " * 2, fill="black")
    return np.asarray(image)


def blurred(pixels: Pixels, radius_px: float) -> Pixels:
    """Return a picture out of focus."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius_px)))


def noisy(pixels: Pixels, levels: float, seed: int) -> Pixels:
    """Return a picture with noise of a standard deviation in levels."""
    noise = np.random.default_rng(seed).normal(0, levels, pixels.shape)
    return _levels(pixels + noise)


def exposed(pixels: Pixels, stops: float) -> Pixels:
    """Return a picture exposed otherwise; negative is darker."""
    light = np.clip((pixels / 255) ** 2.2 * 2.0**stops, 0, 1)
    return _levels(light ** (1 / 2.2) * 255)


def coloured(pixels: Pixels, saturation: float) -> Pixels:
    """Return a picture with its colours scaled; 0 is grey."""
    grey = pixels.mean(axis=2, keepdims=True)
    return _levels(grey + (pixels - grey) * saturation)


def flattened(pixels: Pixels, contrast: float) -> Pixels:
    """Return a picture with its contrast scaled around its mean."""
    return _levels(pixels.mean() + (pixels - pixels.mean()) * contrast)


def scorable(pixels: Pixels) -> ScorableImage:
    """Return a picture as the worker hands it over, its native statistics measured."""
    return ScorableImage(pixels=pixels, native=asdict(measure(Image.fromarray(pixels))))


def _levels(picture: npt.NDArray[np.floating[Any]]) -> Pixels:
    levels: Pixels = np.clip(picture, 0, 255).astype(np.uint8)
    return levels
