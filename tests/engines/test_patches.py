"""Preprocessing is the checkpoint's own, bit by bit, and bounded."""

import numpy as np
import pytest
import torch
from PIL import Image

from gpu_worker.engines.packing import TokenGrid
from gpu_worker.engines.qwen3_vl.patches import fit_to, normalised, patches_of, token_grid
from parjanya_dagster.imaging.grid import QWEN3_VL_GRID, Grid
from tests.engines.ordinary_api import OrdinaryApi, noise

SIZES = ((256, 256), (608, 928), (333, 517), (2000, 150), (48, 64))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_patches_equal_the_image_processors_bit_by_bit(ordinary: OrdinaryApi, size: tuple[int, int]) -> None:
    """Resize, order of patches, rescaling, normalisation and the doubled frame: all as trained."""
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    bounds = {"shortest_edge": QWEN3_VL_GRID.min_pixels, "longest_edge": QWEN3_VL_GRID.max_pixels}
    theirs = ordinary.images(images=[Image.fromarray(pixels)], size=bounds, return_tensors="pt")

    grid = token_grid(*size, QWEN3_VL_GRID)
    ours = normalised(torch.from_numpy(patches_of(fit_to(pixels, grid))))

    assert theirs["image_grid_thw"].tolist() == [[1, grid.rows * 2, grid.columns * 2]]
    assert torch.equal(ours, theirs["pixel_values"])


def test_pixels_that_fit_their_grid_are_not_touched() -> None:
    """The model-grid preview costs neither a resize nor a copy."""
    pixels = noise(4, 6)

    assert fit_to(pixels, TokenGrid(rows=4, columns=6)) is pixels


@pytest.mark.parametrize("size", [(4000, 6000), (3, 9000), (1, 1)], ids=str)
def test_no_image_takes_more_tokens_than_its_budget(size: tuple[int, int]) -> None:
    """Section 1: the checkpoint's own maximum is 16,384 tokens; ours is 576, however large the image.

    A strip has one row of tokens at least, and at 1:200 so many columns.
    """
    for budget in (589_824, 147_456):
        tokens = token_grid(*size, Grid(max_pixels=budget)).tokens

        assert 64 <= tokens <= max(200, budget // 1024)
