"""The contract of `ObjectStore`, held by the fake and by S3: presigned uploads over plain HTTP included."""

import hashlib
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.request import urlopen

import pytest

from parjanya_dagster.aws.truth_s3 import S3ObjectStore
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.ports import ObjectStore, PresignedPut
from parjanya_dagster.simulation.fakes.clock import FakeClock
from parjanya_dagster.simulation.fakes.objects import FakeObjectStore
from tests.builders import NOON, a_key
from tests.contract.endpoints import Endpoint, HttpPut, http_put

BODY = b"the bytes of a photo"
KEY = original_key(a_key().image_id, "photo one.jpg")


@dataclass(frozen=True)
class Bench:
    """A store with one versioned bucket, and a client that knows nothing but URLs."""

    store: ObjectStore
    bucket: str
    http_put: HttpPut

    def presigned(self, body: bytes = BODY, *, expires_s: int = 60) -> PresignedPut:
        """Return a URL for these bytes."""
        return self.store.presign_put(
            self.bucket,
            KEY,
            content_type="image/jpeg",
            size_bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            expires_s=expires_s,
        )


@pytest.fixture
def bench(endpoint: Endpoint | None) -> Bench:
    """An empty bucket."""
    if endpoint is None:
        fake = FakeObjectStore(FakeClock(NOON))
        return Bench(fake, "bucket", fake.http_put)
    return Bench(S3ObjectStore(endpoint.clients.s3), endpoint.new_bucket(), http_put)


def test_presigned_upload_creates_exactly_the_object_it_was_signed_for(bench: Bench) -> None:
    """The one good way in: what ingest then reads is what was announced."""
    signed = bench.presigned()

    assert bench.http_put(signed.url, BODY, signed.headers) == HTTPStatus.OK

    info = bench.store.head(bench.bucket, KEY)
    assert info is not None
    assert (info.bucket, info.key, info.size_bytes) == (bench.bucket, KEY, len(BODY))
    assert info.etag == hashlib.md5(BODY, usedforsecurity=False).hexdigest()
    assert bench.store.get(bench.bucket, KEY, version_id=info.version_id) == BODY


def test_second_upload_to_a_key_is_refused(bench: Bench) -> None:
    """Uploads are immutable: the same URL, or another one for the key, creates nothing twice."""
    signed = bench.presigned()
    bench.http_put(signed.url, BODY, signed.headers)
    another = bench.presigned(b"other bytes")

    assert bench.http_put(signed.url, BODY, signed.headers) == HTTPStatus.PRECONDITION_FAILED
    assert bench.http_put(another.url, b"other bytes", another.headers) == HTTPStatus.PRECONDITION_FAILED
    assert bench.store.get(bench.bucket, KEY) == BODY


def test_upload_of_another_length_is_refused(bench: Bench) -> None:
    """A quota decided at presign time holds."""
    signed = bench.presigned()

    assert bench.http_put(signed.url, BODY + b"!", signed.headers) == HTTPStatus.FORBIDDEN
    assert bench.store.head(bench.bucket, KEY) is None


def test_upload_of_other_bytes_is_refused(bench: Bench) -> None:
    """The checksum binds the content, so damage in transit cannot become Truth."""
    signed = bench.presigned()

    assert bench.http_put(signed.url, BODY[::-1], signed.headers) == HTTPStatus.BAD_REQUEST
    assert bench.store.head(bench.bucket, KEY) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"Content-Type": "text/html"},
        {"x-amz-checksum-sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
        {"If-None-Match": '"an-etag"'},
    ],
    ids=["type", "checksum", "precondition"],
)
def test_upload_with_other_headers_is_refused(bench: Bench, changed: dict[str, str]) -> None:
    """What was signed cannot be renegotiated by the client."""
    signed = bench.presigned()

    assert bench.http_put(signed.url, BODY, {**signed.headers, **changed}) == HTTPStatus.FORBIDDEN
    assert bench.store.head(bench.bucket, KEY) is None


def test_upload_without_the_precondition_is_refused(bench: Bench) -> None:
    """Leaving `If-None-Match` out does not turn an upload into an overwrite."""
    signed = bench.presigned()
    headers = {name: value for name, value in signed.headers.items() if name != "If-None-Match"}

    assert bench.http_put(signed.url, BODY, headers) == HTTPStatus.FORBIDDEN
    assert bench.store.head(bench.bucket, KEY) is None


def test_missing_objects_are_none(bench: Bench) -> None:
    """Absence is an answer: the row's object may never have come."""
    bench.store.put(bench.bucket, KEY, BODY, content_type="image/jpeg")

    assert bench.store.head(bench.bucket, "originals/none") is None
    assert bench.store.get(bench.bucket, "originals/none") is None
    assert bench.store.get(bench.bucket, KEY, version_id="no-such-version") is None
    assert bench.store.head(bench.bucket, KEY, version_id="no-such-version") is None


def test_preview_when_put_again_replaces_the_earlier_one_but_not_its_version(bench: Bench) -> None:
    """A second ingestion rewrites previews; a pinned version stays readable."""
    bench.store.put(bench.bucket, "previews/1/model.png", b"one", content_type="image/png")
    first = bench.store.head(bench.bucket, "previews/1/model.png")
    bench.store.put(bench.bucket, "previews/1/model.png", b"two", content_type="image/png")

    assert first is not None
    assert bench.store.get(bench.bucket, "previews/1/model.png") == b"two"
    assert bench.store.get(bench.bucket, "previews/1/model.png", version_id=first.version_id) == b"one"


def test_originals_are_listed_whole_and_previews_never(bench: Bench) -> None:
    """Adoption and audit see every original, whatever the listing's page size."""
    numbers = range(1, 6)
    for number in numbers:
        bench.store.put(bench.bucket, f"originals/{number}/a.jpg", BODY, content_type="image/jpeg")
    bench.store.put(bench.bucket, "previews/1/model.png", BODY, content_type="image/png")

    listed = list(bench.store.originals(bench.bucket))

    assert [each.key for each in listed] == [f"originals/{number}/a.jpg" for number in numbers]
    head = bench.store.head(bench.bucket, "originals/1/a.jpg")
    assert head is not None
    assert replace(listed[0], version_id=None) == replace(head, version_id=None)
    assert list(bench.store.originals(bench.bucket, from_id="3")) == listed[2:]


@pytest.fixture
def s3_bench(contract_aws: Endpoint) -> Bench:
    """An empty bucket on the local AWS."""
    return Bench(S3ObjectStore(contract_aws.clients.s3), contract_aws.new_bucket(), http_put)


@pytest.mark.local_aws
def test_presigned_read_needs_nothing_but_the_url(s3_bench: Bench) -> None:
    """A page shows a preview without credentials."""
    s3_bench.store.put(s3_bench.bucket, "previews/1/1536.jpg", BODY, content_type="image/jpeg")

    url = s3_bench.store.presign_get(s3_bench.bucket, "previews/1/1536.jpg", expires_s=60)

    with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own URL
        assert (answer.read(), answer.headers["Content-Type"]) == (BODY, "image/jpeg")


@pytest.mark.local_aws
def test_listing_beyond_one_page_goes_on(s3_bench: Bench, contract_aws: Endpoint) -> None:
    """S3 answers a thousand keys at a time."""
    for number in range(1003):
        contract_aws.clients.s3.put_object(Bucket=s3_bench.bucket, Key=f"originals/{number:04}/a", Body=b"")

    assert len({each.key for each in s3_bench.store.originals(s3_bench.bucket)}) == 1003
