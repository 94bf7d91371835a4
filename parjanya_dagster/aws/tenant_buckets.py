"""Provisioning of tenants' uploads buckets on S3: at onboarding, by code, because tenants come at run time.

A bucket that is configured carries the digest of its configuration as a tag, written last. So `ensure` is
one call when there is nothing to do, and repairs what was interrupted or has changed since.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from parjanya_dagster.aws.errors import code_of, translated
from parjanya_dagster.core.names import ORIGINALS, Names

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DIGEST_TAG: Final = "parjanya:digest"
TENANT_TAG: Final = "parjanya:tenant"

_HOME_REGION: Final = "us-east-1"  # the only region that S3 refuses as a location constraint
_UNCONFIGURED_CODES: Final = frozenset({"NoSuchBucket", "NoSuchTagSet", "404"})
_PRIVATE: Final = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


class S3TenantBuckets:
    """See `TenantBuckets`.

    `origins` are the origins of pages that upload, e.g. `http://localhost:8000`.
    """

    def __init__(self, client: "S3Client", *, names: Names, origins: Sequence[str]) -> None:
        self._client = client
        self._names = names
        self._cors = cors_rules(origins)
        # An endpoint without TLS is one on this machine: a policy that demands TLS would refuse everything.
        self._demands_tls = client.meta.endpoint_url.startswith("https://")

    def ensure(self, tenant_id: str) -> str:
        """See `TenantBuckets`."""
        bucket = self._names.uploads_bucket(tenant_id)
        policy = upload_policy(bucket, demands_tls=self._demands_tls)
        digest = _digest([policy, self._cors, _PRIVATE])
        with translated(f"provisioning bucket {bucket} of tenant {tenant_id}"):
            if self._configured_digest(bucket) != digest:
                self._create(bucket)
                self._configure(bucket, policy)
                tags = {DIGEST_TAG: digest, TENANT_TAG: tenant_id}
                tag_set: Any = [{"Key": name, "Value": value} for name, value in tags.items()]
                self._client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tag_set})
        return bucket

    def existing(self) -> list[str]:
        """See `TenantBuckets`."""
        listing = self._client.get_paginator("list_buckets")
        with translated("listing the tenants' buckets"):
            pages = listing.paginate(Prefix=self._names.uploads_buckets)
            found = [bucket.get("Name", "") for page in pages for bucket in page.get("Buckets", [])]
        # asked again by name: not every implementation knows the prefix
        return sorted(tenant for bucket in found if (tenant := self._names.tenant_of_bucket(bucket)))

    def _configured_digest(self, bucket: str) -> str | None:
        try:
            answer = self._client.get_bucket_tagging(Bucket=bucket)
        except ClientError as error:
            if code_of(error) in _UNCONFIGURED_CODES:
                return None
            raise
        return next((tag["Value"] for tag in answer["TagSet"] if tag["Key"] == DIGEST_TAG), None)

    def _create(self, bucket: str) -> None:
        region = self._client.meta.region_name
        where: Any = (
            {} if region == _HOME_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        )
        try:
            self._client.create_bucket(Bucket=bucket, **where)
        except self._client.exceptions.BucketAlreadyOwnedByYou:
            return

    def _configure(self, bucket: str, policy: dict[str, Any]) -> None:
        private: Any = _PRIVATE
        self._client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=private)
        self._client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self._client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        if self._cors:
            cors: Any = {"CORSRules": self._cors}
            self._client.put_bucket_cors(Bucket=bucket, CORSConfiguration=cors)
        else:
            self._client.delete_bucket_cors(Bucket=bucket)
        self._client.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )


def upload_policy(bucket: str, *, demands_tls: bool) -> dict[str, Any]:
    """Return the bucket policy: an original is only ever created, never replaced.

    Source: S3 User Guide, "Enforce conditional writes on Amazon S3 buckets"
    """
    arn = f"arn:aws:s3:::{bucket}"
    creates_only = {
        "Sid": "OriginalsAreOnlyCreated",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"{arn}/{ORIGINALS}*",
        # The second condition exempts the parts of a multipart upload, which cannot carry the header;
        # its completion can and must.
        "Condition": {
            "Null": {"s3:if-none-match": "true"},
            "Bool": {"s3:ObjectCreationOperation": "true"},
        },
    }
    tls_only = {
        "Sid": "RefuseWithoutTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    statements = [creates_only, *([tls_only] if demands_tls else [])]
    return {"Version": "2012-10-17", "Statement": statements}


def cors_rules(origins: Sequence[str]) -> list[dict[str, Any]]:
    """Return the CORS rules that let pages of these origins use presigned uploads."""
    if not origins:
        return []
    return [
        {
            "AllowedOrigins": list(origins),
            "AllowedMethods": ["PUT"],
            "AllowedHeaders": ["content-type", "if-none-match", "x-amz-checksum-sha256"],
            "ExposeHeaders": ["ETag", "x-amz-version-id"],
            "MaxAgeSeconds": 3600,
        }
    ]


def _digest(configuration: list[Any]) -> str:
    return hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()[:32]
