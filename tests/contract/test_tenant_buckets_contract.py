"""The contract of `TenantBuckets`: what a tenant's bucket refuses and allows, on the local AWS."""

import hashlib
import json
import uuid
from collections.abc import Callable

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from mypy_boto3_s3 import S3Client

from parjanya_dagster.aws.clients import AwsClients
from parjanya_dagster.aws.tenant_buckets import S3TenantBuckets
from parjanya_dagster.aws.truth_s3 import S3ObjectStore
from parjanya_dagster.core.names import Names
from parjanya_dagster.core.ports import TenantBuckets
from parjanya_dagster.simulation.fakes.objects import FakeTenantBuckets
from tests.contract.endpoints import ROOT, Endpoint, http_put

ORIGIN = "http://localhost:8000"

pytestmark = pytest.mark.local_aws


@pytest.fixture
def tenant_id() -> str:
    """A tenant nobody has met."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def user_s3(contract_aws: Endpoint) -> S3Client:
    """S3 as an ordinary user with every right on S3; policies do not bind the root of the account."""
    url = contract_aws.clients.endpoint_url
    iam = ROOT.client("iam", endpoint_url=url)
    user = f"contract-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=user)
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    iam.put_user_policy(
        UserName=user,
        PolicyName="s3",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]}),
    )
    key = iam.create_access_key(UserName=user)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
    return AwsClients(region="us-east-1", endpoint_url=url, session=session).s3


def buckets_of(endpoint: Endpoint, *origins: str) -> S3TenantBuckets:
    """Return the edge for pages of these origins."""
    return S3TenantBuckets(endpoint.clients.s3, names=endpoint.names, origins=origins or (ORIGIN,))


def code_when(call: Callable[[], object]) -> str:
    """Return the error code with which S3 refuses a call."""
    with pytest.raises(ClientError) as refusal:
        call()
    return str(refusal.value.response["Error"]["Code"])


@pytest.mark.parametrize("kind", ["fake", "local_aws"])
def test_bucket_of_a_tenant_is_named_after_it_and_made_once(
    kind: str, contract_aws: Endpoint, tenant_id: str
) -> None:
    """Onboarding may be repeated, by hand or by a crash."""
    names = contract_aws.names
    buckets: TenantBuckets = FakeTenantBuckets(names) if kind == "fake" else buckets_of(contract_aws)

    assert buckets.ensure(tenant_id) == f"parjanya-contract-000000000000-t-{tenant_id}"
    assert buckets.ensure(tenant_id) == f"parjanya-contract-000000000000-t-{tenant_id}"


def test_tenants_with_a_bucket_are_told_by_its_name(endpoint: Endpoint | None) -> None:
    """Whoever lost their marker may have nothing else left; buckets of other deployments do not count."""
    names = endpoint.names if endpoint else Names(prefix="parjanya-contract", account="000000000000")
    buckets: TenantBuckets = buckets_of(endpoint) if endpoint else FakeTenantBuckets(names)
    others = {tenant for tenant in buckets.existing() if not tenant.startswith("told-")}
    if endpoint:
        for foreign in (f"{names.prefix}2-{names.account}-t-acme", names.artifacts_bucket):
            endpoint.clients.s3.create_bucket(Bucket=foreign)

    for tenant in ("told-b", "told-a"):
        buckets.ensure(tenant)

    assert buckets.existing() == sorted({"told-a", "told-b"} | others)


def test_tenants_beyond_one_page_are_told_too(contract_aws: Endpoint) -> None:
    """An account may have 10,000 buckets and more, and S3 tells them in pages."""
    names, s3 = contract_aws.names, AwsClients(region="us-east-1", endpoint_url=None, session=ROOT).s3
    stubbed, asked = Stubber(s3), {"Prefix": names.uploads_buckets}
    first = {"Buckets": [{"Name": names.uploads_bucket("beta")}], "ContinuationToken": "on"}
    stubbed.add_response("list_buckets", first, asked)
    second = {"Buckets": [{"Name": names.uploads_bucket("acme")}]}
    stubbed.add_response("list_buckets", second, {**asked, "ContinuationToken": "on"})

    with stubbed:
        assert S3TenantBuckets(s3, names=names, origins=()).existing() == ["acme", "beta"]


def test_bucket_is_private_versioned_and_tells_eventbridge(contract_aws: Endpoint, tenant_id: str) -> None:
    """Every tenant there will be is served by the one rule that exists."""
    s3 = contract_aws.clients.s3

    bucket = buckets_of(contract_aws).ensure(tenant_id)

    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=bucket)
    private = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(private.values()) == {True}
    [rule] = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert (rule["AllowedOrigins"], rule["AllowedMethods"]) == ([ORIGIN], ["PUT"])


def test_original_can_be_created_and_never_replaced(
    contract_aws: Endpoint, user_s3: S3Client, tenant_id: str
) -> None:
    """Even an identity with every right on S3 cannot overwrite an upload."""
    bucket = buckets_of(contract_aws).ensure(tenant_id)

    def put(key: str, **precondition: str) -> object:
        return user_s3.put_object(Bucket=bucket, Key=key, Body=b"bytes", **precondition)  # type: ignore[arg-type]  # one header

    assert code_when(lambda: put("originals/1/a.jpg")) == "AccessDenied"
    put("originals/1/a.jpg", IfNoneMatch="*")
    assert code_when(lambda: put("originals/1/a.jpg", IfNoneMatch="*")) == "PreconditionFailed"
    assert code_when(lambda: put("originals/1/a.jpg")) == "AccessDenied"


def test_preview_can_be_replaced(contract_aws: Endpoint, user_s3: S3Client, tenant_id: str) -> None:
    """A second ingestion writes its previews over the first one's."""
    bucket = buckets_of(contract_aws).ensure(tenant_id)

    for body in (b"one", b"two"):
        user_s3.put_object(Bucket=bucket, Key="previews/1/model.png", Body=body)

    assert user_s3.get_object(Bucket=bucket, Key="previews/1/model.png")["Body"].read() == b"two"


