"""Batches: which images go through a model together.

The shape of a pass follows from the image's own grid and from nothing else, so that an image's arithmetic,
and with it every bit of its answers, is the same whoever its mates are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gpu_worker.engines.packing import TokenGrid

BUCKET_TOKENS: Final = 64
"""Buckets are this many visual tokens apart: padding stays below 64 of about 550, and shapes stay few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Images that go through together.

    Args:
        visual_tokens: of the bucket; each member has at most so many.
        members: indexes into what was planned, in its order; at least one.
    """

    visual_tokens: int
    members: tuple[int, ...]

    def rows(self, count: int) -> tuple[int, ...]:
        """Return the index of each row's image in a pass of `count` rows: the last member fills them up."""
        return (*self.members, *[self.members[-1]] * (count - len(self.members)))

    def split(self, most: int) -> "Iterator[Pass]":
        """Yield passes of at most `most` members each."""
        for start in range(0, len(self.members), most):
            yield replace(self, members=self.members[start : start + most])


def bucket_of(grid: TokenGrid) -> int:
    """Return the visual tokens of an image's bucket: its own, rounded up to a multiple of `BUCKET_TOKENS`."""
    return -(-grid.tokens // BUCKET_TOKENS) * BUCKET_TOKENS


def plan_passes(grids: Sequence[TokenGrid], *, most: Callable[[int], int]) -> Iterator[Pass]:
    """Yield passes that cover every image once, bucket by bucket.

    Args:
        most: images per pass, ≥ 1, of a bucket of so many visual tokens.
    """
    buckets: dict[int, list[int]] = {}
    for index, grid in enumerate(grids):
        buckets.setdefault(bucket_of(grid), []).append(index)
    for visual_tokens, members in sorted(buckets.items(), reverse=True):  # what may not fit comes first
        yield from Pass(visual_tokens=visual_tokens, members=tuple(members)).split(most(visual_tokens))
