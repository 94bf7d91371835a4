"""Passes: every image goes through once, with mates of its own bucket."""

from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.engines.batching import BUCKET_TOKENS, bucket_of, by_bucket, filled_up
from gpu_worker.engines.packing import TokenGrid

grids = st.builds(TokenGrid, rows=st.integers(1, 24), columns=st.integers(1, 24))


@given(st.lists(grids, max_size=40))
def test_every_image_is_in_its_own_bucket_once_and_in_order(images: list[TokenGrid]) -> None:
    """Nothing is lost, nothing is scored twice, and what may not fit into memory comes first."""
    buckets = by_bucket(images)

    assert sorted(index for members in buckets.values() for index in members) == list(range(len(images)))
    assert list(buckets) == sorted(buckets, reverse=True)
    for tokens, members in buckets.items():
        assert {bucket_of(images[index]) for index in members} == {tokens}
        assert list(members) == sorted(members)


@given(grids)
def test_bucket_holds_its_image_and_little_more(grid: TokenGrid) -> None:
    """Padding costs less than one step of buckets."""
    assert 0 <= bucket_of(grid) - grid.tokens < BUCKET_TOKENS


def test_pass_is_filled_up_with_its_last_member() -> None:
    """The shape stays the same whatever the number of images."""
    assert filled_up((4, 2, 7), 5) == (4, 2, 7, 7, 7)
    assert filled_up((4, 2), 2) == (4, 2)
