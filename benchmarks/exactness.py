"""Whether the ways to ask agree, and whether an image's answers depend on anything but the image.

A benchmark of something that answers otherwise would measure nothing; these tables stand beside every speed.
"""

from collections.abc import Sequence
from typing import Final

from torch import Tensor

from benchmarks.approaches import Bench
from benchmarks.packed_model import Image, random_images
from benchmarks.results import Results
from gpu_worker.engines.packing import TokenGrid

AGREEMENT: Final = "the same answers"
REPETITION: Final = "the same bits"
TOLERANCE: Final = 1e-4
"""In float32; bfloat16 rounds each way otherwise, and random weights more than trained ones."""


def compare_ways(results: Results, bench: Bench, grid: TokenGrid) -> float:
    """Add how far the ways are apart; return the largest Δp between packed and separate."""
    images = random_images([grid] * 2, seed=1)
    packed, separate, once = bench.packed(images), bench.separate(images), bench.vision_once(images)
    apart = {
        "packed, and a prompt a question": (packed, separate),
        "vision once, and a prompt a question": (once, separate),
        "control: another image": (packed, packed.flip(0)),
        "control: another question": (packed, packed.roll(1, 1)),
    }
    for what, (one, other) in apart.items():
        distance = (one - other).abs()
        row = {"compared": what, "grid": f"{grid.rows}x{grid.columns}"}
        results.add(
            AGREEMENT,
            row | {"largest Δp": distance.max().item(), "mean Δp": distance.mean().item()},
        )
    return float((packed - separate).abs().max())


def compare_passes(results: Results, bench: Bench, grid: TokenGrid, *, batch: int) -> None:
    """Add whether one image's answers keep every bit: again, elsewhere in the batch, and among others."""
    image, *mates = random_images([grid] * batch, seed=2)
    # the same bucket, other shapes: what the product would put beside it
    strangers = random_images(_other_grids(grid, batch - 1), seed=3)
    first = bench.packed([image, *mates])[0]
    passes: dict[str, tuple[Sequence[Image], int]] = {
        "again": ([image, *mates], 0),
        "in the last slot": ([*mates, image], batch - 1),
        "among other images": ([image, *random_images([grid] * (batch - 1), seed=4)], 0),
        "among images of other grids": ([image, *strangers], 0),
        "alone, in a batch of 1": ([image], 0),
    }
    for what, (images, slot) in passes.items():
        _add_repetition(results, f"{what} (of {len(images)})", first, bench.packed(images)[slot])


def _add_repetition(results: Results, what: str, first: Tensor, now: Tensor) -> None:
    row = {"the same image": what, "bits": "equal" if bool((first == now).all()) else "differ"}
    results.add(REPETITION, row | {"largest Δp": (first - now).abs().max().item()})


def _other_grids(grid: TokenGrid, count: int) -> list[TokenGrid]:
    """Return grids of the same bucket and other shapes: an oblong one by turns with one a little smaller."""
    shapes = [
        TokenGrid(rows=grid.rows - 1, columns=grid.columns + 1),
        TokenGrid(rows=grid.rows, columns=grid.columns - 1),
    ]
    return [shapes[number % len(shapes)] for number in range(count)]
