"""What scenes are painted with: fractal fields, layers, light and blur.

Scenes are linear light, float32 [height, width, 3]; 1 is the brightest thing that a normal exposure keeps.
Natural
detail has much the same contrast at every scale, which fractal fields imitate.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.floating[Any]]
Light = Floats  # [height, width, 3], linear
Field = Floats  # [height, width]
Colour = Floats  # [3], linear


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Size in pixels and the source of all chance in one scene."""

    width: int
    height: int
    rng: np.random.Generator

    @property
    def shape(self) -> tuple[int, int]:
        """`(height, width)`."""
        return self.height, self.width

    @property
    def down(self) -> Field:
        """0 at the top to 1 at the bottom: [height, 1], to broadcast."""
        return np.linspace(0, 1, self.height, dtype=np.float32)[:, None]

    @property
    def across(self) -> Field:
        """0 at the left to width / height at the right: [1, width], to broadcast; in the units of `down`."""
        return np.linspace(0, self.width / self.height, self.width, dtype=np.float32)[None, :]

    def fractal(
        self, *, coarsest: int = 4, roughness: float = 0.5, stretch: float = 1.0, finest_px: int = 1
    ) -> Field:
        """Return a fractal field with mean 0 and deviation 1.

        Args:
            coarsest: cells down the picture at the coarsest scale, ≥ 1.
            roughness: contrast of each scale over the next coarser one: 0.5 smooth clouds, 0.8 gravel.
            stretch: width of the cells over their height.
            finest_px: scale below which it is smooth, as clouds are.
        """
        rows, columns = coarsest, max(1, round(coarsest * self.width / self.height / stretch))
        field = self.rng.standard_normal((rows + 1, columns + 1), np.float32)
        amplitude = 1.0
        height, width = self.height // finest_px, self.width // finest_px
        while rows < height or columns < width:
            rows, columns = min(rows * 2, height), min(columns * 2, width)
            amplitude *= roughness
            field = resized(field, (rows, columns))
            field += amplitude * self.rng.standard_normal((rows, columns), np.float32)
        field -= field.mean()
        field /= field.std()
        return field if finest_px == 1 else resized(field, self.shape)

    def ridge_line(self, *, height: float, relief: float, roughness: float = 0.5, coarsest: int = 3) -> Field:
        """Return how far down a mountain ridge reaches per column: [1, width], in units of `down`."""
        count = coarsest
        line = self.rng.standard_normal(coarsest + 1)
        amplitude = 1.0
        while count < self.width:
            amplitude *= roughness
            finer = np.interp(np.linspace(0, 1, 2 * count + 1), np.linspace(0, 1, count + 1), line)
            finer[1::2] += amplitude * self.rng.standard_normal(count)
            line, count = finer, 2 * count
        line = np.interp(np.linspace(0, 1, self.width), np.linspace(0, 1, count + 1), line)
        reach: Field = height - relief * (line - line.mean()) / (line.std() + 1e-6)
        return reach.astype(np.float32)[None, :]


def colour(hexadecimal: str) -> Colour:
    """Return the linear light of an sRGB colour written as six hex digits."""
    return np.array([(int(hexadecimal[at : at + 2], 16) / 255) ** 2.2 for at in (0, 2, 4)], np.float32)


def ramp(position: Field, *stops: tuple[float, str]) -> Light:
    """Return colours along a field: between `(position, hex colour)` stops, which rise."""
    at = [stop for stop, _ in stops]
    light = [colour(name) for _, name in stops]
    channels = [np.interp(position, at, [c[i] for c in light]) for i in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def smooth(field: Field, low: float, high: float) -> Field:
    """Return 0 below `low`, 1 above `high`, and smoothly between; falling if `low` is above `high`."""
    t: Field = np.clip((field - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32, copy=False)


def over(below: Light, above: Light | Colour, cover: Field) -> Light:
    """Return `above` laid over `below` where `cover` is 1: float32."""
    laid: Light = np.subtract(above, below, dtype=np.float32)
    laid *= cover[..., None]  # in place: layers are most of the work
    laid += below
    return laid


def plain(canvas: Canvas, name: str) -> Light:
    """Return one colour, six hex digits, over the whole canvas."""
    return np.broadcast_to(colour(name), (*canvas.shape, 3))


def shifted(field: Field, rows: int, columns: int) -> Field:
    """Return a field moved down and right, its edge repeated: what is lit from the upper left."""
    height, width = field.shape
    padded = np.pad(field, ((rows, 0), (columns, 0)), mode="edge")
    return padded[:height, :width]


def resized(field: Field, shape: tuple[int, int]) -> Field:
    """Return a field at another size, smoothly."""
    size = (shape[1], shape[0])
    return np.array(Image.fromarray(field).resize(size, Image.Resampling.BICUBIC), np.float32)


def blurred(light: Light, radius_px: float) -> Light:
    """Return light blurred by a Gaussian; wide blurs are computed small, where nobody sees the difference."""
    factor = max(1, int(radius_px / 3))
    height, width = light.shape[:2]
    small = (max(1, width // factor), max(1, height // factor))
    channels = []
    for index in range(3):
        picture = Image.fromarray(np.ascontiguousarray(light[..., index])).resize(small, Image.Resampling.BOX)
        soft = _gaussian(np.asarray(picture, np.float32), radius_px / factor)
        channels.append(resized(soft, (height, width)))
    return np.stack(channels, axis=-1)


def glow(canvas: Canvas, *, x: float, y: float, radius: float) -> Field:
    """Return light around a point that falls with the square of distance, 1 at the point."""
    squared = (canvas.across - x) ** 2 + (canvas.down - y) ** 2
    return (1 / (1 + squared / radius**2)).astype(np.float32)


def disc(canvas: Canvas, *, x: float, y: float, radius: float, soft: float = 0.002) -> Field:
    """Return the cover of a disc with a soft rim; all lengths in units of the picture's height."""
    distance = np.hypot(canvas.across - x, canvas.down - y)
    return smooth(distance, radius + soft, radius - soft)


def _gaussian(plane: Field, radius_px: float) -> Field:
    """Return a plane convolved with a Gaussian, rows then columns."""
    reach = max(1, int(radius_px * 3))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / radius_px) ** 2).astype(np.float32)
    kernel /= kernel.sum()
    for _ in range(2):
        padded = np.pad(plane, ((reach, reach), (0, 0)), mode="edge")
        soft = np.zeros_like(plane)
        for at, weight in enumerate(kernel):
            soft += weight * padded[at : at + plane.shape[0]]
        plane = np.ascontiguousarray(soft.T)
    return plane
