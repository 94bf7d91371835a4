"""The image store on DynamoDB.

Every write is conditional, and writes only what changed; every read that a decision rests on is
consistent. The three sparse indexes are read with large pages, from all shards, merged, and only for keys
or for pages that people look at, because they lag.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from heapq import merge
from itertools import islice
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any, Final

from parjanya_dagster.aws.attributes import Item
from parjanya_dagster.aws.errors import translated
from parjanya_dagster.aws.evidence_items import (
    FACTS,
    RESULT,
    facts_item,
    facts_of,
    result_item,
    result_of,
)
from parjanya_dagster.aws.truth_items import (
    gap_key,
    head_changes,
    head_item,
    image_key_of_item,
    item_key,
    listing_key,
    millis_before,
    row_of,
)
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.truth.identity import SHARDS, ImageKey
from parjanya_dagster.core.truth.result import IngestFacts, Result
from parjanya_dagster.core.truth.row import ImageRow, Lane

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BATCH_GET_LIMIT: Final = 100
BACK_OFF_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Waits between repetitions of what a batch read left unprocessed; then it is unavailable."""

_UNMOVED: Final = "#status = :status_before AND #generation = :generation_before"
_ABSENT: Final = "attribute_not_exists(pk)"


class DynamoImageStore:
    """See `ImageStore`."""

    def __init__(
        self, client: "DynamoDBClient", *, table: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep

    def get(self, key: ImageKey) -> ImageRow | None:
        """See `ImageStore`."""
        item = self._item(item_key(key), f"reading row {key}")
        return row_of(item) if item else None

    def get_many(self, keys: Sequence[ImageKey]) -> list[ImageRow]:
        """See `ImageStore`."""
        distinct = [item_key(key) for key in dict.fromkeys(keys)]
        batches = [distinct[at : at + BATCH_GET_LIMIT] for at in range(0, len(distinct), BATCH_GET_LIMIT)]
        return [row_of(item) for batch in batches for item in self._batch(batch)]

    def create(self, row: ImageRow) -> bool:
        """See `ImageStore`."""
        return self._put_once(head_item(row), f"creating row {row.key}")

    def write(self, before: ImageRow, after: ImageRow) -> bool:
        """See `ImageStore`; no call when nothing differs."""
        changed, removed = head_changes(before, after)
        if not changed and not removed:
            return True
        update = ""
        if changed:
            update += "SET " + ", ".join(f"#{name} = :{name}" for name in changed)
        if removed:
            update += " REMOVE " + ", ".join(f"#{name}" for name in removed)
        with translated(f"writing row {before.key}"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=item_key(before.key),
                    UpdateExpression=update,
                    ConditionExpression=_UNMOVED,
                    ExpressionAttributeNames={
                        f"#{name}": name for name in {*changed, *removed, "status", "generation"}
                    },
                    ExpressionAttributeValues={
                        **{f":{name}": value for name, value in changed.items()},
                        ":status_before": {"S": str(before.status)},
                        ":generation_before": {"N": str(before.generation)},
                    },
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def put_facts(self, key: ImageKey, facts: IngestFacts) -> None:
        """See `ImageStore`."""
        with translated(f"writing facts of {key}"):
            self._client.put_item(TableName=self._table, Item=facts_item(key, facts))

    def facts(self, key: ImageKey) -> IngestFacts | None:
        """See `ImageStore`."""
        item = self._item(item_key(key, FACTS), f"reading facts of {key}")
        return facts_of(item) if item else None

    def put_result(self, key: ImageKey, result: Result) -> None:
        """See `ImageStore`."""
        self._put_once(result_item(key, result), f"writing result {result.result_id} of {key}")

    def results(self, key: ImageKey) -> list[Result]:
        """See `ImageStore`."""
        query = {
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :result)",
            "ExpressionAttributeValues": {":pk": {"S": str(key)}, ":result": {"S": RESULT}},
        }
        found = [result_of(item) for item in self._query(query, f"reading results of {key}")]
        return sorted(found, key=lambda each: (each.at, each.result_id))

    def due_gaps(self, lane: Lane, *, due_before: datetime, limit: int) -> list[ImageKey]:
        """See `ImageStore`."""
        partitions = [gap_key(lane, shard) for shard in range(SHARDS)]
        return self._earliest("gap", "due_at", partitions, due_before, limit)

    def outstanding(self, *, sent_before: datetime, limit: int) -> list[ImageKey]:
        """See `ImageStore`."""
        partitions = [str(shard) for shard in range(SHARDS)]
        return self._earliest("outstanding", "intent_at", partitions, sent_before, limit)

    def listing(self, tenant_id: str, *, limit: int, before_image_id: str | None = None) -> list[ImageRow]:
        """See `ImageStore`."""
        older = "" if before_image_id is None else " AND image_id < :before"
        before: Item = {} if before_image_id is None else {":before": {"S": before_image_id}}
        queries = [
            {
                "IndexName": "listing",
                "KeyConditionExpression": f"listing_key = :partition{older}",
                "ExpressionAttributeValues": {":partition": {"S": listing_key(tenant_id, shard)}, **before},
                "ScanIndexForward": False,
            }
            for shard in range(SHARDS)
        ]
        newest = merge(
            *self._shards(queries, f"listing images of {tenant_id}", limit),
            key=lambda item: item["image_id"]["S"],
            reverse=True,
        )
        return [row_of(item) for item in islice(newest, limit)]

    def _earliest(
        self, index: str, sort_key: str, partitions: Sequence[str], before: datetime, limit: int
    ) -> list[ImageKey]:
        queries = [
            {
                "IndexName": index,
                "KeyConditionExpression": f"{index}_key = :partition AND {sort_key} < :before",
                "ExpressionAttributeValues": {
                    ":partition": {"S": partition},
                    ":before": {"N": str(millis_before(before))},
                },
                "ProjectionExpression": f"pk, {sort_key}",
            }
            for partition in partitions
        ]
        earliest = merge(
            *self._shards(queries, f"reading index {index}", limit),
            key=lambda item: int(item[sort_key]["N"]),
        )
        found = ((int(item[sort_key]["N"]), image_key_of_item(item)) for item in islice(earliest, limit))
        return [key for _, key in sorted(found)]

    def _shards(self, queries: Sequence[dict[str, Any]], doing: str, limit: int) -> list[Iterator[Item]]:
        """Return the shards of one index, each in pages of what it holds of the first `limit` of all."""
        return [self._query(query, doing, page_size=_share(limit)) for query in queries]

    def _query(self, query: dict[str, Any], doing: str, *, page_size: int | None = None) -> Iterator[Item]:
        """Yield the items of one partition in order; a page is asked for only once somebody wants it."""
        page: dict[str, Any] = {"Limit": page_size} if page_size else {}
        while True:
            with translated(doing):
                answer = self._client.query(TableName=self._table, **query, **page)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            page["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _item(self, key: Item, doing: str) -> Item | None:
        with translated(doing):
            answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return answer.get("Item")

    def _batch(self, keys: list[Item]) -> Iterator[Item]:
        request: Any = {self._table: {"Keys": keys, "ConsistentRead": True}}
        for wait_s in (*BACK_OFF_S, None):
            with translated(f"reading {len(keys)} rows"):
                answer = self._client.batch_get_item(RequestItems=request)
            yield from answer["Responses"].get(self._table, [])
            request = answer.get("UnprocessedKeys")
            if not request:
                return
            if wait_s is not None:
                self._sleep(wait_s)
        raise UnavailableError(
            f"while reading {len(keys)} rows: DynamoDB left some unprocessed again and again"
        )

    def _put_once(self, item: Item, doing: str) -> bool:
        with translated(doing):
            try:
                self._client.put_item(TableName=self._table, Item=item, ConditionExpression=_ABSENT)
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True


def _share(limit: int) -> int:
    """Return how much of a shard to read at once for the first `limit` of all of them.

    Keys spread evenly over shards: four standard deviations more than an equal share are enough for
    nearly every reader, and a page more for the others.
    """
    equal = limit / SHARDS
    return min(limit, ceil(equal + 4 * sqrt(equal)))
