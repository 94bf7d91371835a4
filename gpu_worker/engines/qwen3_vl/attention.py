"""The tree mask: who may see whom in a packed row.

           shared  q1   q2   padding         ■ sees
    shared   ◣                               ◣ sees what came before it
    q1       ■     ◣
    q2       ■           ◣
    padding  ■                 ◣

The cached preamble, where there is one, is in front of the row and seen by everybody.
"""

import torch
from torch import Tensor

from gpu_worker.engines.packing import SHARED


def tree_mask(segments: Tensor, *, cached: int = 0) -> Tensor:
    """Return bool [rows, 1, length, cached + length]: true where the first (query) sees the second (key).

    Every query sees at least itself: a row of the mask without any would become NaN in some kernels, and NaN
    in padding spreads.

    Args:
        segments: int64 [rows, length], as in `PackedRow`.
        cached: tokens of the preamble in front.
    """
    rows, length = segments.shape
    query, key = segments[:, :, None], segments[:, None, :]
    at = torch.arange(length, device=segments.device)
    is_earlier = at[:, None] >= at[None, :]
    mask = is_earlier & ((key == query) | (key == SHARED))
    if cached:
        mask = torch.cat([mask.new_ones(rows, length, cached), mask], dim=2)
    return mask[:, None]
