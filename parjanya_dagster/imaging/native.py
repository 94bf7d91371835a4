"""Statistics of a picture's own pixels: sharpness, noise, clipping, measured before any resizing.

At preview size a soft picture and a sharp one look alike. Tiles spread over the whole picture cost the same
for 24 megapixels as for one, and find the one sharp face in a blurred background.
"""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from parjanya_dagster.core.truth.technical import NativeStatistics
from parjanya_dagster.imaging import pixels

_TILE_PX = 128
_MAX_TILES = 48
_SMALLEST_TILE_PX = 4  # a second difference at half resolution needs three pixels, nearly
_CLIPPED_LOW, _CLIPPED_HIGH = 1, 254
_FLAT_RMS = 0.6  # below this a tile holds nothing, not even a sensor's noise
_DETAILED_SHARE = 0.25
_RMS_FLOOR = 0.5

_Tiles = npt.NDArray[np.int16]  # [tiles, rows, columns], luma 0..255 (sums of a few fit in 16 bits)
_PerTile = npt.NDArray[np.float64]  # [tiles]


def measure(image: Image.Image) -> NativeStatistics:
    """Return the statistics of a decoded picture in one of the modes `pixels.normalise` gives."""
    levels = _sample_tiles(image)
    counts = np.asarray(Image.fromarray(levels.reshape(-1, levels.shape[2])).histogram())
    tiles = levels.astype(np.int16)
    fine = _laplacian_rms(tiles)
    p10, p50, p90 = np.percentile(fine, (10, 50, 90))
    return NativeStatistics(
        sharpness_p10=_rounded(p10),
        sharpness_p50=_rounded(p50),
        sharpness_p90=_rounded(p90),
        sharpness_max=_rounded(fine.max()),
        detail_ratio=_rounded(_detail_ratio(fine, _laplacian_rms(_halve(tiles)) / 4)),
        noise_sigma=_rounded(_noise_sigma(tiles)),
        flat_tiles=_rounded(np.mean(fine < _FLAT_RMS)),
        coverage=_rounded(min(1.0, levels.size / (image.width * image.height))),
        **_histogram_facts(counts),
    )


def _sample_tiles(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Return luma tiles on a regular grid over the whole picture: uint8 [tiles, rows, columns]."""
    width, height = min(_TILE_PX, image.width), min(_TILE_PX, image.height)
    columns, rows = image.width // width, image.height // height
    if columns * rows > _MAX_TILES:
        shape = math.sqrt(columns / rows)
        across = max(1, min(columns, round(math.sqrt(_MAX_TILES) * shape), _MAX_TILES))
        columns, rows = across, max(1, min(rows, _MAX_TILES // across))
    corners = (
        (
            int((column + 0.5) * image.width / columns - width / 2),
            int((row + 0.5) * image.height / rows - height / 2),
        )
        for row in range(rows)
        for column in range(columns)
    )
    return np.stack([np.asarray(pixels.luma(image.crop((x, y, x + width, y + height)))) for x, y in corners])


def _laplacian_rms(tiles: _Tiles) -> _PerTile:
    """Return each tile's root mean square of the four-neighbour Laplacian, in the tiles' levels."""
    if min(tiles.shape[1:]) < _SMALLEST_TILE_PX - 1:
        return np.zeros(len(tiles))
    response = tiles[:, 1:-1, 1:-1] * 4
    response -= tiles[:, :-2, 1:-1]
    response -= tiles[:, 2:, 1:-1]
    response -= tiles[:, 1:-1, :-2]
    response -= tiles[:, 1:-1, 2:]
    flat = response.reshape(len(tiles), -1).astype(np.float32)
    energy: _PerTile = np.einsum("ij,ij->i", flat, flat).astype(np.float64)
    return np.sqrt(energy / flat.shape[1])


def _halve(tiles: _Tiles) -> _Tiles:
    """Return the tiles at half resolution, as sums of four: four times the levels, without rounding."""
    rows, columns = tiles.shape[1] // 2 * 2, tiles.shape[2] // 2 * 2
    even = tiles[:, :rows, :columns]
    upper = even[:, ::2, ::2] + even[:, ::2, 1::2]
    lower = even[:, 1::2, ::2] + even[:, 1::2, 1::2]
    return upper + lower


def _detail_ratio(fine: _PerTile, coarse: _PerTile) -> float:
    """Return fine over coarse detail, the median over the quarter of tiles with most coarse detail."""
    detailed = np.argsort(coarse)[-max(1, int(len(coarse) * _DETAILED_SHARE)) :]
    return float(np.median(fine[detailed] / (coarse[detailed] + _RMS_FLOOR)))


def _noise_sigma(tiles: _Tiles) -> float:
    """Return the noise of the quietest tiles, by Immerkær's operator, which is blind to edges and gradients.

    Source: J. Immerkær, Fast Noise Variance Estimation, CVIU 64 (1996).
    """
    if min(tiles.shape[1:]) < _SMALLEST_TILE_PX - 1:
        return 0.0
    across = tiles[:, :, :-2] - 2 * tiles[:, :, 1:-1] + tiles[:, :, 2:]
    response = across[:, :-2] - 2 * across[:, 1:-1] + across[:, 2:]
    sigmas = np.abs(response).mean(axis=(1, 2), dtype=np.float64) * (math.sqrt(math.pi / 2) / 6)
    means = tiles.mean(axis=(1, 2))
    unclipped = sigmas[(means > 8) & (means < 247)]  # noqa: PLR2004 - a clipped tile hides its noise
    return float(np.percentile(unclipped if len(unclipped) else sigmas, 10))


def _histogram_facts(counts: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return what follows from the luma histogram [256] alone."""
    share = counts / counts.sum()
    levels = np.arange(256)
    mean = float(share @ levels)
    cumulative = share.cumsum()
    present = share[share > 0]
    return {
        "clipped_shadows": _rounded(share[: _CLIPPED_LOW + 1].sum()),
        "clipped_highlights": _rounded(share[_CLIPPED_HIGH:].sum()),
        "luma_mean": _rounded(mean),
        "luma_contrast": _rounded(math.sqrt(float(share @ (levels - mean) ** 2))),
        "luma_p01": float(np.searchsorted(cumulative, 0.01)),
        "luma_p99": float(np.searchsorted(cumulative, 0.99)),
        "luma_entropy_bits": _rounded(-float(present @ np.log2(present)) + 0.0),
    }


def _rounded(value: float | np.floating[npt.NBitBase]) -> float:
    """Return a plain float with the digits that mean something (stored per image, for ever)."""
    return round(float(value), 4)
