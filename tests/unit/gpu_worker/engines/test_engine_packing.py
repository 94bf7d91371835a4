"""Rows: every question keeps its text, its place and its distance, however many there are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.engines.packing import PADDING, SHARED, PackTokens, TokenGrid, pack_row, row_length

PLACEHOLDER = 9_999
texts = st.lists(st.integers(1, 500), min_size=1, max_size=6).map(tuple)
packs = st.builds(
    PackTokens,
    preamble=st.lists(st.integers(1, 500), max_size=6).map(tuple),
    shared=texts,
    suffixes=st.lists(texts, min_size=1, max_size=5).map(tuple),
)
grids = st.builds(TokenGrid, rows=st.integers(1, 7), columns=st.integers(1, 7))


@given(pack=packs, grid=grids, cached=st.booleans(), spare=st.integers(0, 20))
def test_each_question_reads_in_its_segment_what_it_would_read_alone(
    *, pack: PackTokens, grid: TokenGrid, cached: bool, spare: int
) -> None:
    """Shared part and one segment together are exactly that question's own prompt: tokens and positions."""
    length = row_length(pack, grid.tokens + spare, preamble_is_cached=cached)
    row = pack_row(pack, grid, placeholder=PLACEHOLDER, length=length, preamble_is_cached=cached)

    for number, suffix in enumerate(pack.suffixes, start=1):
        alone = PackTokens(preamble=pack.preamble, shared=pack.shared, suffixes=(suffix,))
        own = pack_row(
            alone,
            grid,
            placeholder=PLACEHOLDER,
            length=row_length(alone, grid.tokens, preamble_is_cached=cached),
            preamble_is_cached=cached,
        )
        seen, wanted = np.isin(row.segments, (SHARED, number)), own.segments != PADDING
        assert row.ids[seen].tolist() == own.ids[wanted].tolist()
        assert row.positions[:, seen].tolist() == own.positions[:, wanted].tolist()
        assert row.ids[row.answers_at[number - 1]] == suffix[-1]
        assert row.segments[row.answers_at[number - 1]] == number


@given(packs, grids)
def test_cached_preamble_leaves_the_rest_where_it_was(pack: PackTokens, grid: TokenGrid) -> None:
    """What is computed once is left out of the row, and nothing else about the row changes."""
    inline, cached = (
        pack_row(
            pack,
            grid,
            placeholder=PLACEHOLDER,
            length=row_length(pack, grid.tokens, preamble_is_cached=is_cached),
            preamble_is_cached=is_cached,
        )
        for is_cached in (False, True)
    )
    kept = len(pack.preamble)

    assert inline.ids[kept:].tolist() == cached.ids.tolist()
    assert inline.positions[:, kept:].tolist() == cached.positions.tolist()
    assert (inline.answers_at - kept).tolist() == cached.answers_at.tolist()
    assert inline.image_at == kept


@given(pack=packs, tokens=st.integers(1, 600), cached=st.booleans())
def test_row_has_room_for_its_bucket_and_wastes_less_than_the_alignment(
    *, pack: PackTokens, tokens: int, cached: bool
) -> None:
    """A bucket's length depends on the bucket and the questions alone, and keys come in multiples of 8."""
    length = row_length(pack, tokens, preamble_is_cached=cached)
    keys = length + (len(pack.preamble) if cached else 0)

    assert keys % 8 == 0
    assert 0 <= keys - (len(pack.preamble) + tokens + pack.tail) < 8


def test_positions_are_those_of_the_published_rule() -> None:
    """Text counts on from the image's longer side; image tokens have time, row and column."""
    pack = PackTokens(preamble=(1, 2), shared=(3,), suffixes=((4, 5), (6,)))
    row = pack_row(
        pack, TokenGrid(rows=2, columns=3), placeholder=PLACEHOLDER, length=12, preamble_is_cached=False
    )

    assert row.ids.tolist() == [1, 2, *[PLACEHOLDER] * 6, 3, 4, 5, 6]
    assert row.segments.tolist() == [*[SHARED] * 9, 1, 1, 2]
    assert row.positions.tolist() == [
        [0, 1, 2, 2, 2, 2, 2, 2, 5, 6, 7, 6],
        [0, 1, 2, 2, 2, 3, 3, 3, 5, 6, 7, 6],
        [0, 1, 2, 3, 4, 2, 3, 4, 5, 6, 7, 6],
    ]


def test_row_that_is_too_short_is_refused() -> None:
    """No question is ever cut off in silence."""
    pack = PackTokens(preamble=(1,), shared=(3,), suffixes=((4,),))

    with pytest.raises(ValueError, match="no room for 7"):
        pack_row(
            pack, TokenGrid(rows=2, columns=2), placeholder=PLACEHOLDER, length=6, preamble_is_cached=False
        )
