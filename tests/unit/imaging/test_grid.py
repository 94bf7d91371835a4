"""The model's grid: the sizes that its own processor would choose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.imaging.grid import QWEN3_VL_GRID, fit_within, model_size, smart_resize

SIDES = st.integers(1, 70_000)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (4000, 6000, (608, 928)),
        (6000, 4000, (928, 608)),
        (768, 768, (768, 768)),
        (1, 1, (256, 256)),
        (480, 640, (480, 640)),
    ],
)
def test_smart_resize_known_sizes(height: int, width: int, expected: tuple[int, int]) -> None:
    """The sizes measured with the model's own processor; a 3:2 photo gets 551 tokens."""
    assert smart_resize(height, width) == expected


@pytest.mark.parametrize(("height", "width"), [(0, 10), (10, 0), (1, 201)])
def test_smart_resize_refuses_what_the_processor_refuses(height: int, width: int) -> None:
    """No size, or more elongated than 1:200."""
    with pytest.raises(ValueError, match="x"):
        smart_resize(height, width)


@given(height=SIDES, width=SIDES)
def test_model_size_of_any_picture_is_on_the_grid_and_in_the_budget(height: int, width: int) -> None:
    """Every picture has a grid: whole patches, between the two bounds."""
    rows, columns = model_size(height, width)

    assert rows % QWEN3_VL_GRID.factor_px == columns % QWEN3_VL_GRID.factor_px == 0
    assert QWEN3_VL_GRID.min_pixels <= rows * columns <= QWEN3_VL_GRID.max_pixels


@given(height=SIDES, width=SIDES)
def test_fit_within_never_enlarges_nor_vanishes(height: int, width: int) -> None:
    """A preview has at least one pixel and no more than asked."""
    rows, columns = fit_within(height, width, 1536)

    assert 1 <= rows <= min(height, 1536)
    assert 1 <= columns <= min(width, 1536)
