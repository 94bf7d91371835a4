"""Batches: which images go through a model together.

The shape of a pass follows from the image's own grid and from nothing else, so that an image's arithmetic,
and with it every bit of its answers, is the same whoever its mates are.
"""

from collections.abc import Sequence
from typing import Final

from gpu_worker.engines.packing import TokenGrid

BUCKET_TOKENS: Final = 64
"""Buckets are this many visual tokens apart: padding stays below 64 of about 550, and shapes stay few."""


def bucket_of(grid: TokenGrid) -> int:
    """Return the visual tokens of an image's bucket: its own, rounded up to a multiple of `BUCKET_TOKENS`."""
    return -(-grid.tokens // BUCKET_TOKENS) * BUCKET_TOKENS


def by_bucket(grids: Sequence[TokenGrid]) -> dict[int, tuple[int, ...]]:
    """Return the indexes of each bucket's images, in their order; the largest bucket first.

    What may not fit into memory is found out before the rest is done.
    """
    buckets: dict[int, tuple[int, ...]] = {}
    for index, grid in enumerate(grids):
        buckets[bucket_of(grid)] = (*buckets.get(bucket_of(grid), ()), index)
    return dict(sorted(buckets.items(), reverse=True))


def filled_up(members: Sequence[int], rows: int) -> tuple[int, ...]:
    """Return whose image is in each row of a pass: its last member takes the rows that are left.

    Args:
        members: at least one, at most `rows`.
    """
    return (*members, *[members[-1]] * (rows - len(members)))
