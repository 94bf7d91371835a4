"""The control store on DynamoDB: tenants, tokens, policies, heartbeats, memories of readings, leases.

Small items, each kind in a partition of its own:

    tenants / <tenant>              token#<digest> / token          heartbeats / <plane>
    policy#versions / <version>     policy#published / pointer      empty_readings / <signal>
    lease#<name> / lease
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from parjanya_dagster.aws.attributes import Item, attribute_of, value_of
from parjanya_dagster.aws.errors import translated
from parjanya_dagster.aws.truth_items import text_of_time
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.ports import EmptyReadings, Token

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_TENANTS: Final = "tenants"
_HEARTBEATS: Final = "heartbeats"
_VERSIONS: Final = "policy#versions"
_PUBLISHED: Final = ("policy#published", "pointer")
_EMPTY_READINGS: Final = "empty_readings"

_ABSENT: Final = "attribute_not_exists(pk)"
_FREE: Final = "attribute_not_exists(pk) OR holder = :holder OR held_until <= :now"


class DynamoControlStore:
    """See `ControlStore`."""

    def __init__(self, client: "DynamoDBClient", *, table: str) -> None:
        self._client = client
        self._table = table

    def register_tenant(self, tenant_id: str, *, now: datetime) -> None:
        """See `ControlStore`."""
        marker = _item(_TENANTS, tenant_id, registered_at=text_of_time(now))
        self._put_if(marker, f"registering tenant {tenant_id}", _ABSENT)

    def tenants(self) -> list[str]:
        """See `ControlStore`."""
        return sorted(each["sk"] for each in self._all(_TENANTS, "sk"))

    def put_token(self, digest: str, token: Token, *, now: datetime) -> None:
        """See `ControlStore`."""
        item = _item(
            f"token#{digest}",
            "token",
            tenant_id=token.tenant_id,
            role=token.role,
            subject=token.subject,
            issued_at=text_of_time(now),
        )
        self._put(item, f"issuing a token for tenant {token.tenant_id}")

    def token(self, digest: str) -> Token | None:
        """See `ControlStore`."""
        found = self._get(f"token#{digest}", "token", "reading a token")
        if found is None:
            return None
        return Token(tenant_id=found["tenant_id"], role=found["role"], subject=found["subject"])

    def publish_policy(self, version: str, document: str, *, now: datetime) -> None:
        """See `ControlStore`."""
        doing = f"publishing policy {version}"
        item = _item(_VERSIONS, version, document=document, written_at=text_of_time(now))
        if not self._put_if(item, doing, _ABSENT) and self.policy(version) != document:
            raise InvalidRequestError(
                f"policy version '{version}' exists with another document, and versions never change: "
                "publish this one under a new version"
            )
        self._put(_item(*_PUBLISHED, version=version, published_at=text_of_time(now)), doing)

    def policy(self, version: str) -> str | None:
        """See `ControlStore`."""
        found = self._get(_VERSIONS, version, f"reading policy {version}")
        return None if found is None else str(found["document"])

    def policy_versions(self) -> list[str]:
        """See `ControlStore`."""
        found = self._all(_VERSIONS, "sk, written_at")
        return [each["sk"] for each in sorted(found, key=lambda each: each["written_at"])]

    def published_policy(self) -> str | None:
        """See `ControlStore`."""
        found = self._get(*_PUBLISHED, "reading the published policy")
        return None if found is None else str(found["version"])

    def beat(self, plane: str, *, now: datetime) -> None:
        """See `ControlStore`."""
        self._put(_item(_HEARTBEATS, plane, at=text_of_time(now)), f"writing the heartbeat of {plane}")

    def heartbeats(self) -> dict[str, datetime]:
        """See `ControlStore`."""
        found = self._all(_HEARTBEATS, "sk, #at", {"#at": "at"})
        return {each["sk"]: datetime.fromisoformat(each["at"]) for each in found}

    def empty_readings(self, signal: str) -> EmptyReadings | None:
        """See `ControlStore`."""
        found = self._get(_EMPTY_READINGS, signal, f"reading since when {signal} reads empty")
        if found is None:
            return None
        return EmptyReadings(
            since=datetime.fromisoformat(found["since"]),
            last_read_at=datetime.fromisoformat(found["last_read_at"]),
        )

    def remember_empty_readings(self, signal: str, run: EmptyReadings | None) -> None:
        """See `ControlStore`."""
        doing = f"remembering since when {signal} reads empty"
        if run is None:
            with translated(doing):
                self._client.delete_item(TableName=self._table, Key=_item(_EMPTY_READINGS, signal))
            return
        item = _item(
            _EMPTY_READINGS,
            signal,
            since=text_of_time(run.since),
            last_read_at=text_of_time(run.last_read_at),
        )
        self._put(item, doing)

    def take_lease(self, name: str, holder: str, *, now: datetime, duration_s: int) -> int | None:
        """See `ControlStore`."""
        with translated(f"taking lease {name}"):
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_item(f"lease#{name}", "lease"),
                    UpdateExpression="SET holder = :holder, held_until = :until ADD fence :one",
                    ConditionExpression=_FREE,
                    ExpressionAttributeValues={
                        ":holder": {"S": holder},
                        ":now": {"S": text_of_time(now)},
                        ":until": {"S": text_of_time(now + timedelta(seconds=duration_s))},
                        ":one": {"N": "1"},
                    },
                    ReturnValues="UPDATED_NEW",
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return None
        return int(answer["Attributes"]["fence"]["N"])

    def holds_lease(self, name: str, token: int, *, now: datetime) -> bool:
        """See `ControlStore`."""
        found = self._get(f"lease#{name}", "lease", f"reading lease {name}")
        return found is not None and found.get("fence") == token and found["held_until"] > text_of_time(now)

    def _put(self, item: Item, doing: str) -> None:
        with translated(doing):
            self._client.put_item(TableName=self._table, Item=item)

    def _put_if(self, item: Item, doing: str, condition: str) -> bool:
        with translated(doing):
            try:
                self._client.put_item(TableName=self._table, Item=item, ConditionExpression=condition)
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def _get(self, pk: str, sk: str, doing: str) -> dict[str, Any] | None:
        with translated(doing):
            answer = self._client.get_item(TableName=self._table, Key=_item(pk, sk), ConsistentRead=True)
        item = answer.get("Item")
        return {name: value_of(each) for name, each in item.items()} if item else None

    def _all(self, pk: str, attributes: str, names: dict[str, str] | None = None) -> Iterator[dict[str, Any]]:
        page: Any = {"ExpressionAttributeNames": names} if names else {}
        while True:
            with translated(f"reading {pk}"):
                answer = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression="pk = :pk",
                    ExpressionAttributeValues={":pk": {"S": pk}},
                    ProjectionExpression=attributes,
                    ConsistentRead=True,
                    **page,
                )
            for item in answer["Items"]:
                yield {name: value_of(each) for name, each in item.items()}
            if "LastEvaluatedKey" not in answer:
                return
            page["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _item(pk: str, sk: str, **values: str) -> Item:
    return {name: attribute_of(value, name=name) for name, value in {"pk": pk, "sk": sk, **values}.items()}
