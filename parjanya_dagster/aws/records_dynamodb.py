"""Records on DynamoDB: one partition of the control table per kind, one item per document.

A document's fields are the item's own attributes, so that numbers can be added to in place.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from parjanya_dagster.aws.attributes import Item, attribute_of, value_of
from parjanya_dagster.aws.errors import translated
from parjanya_dagster.core.records import Document, RecordKind

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ABSENT: Final = "attribute_not_exists(pk)"
_OWN: Final = frozenset({"pk", "sk", "expires_at"})
"""Attributes that are the item's, not the document's; `expires_at` is the table's time to live."""


class DynamoRecords:
    """See `Records`."""

    def __init__(self, client: "DynamoDBClient", *, table: str) -> None:
        self._client = client
        self._table = table

    def put(
        self, kind: RecordKind, record_id: str, document: Document, *, expires_at: datetime | None = None
    ) -> None:
        """See `Records`."""
        with translated(f"writing {kind} {record_id}"):
            self._client.put_item(TableName=self._table, Item=_item(kind, record_id, document, expires_at))

    def create(
        self, kind: RecordKind, record_id: str, document: Document, *, expires_at: datetime | None = None
    ) -> bool:
        """See `Records`."""
        item = _item(kind, record_id, document, expires_at)
        return self._put_if(item, f"writing {kind} {record_id}", ConditionExpression=_ABSENT)

    def replace(self, kind: RecordKind, record_id: str, before: Document, after: Document) -> bool:
        """See `Records`."""
        stored = _fields(before)
        gone = sorted(after.keys() - before.keys())
        conditions = [
            "attribute_exists(pk)",
            *(f"#b{at} = :b{at}" for at in range(len(stored))),
            *(f"attribute_not_exists(#g{at})" for at in range(len(gone))),
        ]
        names = {f"#b{at}": name for at, name in enumerate(stored)} | {
            f"#g{at}": name for at, name in enumerate(gone)
        }
        values = {f":b{at}": value for at, value in enumerate(stored.values())}
        return self._put_if(
            _item(kind, record_id, after),
            f"replacing {kind} {record_id}",
            ConditionExpression=" AND ".join(conditions),
            **({"ExpressionAttributeNames": names} if names else {}),
            **({"ExpressionAttributeValues": values} if values else {}),
        )

    def get(self, kind: RecordKind, record_id: str) -> dict[str, Any] | None:
        """See `Records`."""
        with translated(f"reading {kind} {record_id}"):
            answer = self._client.get_item(
                TableName=self._table, Key=_key(kind, record_id), ConsistentRead=True
            )
        item = answer.get("Item")
        return _document(item) if item else None

    def newest(
        self, kind: RecordKind, *, limit: int, before_id: str | None = None
    ) -> list[tuple[str, dict[str, Any]]]:
        """See `Records`."""
        below: Item = {} if before_id is None else {":before": {"S": before_id}}
        found: list[tuple[str, dict[str, Any]]] = []
        page: dict[str, Any] = {}
        while len(found) < limit:
            with translated(f"reading the newest of {kind}"):
                answer = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression="pk = :pk" + (" AND sk < :before" if below else ""),
                    ExpressionAttributeValues={":pk": {"S": _partition(kind)}, **below},
                    ScanIndexForward=False,
                    ConsistentRead=True,
                    Limit=limit - len(found),
                    **page,
                )
            found += [(item["sk"]["S"], _document(item)) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                break
            page = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        return found

    def remove(self, kind: RecordKind, record_id: str) -> None:
        """See `Records`."""
        with translated(f"removing {kind} {record_id}"):
            self._client.delete_item(TableName=self._table, Key=_key(kind, record_id))

    def add(self, kind: RecordKind, record_id: str, changes: Mapping[str, int]) -> None:
        """See `Records`."""
        if not changes:
            return
        names = {f"#n{at}": name for at, name in enumerate(changes)}
        with translated(f"adding to {kind} {record_id}"):
            self._client.update_item(
                TableName=self._table,
                Key=_key(kind, record_id),
                UpdateExpression="ADD " + ", ".join(f"#n{at} :n{at}" for at in range(len(changes))),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={
                    f":n{at}": {"N": str(change)} for at, change in enumerate(changes.values())
                },
            )

    def _put_if(self, item: Item, doing: str, **condition: Any) -> bool:  # noqa: ANN401 - boto3's own arguments
        with translated(doing):
            try:
                self._client.put_item(TableName=self._table, Item=item, **condition)
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True


def _partition(kind: RecordKind) -> str:
    return f"record#{kind}"


def _key(kind: RecordKind, record_id: str) -> Item:
    return {"pk": {"S": _partition(kind)}, "sk": {"S": record_id}}


def _fields(document: Document) -> Item:
    reserved = _OWN & document.keys()
    if reserved:
        raise ValueError(f"a record has no fields named {', '.join(sorted(reserved))}")
    return {name: attribute_of(value, name=name) for name, value in document.items()}


def _item(kind: RecordKind, record_id: str, document: Document, expires_at: datetime | None = None) -> Item:
    expiry: Item = {"expires_at": {"N": str(int(expires_at.timestamp()))}} if expires_at else {}
    return _key(kind, record_id) | _fields(document) | expiry


def _document(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value_of(value) for name, value in item.items() if name not in _OWN}
