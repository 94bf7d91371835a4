"""Reads of a sharded index: in order across its shards, and hardly more than was asked for."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from parjanya_dagster.aws.attributes import value_of
from parjanya_dagster.aws.truth_dynamodb import DynamoImageStore
from parjanya_dagster.aws.truth_items import head_item
from parjanya_dagster.core.truth.row import ImageRow, Lane
from tests.builders import NOON, TENANT, a_key, a_row

LATER = NOON + timedelta(days=1)


class PagedTable:
    """Answers queries of one index page by page, and counts what it handed out."""

    def __init__(self, rows: Sequence[ImageRow], *, index: str, sort_key: str) -> None:
        self.read = 0
        self._partition_key = f"{index}_key"
        self._items = sorted(map(head_item, rows), key=lambda item: value_of(item[sort_key]))

    def query(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3's own arguments
        """Return a page, and where the next one starts if there may be one."""
        partition = asked["ExpressionAttributeValues"][":partition"]
        items = [item for item in self._items if item.get(self._partition_key) == partition]
        items = items if asked.get("ScanIndexForward", True) else items[::-1]
        start = asked.get("ExclusiveStartKey", 0)
        page = items[start : start + asked["Limit"]]
        self.read += len(page)
        is_full = len(page) == asked["Limit"]
        return {"Items": page} | ({"LastEvaluatedKey": start + len(page)} if is_full else {})


def a_store(table: PagedTable) -> DynamoImageStore:
    """Return the edge over a paged table."""
    return DynamoImageStore(cast("Any", table), table="images")


def some_gaps(count: int, *, crowd: int | None = None) -> list[ImageRow]:
    """Return gaps due a second after each other; all of one shard where `crowd` names it."""
    rows = (a_row(at, due_at=NOON + timedelta(seconds=at)) for at in range(count))
    return [row for row in rows if crowd in (None, row.key.shard)]


@pytest.mark.parametrize("limit", [0, 1, 7, 400, 5000])
def test_earliest_gaps_of_all_shards_come_in_order(limit: int) -> None:
    """The shards are one index to whoever reads it."""
    gaps = some_gaps(1000)

    found = a_store(PagedTable(gaps, index="gap", sort_key="due_at")).due_gaps(
        Lane.FRESH, due_before=LATER, limit=limit
    )

    assert found == [row.key for row in gaps[:limit]]


def test_bounded_read_of_a_deep_backlog_reads_hardly_more_than_its_bound() -> None:
    """What a cycle reads follows what it may repair, not what each shard could hold."""
    table = PagedTable(some_gaps(4000), index="gap", sort_key="due_at")

    a_store(table).due_gaps(Lane.FRESH, due_before=LATER, limit=400)

    assert table.read <= 400 * 1.5


def test_gaps_crowded_in_one_shard_are_all_found() -> None:
    """However keys fall, a shard is read on while it holds the earliest."""
    gaps = some_gaps(1000, crowd=2)

    found = a_store(PagedTable(gaps, index="gap", sort_key="due_at")).due_gaps(
        Lane.FRESH, due_before=LATER, limit=150
    )

    assert found == [row.key for row in gaps[:150]]


def test_page_of_a_listing_is_the_newest_of_all_shards() -> None:
    """A page shows the newest, wherever they are kept, and reads hardly more."""
    rows = [a_row(at) for at in range(600)]
    table = PagedTable(rows, index="listing", sort_key="image_id")

    found = a_store(table).listing(TENANT, limit=100)

    assert [row.key for row in found] == [a_key(at) for at in range(599, 499, -1)]
    assert table.read <= 200
