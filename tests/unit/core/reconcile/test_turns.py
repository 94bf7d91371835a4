"""Turns."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.reconcile.turns import in_turns

ITEMS = st.lists(st.tuples(st.sampled_from(["acme", "zeta", "mono"]), st.integers()), max_size=60)


def tenant_of(item: tuple[str, int]) -> str:
    """Return whose item it is."""
    return item[0]


@given(ITEMS, st.integers(0, 70))
def test_turns_give_no_tenant_more_than_its_share_while_another_waits(
    items: list[tuple[str, int]], limit: int
) -> None:
    """A flood of one tenant delays nobody else, and no place is left empty."""
    chosen = in_turns(items, tenant_of, limit=limit)

    given, waiting = Counter(map(tenant_of, chosen)), Counter(map(tenant_of, items))
    waiting.subtract(given)
    assert len(chosen) == min(limit, len(items))
    hungry = [given[tenant] for tenant, left in waiting.items() if left > 0]
    assert not hungry or max(given.values(), default=0) <= min(hungry) + 1


@given(ITEMS)
def test_turns_keep_the_order_within_a_tenant(items: list[tuple[str, int]]) -> None:
    """The oldest of a tenant stays its first."""
    chosen = in_turns(items, tenant_of, limit=len(items))

    for tenant in ("acme", "zeta", "mono"):
        assert [each for each in chosen if each[0] == tenant] == [each for each in items if each[0] == tenant]
