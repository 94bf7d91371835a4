"""Objects in tenants' uploads buckets, on S3.

Originals are immutable: a presigned upload binds type, length and checksum and only ever creates a key,
and readers pin the version that ingest confirmed.
"""

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from parjanya_dagster.aws.clock import utc_now
from parjanya_dagster.aws.errors import code_of, translated
from parjanya_dagster.core.names import ORIGINALS
from parjanya_dagster.core.ports import ObjectInfo, PresignedPut

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ABSENT_CODES: Final = frozenset({"404", "NoSuchKey", "NoSuchVersion"})
_NOT_A_VERSION: Final = "null"
"""What S3 calls the version of an object in a bucket without versioning."""


class S3ObjectStore:
    """See `ObjectStore`.

    Without `s3:ListBucket`, S3 answers 403 for a key that does not exist: `head` then raises `DeniedError`.
    """

    def __init__(self, client: "S3Client", *, clock: Callable[[], datetime] = utc_now) -> None:
        self._client = client
        self._clock = clock

    def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectInfo | None:
        """See `ObjectStore`; a missing bucket is None too, as HEAD cannot tell the two apart."""
        with translated(f"asking for s3://{bucket}/{key}"):
            try:
                answer = self._client.head_object(Bucket=bucket, Key=key, **_version(version_id))
            except ClientError as error:
                if code_of(error) in _ABSENT_CODES or _is_malformed_version(error, version_id):
                    return None
                raise
        return ObjectInfo(
            bucket=bucket,
            key=key,
            version_id=_version_id(answer.get("VersionId")),
            etag=answer["ETag"].strip('"'),
            size_bytes=answer["ContentLength"],
            modified_at=_modified_at(answer["LastModified"]),
        )

    def get(self, bucket: str, key: str, *, version_id: str | None = None) -> bytes | None:
        """See `ObjectStore`."""
        with translated(f"reading s3://{bucket}/{key}"):
            try:
                answer = self._client.get_object(Bucket=bucket, Key=key, **_version(version_id))
            except ClientError as error:
                if code_of(error) in _ABSENT_CODES or _is_malformed_version(error, version_id):
                    return None
                raise
            return answer["Body"].read()

    def put(self, bucket: str, key: str, body: bytes, *, content_type: str) -> None:
        """See `ObjectStore`."""
        with translated(f"writing s3://{bucket}/{key}"):
            self._client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)

    def originals(self, bucket: str, *, from_id: str = "") -> Iterator[ObjectInfo]:
        """See `ObjectStore`; `version_id` is None, because a listing does not tell it."""
        page: Any = {"StartAfter": f"{ORIGINALS}{from_id}"} if from_id else {}
        while True:
            with translated(f"listing s3://{bucket}/{ORIGINALS}"):
                answer = self._client.list_objects_v2(Bucket=bucket, Prefix=ORIGINALS, **page)
            for entry in answer.get("Contents", []):
                yield ObjectInfo(
                    bucket=bucket,
                    key=entry["Key"],
                    version_id=None,
                    etag=entry["ETag"].strip('"'),
                    size_bytes=entry["Size"],
                    modified_at=_modified_at(entry["LastModified"]),
                )
            if not answer.get("IsTruncated"):
                return
            page = {"ContinuationToken": answer["NextContinuationToken"]}

    def presign_put(
        self, bucket: str, key: str, *, content_type: str, size_bytes: int, sha256: str, expires_s: int
    ) -> PresignedPut:
        """See `ObjectStore`; the length is signed too, but clients derive that header from the body."""
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        expires_at = self._clock() + timedelta(seconds=expires_s)
        with translated(f"presigning an upload to s3://{bucket}/{key}"):
            url = self._client.generate_presigned_url(
                "put_object",
                Params={
                    "Bucket": bucket,
                    "Key": key,
                    "ContentType": content_type,
                    "ContentLength": size_bytes,
                    "ChecksumSHA256": checksum,
                    "IfNoneMatch": "*",
                },
                ExpiresIn=expires_s,
            )
        headers = {"Content-Type": content_type, "x-amz-checksum-sha256": checksum, "If-None-Match": "*"}
        return PresignedPut(url=url, headers=headers, expires_at=expires_at)

    def presign_get(self, bucket: str, key: str, *, expires_s: int) -> str:
        """See `ObjectStore`."""
        with translated(f"presigning s3://{bucket}/{key}"):
            return self._client.generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=expires_s
            )


def _version(version_id: str | None) -> Any:  # noqa: ANN401 - keyword arguments of two calls
    return {} if version_id is None else {"VersionId": version_id}


def _version_id(answered: str | None) -> str | None:
    return None if answered == _NOT_A_VERSION else answered


def _modified_at(answered: datetime) -> datetime:
    # a HEAD tells whole seconds, and a listing of another implementation may tell more
    return answered.astimezone(UTC).replace(microsecond=0)


def _is_malformed_version(error: ClientError, version_id: str | None) -> bool:
    # S3 answers 400, not 404, for a version id that it could never have given
    return version_id is not None and code_of(error) in (str(HTTPStatus.BAD_REQUEST.value), "InvalidArgument")