def test_configured_bucket_costs_one_call(contract_aws: Endpoint, tenant_id: str) -> None:
    """Every presign may ask for its tenant's bucket."""
    buckets = buckets_of(contract_aws)
    buckets.ensure(tenant_id)
    calls: list[str] = []
    events = contract_aws.clients.s3.meta.events
    events.register("before-call.s3", lambda model, **_: calls.append(model.name), unique_id=tenant_id)

    buckets.ensure(tenant_id)

    events.unregister("before-call.s3", unique_id=tenant_id)
    assert calls == ["GetBucketTagging"]


def test_changed_or_interrupted_configuration_is_repaired(contract_aws: Endpoint, tenant_id: str) -> None:
    """The digest is written last, so half a configuration is configured again."""
    s3 = contract_aws.clients.s3
    bucket = contract_aws.names.uploads_bucket(tenant_id)
    s3.create_bucket(Bucket=bucket)

    buckets_of(contract_aws).ensure(tenant_id)
    buckets_of(contract_aws, "http://localhost:9000").ensure(tenant_id)

    [rule] = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert rule["AllowedOrigins"] == ["http://localhost:9000"]
    assert "originals/*" in s3.get_bucket_policy(Bucket=bucket)["Policy"]


def test_presigned_upload_of_an_ordinary_user_passes_the_bucket_policy(
    contract_aws: Endpoint, user_s3: S3Client, tenant_id: str
) -> None:
    """The policy that refuses overwrites must not refuse the product's own uploads."""
    bucket = buckets_of(contract_aws).ensure(tenant_id)
    body = b"bytes"
    signed = S3ObjectStore(user_s3).presign_put(
        bucket,
        "originals/1/a.jpg",
        content_type="image/jpeg",
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        expires_s=60,
    )

    assert http_put(signed.url, body, signed.headers) == 200
    assert http_put(signed.url, body, signed.headers) == 412
