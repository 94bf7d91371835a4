"""Rows: how one image and every question about it lie side by side in one sequence.

    preamble          image              shared text   question 1   question 2   …   padding
    └ once per process┘└───────────────── a row of the batch ───────────────────────────────┘

The image is read once for all questions. Each question restarts at the position where the shared text ends
and sees nothing of its neighbours (the mask's business, by `segments`), so that it is answered as if it were
alone. Positions follow Qwen3-VL's M-RoPE: of the text's positions an image takes max(rows, columns), and not
one per token.

Source: transformers, `Qwen3VLModel.get_rope_index`; the tests compare with it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

SHARED: Final = 0
"""Segment of what every question sees; questions are segments 1, 2, …"""

PADDING: Final = -1
"""Segment of what fills a row up to its bucket: seen by nobody else, but never without something to see."""

_ALIGNMENT: Final = 8  # keys per row of the mask: the attention kernels copy a mask that is not a multiple

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrid:
    """What an image is to the language model: so many tokens down and across, each ≥ 1."""

    rows: int
    columns: int

    @property
    def tokens(self) -> int:
        """Visual tokens."""
        return self.rows * self.columns


@dataclass(frozen=True, slots=True, kw_only=True)
class PackTokens:
    """A prompt pack as token ids.

    Args:
        preamble: everything before the image; the same for all images.
        shared: what follows the image before any question; not empty.
        suffixes: per question its text, up to the last token before the answer; none empty.
    """

    preamble: tuple[int, ...]
    shared: tuple[int, ...]
    suffixes: tuple[tuple[int, ...], ...]

    @property
    def tail(self) -> int:
        """Tokens after the image."""
        return len(self.shared) + sum(map(len, self.suffixes))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PackedRow:
    """One image's sequence.

    Args:
        ids: int64 [length], token ids; at the image's tokens, the placeholder.
        positions: int64 [3, length]: time, height, width.
        segments: int64 [length]: `SHARED`, the question's number from 1, or `PADDING`.
        image_at: index of the image's first token.
        answers_at: int64 [questions], index of each question's last token.
    """

    ids: Ids
    positions: Ids
    segments: Ids
    image_at: int
    answers_at: Ids


def row_length(pack: PackTokens, visual_tokens: int, *, preamble_is_cached: bool) -> int:
    """Return the length of a bucket's rows: room for image and questions, aligned with the preamble."""
    needed = len(pack.preamble) + visual_tokens + pack.tail
    aligned = -(-needed // _ALIGNMENT) * _ALIGNMENT
    return aligned - len(pack.preamble) if preamble_is_cached else aligned


def pack_row(
    pack: PackTokens, grid: TokenGrid, *, placeholder: int, length: int, preamble_is_cached: bool
) -> PackedRow:
    """Return the row of an image of this grid.

    Args:
        placeholder: token id that stands for one visual token.
        length: of the row, at least what `row_length` says for the grid's tokens.
        preamble_is_cached: leave the preamble out; positions stay as if it were there.

    Raises:
        ValueError: the row is too short.
    """
    preamble = () if preamble_is_cached else pack.preamble
    image_at, image_from = len(preamble), len(pack.preamble)
    text_from = image_from + max(grid.rows, grid.columns)
    asked_from = text_from + len(pack.shared)
    ids = [*preamble, *[placeholder] * grid.tokens, *pack.shared]
    segments = [SHARED] * len(ids)
    positions = [
        _text_positions(0, len(preamble)),
        _image_positions(image_from, grid),
        _text_positions(text_from, len(pack.shared)),
    ]
    answers_at = []
    for number, suffix in enumerate(pack.suffixes, start=1):
        ids += suffix
        segments += [number] * len(suffix)
        positions.append(_text_positions(asked_from, len(suffix)))
        answers_at.append(len(ids) - 1)
    padding = length - len(ids)
    if padding < 0:
        raise ValueError(f"a row of {length} tokens has no room for {len(ids)}")
    return PackedRow(
        ids=np.array(ids + [0] * padding, np.int64),
        positions=np.concatenate([*positions, np.zeros((3, padding), np.int64)], axis=1),
        segments=np.array(segments + [PADDING] * padding, np.int64),
        image_at=image_at,
        answers_at=np.array(answers_at, np.int64),
    )


def _text_positions(start: int, count: int) -> Ids:
    """Return int64 [3, count]: text moves along all three axes at once."""
    return np.broadcast_to(np.arange(start, start + count, dtype=np.int64), (3, count))


def _image_positions(start: int, grid: TokenGrid) -> Ids:
    """Return int64 [3, tokens]: an image stands still in time."""
    rows, columns = np.divmod(np.arange(grid.tokens, dtype=np.int64), grid.columns)
    return start + np.stack([np.zeros_like(rows), rows, columns])
