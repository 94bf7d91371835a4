"""The sizes that previews have: the model's grid, and what fits a page.

Ingest stores one preview at exactly the size the model's own processor would choose, so that the worker
neither resizes nor decodes more than it needs.
"""

import math
from dataclasses import dataclass

MAX_ASPECT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A model's pixel budget: sides are multiples of `factor_px`, the area lies within the bounds.

    Source: shared notes on Qwen3-VL; the checkpoint's own maximum is 16 megapixels and must not be used.
    """

    factor_px: int = 32
    min_pixels: int = 65_536
    max_pixels: int = 589_824


QWEN3_VL_GRID = Grid()


def smart_resize(height: int, width: int, grid: Grid = QWEN3_VL_GRID) -> tuple[int, int]:
    """Return `(height, width)` in pixels that the model's processor would resize to.

    Args:
        height: of the upright picture, ≥ 1.
        width: of the upright picture, ≥ 1.
        grid: the budget.

    Raises:
        ValueError: a side is below 1, or one side is more than 200 times the other.

    Source: Qwen2-VL's image processor, `smart_resize`; equal to it for every legal input.
    """
    if min(height, width) < 1:
        raise ValueError(f"a picture of {width}x{height} pixels has no size to resize to")
    if max(height, width) / min(height, width) > MAX_ASPECT:
        raise ValueError(f"{width}x{height} is more elongated than 1:{MAX_ASPECT}")
    factor = grid.factor_px
    rows, columns = round(height / factor) * factor, round(width / factor) * factor
    if rows * columns > grid.max_pixels:
        scale = math.sqrt(height * width / grid.max_pixels)
        rows = max(factor, math.floor(height / scale / factor) * factor)
        columns = max(factor, math.floor(width / scale / factor) * factor)
    elif rows * columns < grid.min_pixels:
        scale = math.sqrt(grid.min_pixels / (height * width))
        rows = math.ceil(height * scale / factor) * factor
        columns = math.ceil(width * scale / factor) * factor
    return rows, columns


def model_size(height: int, width: int, grid: Grid = QWEN3_VL_GRID) -> tuple[int, int]:
    """Return `smart_resize` for any picture: one beyond 1:200 is squeezed to that ratio, not refused."""
    longest = max(height, width)
    shortest_allowed = math.ceil(longest / MAX_ASPECT)
    return smart_resize(max(height, shortest_allowed), max(width, shortest_allowed), grid)


def fit_within(height: int, width: int, longest_px: int) -> tuple[int, int]:
    """Return `(height, width)` with the same shape and no side above `longest_px`; never enlarged."""
    longest = max(height, width)
    if longest <= longest_px:
        return height, width
    scale = longest_px / longest
    return max(1, round(height * scale)), max(1, round(width * scale))
