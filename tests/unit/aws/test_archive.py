"""What S3 and DynamoDB answer to the archive when they refuse, or answer in pages."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from parjanya_dagster.aws.archive import AwsArchive
from parjanya_dagster.aws.clients import AwsClients
from parjanya_dagster.core.archive import ObjectVersion
from parjanya_dagster.core.errors import DeniedError, EdgeError
from tests.builders import NAMES, NOON, a_key
from tests.contract.endpoints import ROOT


@pytest.fixture
def clients() -> AwsClients:
    """Real clients; their answers are written by the tests."""
    return AwsClients(region="us-east-1", session=ROOT)


@pytest.fixture
def archive(clients: AwsClients) -> AwsArchive:
    """The edge over the stubbed clients."""
    return AwsArchive(clients.s3, clients.dynamodb, names=NAMES)


@pytest.fixture
def s3(clients: AwsClients) -> Iterator[Stubber]:
    """S3 that answers what it is told."""
    with Stubber(clients.s3) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def dynamodb(clients: AwsClients) -> Iterator[Stubber]:
    """DynamoDB that answers what it is told."""
    with Stubber(clients.dynamodb) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def entry(key: str) -> dict[str, Any]:
    """Return a version as S3 lists it."""
    return {
        "Key": key,
        "VersionId": "null",
        "ETag": '"e"',
        "Size": 1,
        "LastModified": NOON,
        "IsLatest": True,
    }


def test_listing_goes_on_until_the_last_page(archive: AwsArchive, s3: Stubber) -> None:
    """A bucket of millions is listed a page at a time, also behind a key; `null` is no version."""
    truncated = {"IsTruncated": True, "NextKeyMarker": "b", "NextVersionIdMarker": "null"}
    first = {"Bucket": "bucket", "Prefix": "", "KeyMarker": "a"}
    s3.add_response("list_object_versions", {"Versions": [entry("a"), entry("b")], **truncated}, first)
    markers = {"KeyMarker": "b", "VersionIdMarker": "null"}
    s3.add_response(
        "list_object_versions", {"Versions": [entry("c")]}, {"Bucket": "bucket", "Prefix": "", **markers}
    )

    found = list(archive.versions("bucket", after_key="a"))

    assert [(each.key, each.version_id) for each in found] == [("b", None), ("c", None)]


def test_version_that_s3_keeps_is_an_error(archive: AwsArchive, s3: Stubber) -> None:
    """A batch deletion answers 200 for what it refused: nobody may take that for done."""
    refused = {"Errors": [{"Key": "a", "Code": "AccessDenied", "Message": "locked"}]}
    s3.add_response("delete_objects", refused)
    version = ObjectVersion(
        bucket="bucket",
        key="a",
        version_id=None,
        etag="e",
        size_bytes=1,
        modified_at=NOON,
        is_current=True,
    )

    with pytest.raises(EdgeError, match=r"S3 kept 1 of 1 versions in bucket.*AccessDenied: locked"):
        archive.delete_versions([version])


def test_refused_listing_and_removal_are_not_taken_for_absence(archive: AwsArchive, s3: Stubber) -> None:
    """Only a bucket that is not there is empty and removed."""
    s3.add_client_error("list_object_versions", "AccessDenied", http_status_code=403)
    s3.add_client_error("delete_bucket", "AccessDenied", http_status_code=403)

    with pytest.raises(DeniedError):
        list(archive.versions("bucket"))
    with pytest.raises(DeniedError):
        archive.remove_bucket("bucket")


def test_evidence_is_read_to_its_last_page(archive: AwsArchive, dynamodb: Stubber) -> None:
    """An image with a long history has no result that is overlooked."""
    pk = {"S": str(a_key())}
    last = {"pk": pk, "sk": {"S": "facts"}}
    dynamodb.add_response("query", {"Items": [{"sk": {"S": "facts"}}], "LastEvaluatedKey": last})
    dynamodb.add_response("query", {"Items": [{"sk": {"S": "head"}}, {"sk": {"S": "result#1"}}]})

    assert archive.evidence(a_key()) == ["facts", "result#1"]
