"""The archive on S3 and DynamoDB.

Deleting names the version, always: without one, S3 only hides an object behind a marker.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from parjanya_dagster.aws.attributes import value_of
from parjanya_dagster.aws.errors import code_of, translated
from parjanya_dagster.aws.truth_items import HEAD, head_item, item_key
from parjanya_dagster.core.archive import ObjectVersion, TablePage
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.core.names import Names
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

_DELETE_LIMIT: Final = 1000
_UNVERSIONED: Final = "null"
_GONE: Final = "NoSuchBucket"
_UNMOVED: Final = "#status = :status_before AND #generation = :generation_before"


class AwsArchive:
    """See `Archive`."""

    def __init__(self, s3: "S3Client", dynamodb: "DynamoDBClient", *, names: Names) -> None:
        self._s3 = s3
        self._dynamodb = dynamodb
        self._images = names.images_table
        self._control = names.control_table

    def versions(self, bucket: str, *, prefix: str = "", after_key: str = "") -> Iterator[ObjectVersion]:
        """See `Archive`; a page's markers come in their place among its versions."""
        page: Any = {"KeyMarker": after_key} if after_key else {}
        while True:
            with translated(f"listing every version in s3://{bucket}/{prefix}"):
                try:
                    answer: Any = self._s3.list_object_versions(Bucket=bucket, Prefix=prefix, **page)
                except ClientError as error:
                    if code_of(error) == _GONE:
                        return
                    raise
            entries = [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]
            # what an implementation repeats of the marker's own key is not wanted
            wanted = (entry for entry in entries if entry["Key"] > after_key)
            yield from (_version(bucket, entry) for entry in sorted(wanted, key=itemgetter("Key")))
            if not answer.get("IsTruncated"):
                return
            page = {"KeyMarker": answer["NextKeyMarker"], "VersionIdMarker": answer["NextVersionIdMarker"]}

    def delete_versions(self, versions: Sequence[ObjectVersion]) -> None:
        """See `Archive`."""
        for bucket in sorted({each.bucket for each in versions}):
            named = (
                {"Key": v.key, "VersionId": v.version_id or _UNVERSIONED}
                for v in versions
                if v.bucket == bucket
            )
            while batch := list(islice(named, _DELETE_LIMIT)):
                self._delete(bucket, batch)

    def remove_bucket(self, bucket: str) -> bool:
        """See `Archive`."""
        with translated(f"removing bucket {bucket}"):
            try:
                self._s3.delete_bucket(Bucket=bucket)
            except ClientError as error:
                if code_of(error) == "BucketNotEmpty":
                    return False
                if code_of(error) != _GONE:
                    raise
        return True

    def records(self, table: str, *, after: str | None, limit: int) -> TablePage:
        """See `Archive`; numbers come as `Decimal`, sets as sets."""
        start: Any = {"ExclusiveStartKey": json.loads(after)} if after else {}
        with translated(f"reading records of table {table}"):
            answer: Any = self._dynamodb.scan(TableName=table, Limit=limit, **start)
        plain = TypeDeserializer().deserialize
        records = [{name: plain(value) for name, value in item.items()} for item in answer["Items"]]
        last = answer.get("LastEvaluatedKey")
        return TablePage(records=records, after=json.dumps(last) if last else None)

    def evidence(self, key: ImageKey) -> list[str]:
        """See `Archive`."""
        query = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": str(key)}}}
        found = self._all("query", self._images, query, "sk", f"reading what there is of {key}")
        return sorted(item["sk"] for item in found if item["sk"] != HEAD)

    def delete_evidence(self, key: ImageKey, names: Sequence[str]) -> None:
        """See `Archive`."""
        for name in names:
            with translated(f"deleting {name} of {key}"):
                self._dynamodb.delete_item(TableName=self._images, Key=item_key(key, name))

    def bury(self, before: ImageRow, tombstone: ImageRow) -> bool:
        """See `Archive`."""
        with translated(f"burying {before.key}"):
            try:
                self._dynamodb.put_item(
                    TableName=self._images,
                    Item=head_item(tombstone),
                    ConditionExpression=_UNMOVED,
                    ExpressionAttributeNames={"#status": "status", "#generation": "generation"},
                    ExpressionAttributeValues={
                        ":status_before": {"S": str(before.status)},
                        ":generation_before": {"N": str(before.generation)},
                    },
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def forget_tokens(self, tenant_id: str) -> int:
        """See `Archive`; they are found by a scan, because nothing else ever asks for all of a tenant's."""
        query = {
            "FilterExpression": "begins_with(pk, :token) AND tenant_id = :tenant",
            "ExpressionAttributeValues": {":token": {"S": "token#"}, ":tenant": {"S": tenant_id}},
        }
        tokens = list(self._all("scan", self._control, query, "pk, sk", f"finding tokens of {tenant_id}"))
        for token in tokens:
            self._forget(token["pk"], token["sk"])
        return len(tokens)

    def forget_tenant(self, tenant_id: str) -> None:
        """See `Archive`."""
        self._forget("tenants", tenant_id)

    def _forget(self, pk: str, sk: str) -> None:
        with translated(f"forgetting {sk} of {pk}"):
            self._dynamodb.delete_item(TableName=self._control, Key={"pk": {"S": pk}, "sk": {"S": sk}})

    def _delete(self, bucket: str, batch: list[Any]) -> None:
        with translated(f"deleting {len(batch)} versions in {bucket}"):
            answer = self._s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        refused = answer.get("Errors", [])
        if refused:
            raise EdgeError(
                f"S3 kept {len(refused)} of {len(batch)} versions in {bucket}, the first because of "
                f"{refused[0].get('Code')}: {refused[0].get('Message')}"
            )

    def _all(
        self, how: str, table: str, query: Mapping[str, Any], attributes: str, doing: str
    ) -> Iterator[dict[str, Any]]:
        page: dict[str, Any] = {}
        while True:
            with translated(doing):
                answer = getattr(self._dynamodb, how)(
                    TableName=table, ProjectionExpression=attributes, ConsistentRead=True, **query, **page
                )
            for item in answer["Items"]:
                yield {name: value_of(value) for name, value in item.items()}
            if "LastEvaluatedKey" not in answer:
                return
            page["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _version(bucket: str, entry: Mapping[str, Any]) -> ObjectVersion:
    is_marker = "ETag" not in entry
    return ObjectVersion(
        bucket=bucket,
        key=entry["Key"],
        version_id=None if entry["VersionId"] == _UNVERSIONED else entry["VersionId"],
        etag=None if is_marker else entry["ETag"].strip('"'),
        size_bytes=entry.get("Size", 0),
        modified_at=entry["LastModified"].astimezone(UTC).replace(microsecond=0),
        is_current=entry["IsLatest"],
        is_marker=is_marker,
    )
