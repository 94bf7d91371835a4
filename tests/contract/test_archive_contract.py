"""The contract of `Archive`, held by the fake, the local AWS and moto."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from parjanya_dagster.aws.archive import AwsArchive
from parjanya_dagster.aws.control_dynamodb import DynamoControlStore
from parjanya_dagster.aws.truth_dynamodb import DynamoImageStore
from parjanya_dagster.core.archive import Archive
from parjanya_dagster.core.ports import ControlStore, ImageStore, Token
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import NOON, a_key, a_result, a_row, some_facts
from tests.contract.endpoints import Endpoint

MIXED = (("cat.jpg", b"one"), ("cat.jpg", b"two"), ("dogs/a.jpg", b"a"), ("dogs/b.jpg", b"b"))


@dataclass(frozen=True)
class Bench:
    """An archive, the stores it looks into, a versioned bucket, and hands that change it."""

    archive: Archive
    images: ImageStore
    control: ControlStore
    bucket: str
    put: Callable[[str, bytes], object]
    hide: Callable[[str], object]
    make_table: Callable[[list[str]], str]

    def keys(self, **wanted: str) -> list[str]:
        """Return the keys of every version."""
        return [each.key for each in self.archive.versions(self.bucket, **wanted)]


@pytest.fixture
def bench(endpoint: Endpoint | None) -> Bench:
    """Empty stores and an empty bucket."""
    if endpoint is None:
        world = a_fake_platform()

        def make_fake_table(names: list[str]) -> str:
            world.archive.tables["theirs"] = [{"id": name, "size": 7} for name in names]
            return "theirs"

        return Bench(
            archive=world.archive,
            images=world.images,
            control=world.control,
            bucket="bucket",
            put=lambda key, body: world.objects.add("bucket", key, body),
            hide=lambda key: world.objects.hide("bucket", key),
            make_table=make_fake_table,
        )
    endpoint.clear_tables()
    clients, names, bucket = endpoint.clients, endpoint.names, endpoint.new_bucket()
    return Bench(
        archive=AwsArchive(clients.s3, clients.dynamodb, names=names),
        images=DynamoImageStore(clients.dynamodb, table=names.images_table),
        control=DynamoControlStore(clients.dynamodb, table=names.control_table),
        bucket=bucket,
        put=lambda key, body: clients.s3.put_object(Bucket=bucket, Key=key, Body=body),
        hide=lambda key: clients.s3.delete_object(Bucket=bucket, Key=key),
        make_table=lambda ids: _table(endpoint, ids),
    )


def test_every_version_and_marker_is_listed_and_can_be_deleted(bench: Bench) -> None:
    """A file that was replaced or hidden is still there, until its versions are deleted one by one."""
    for key, body in MIXED:
        bench.put(key, body)
    bench.hide("dogs/a.jpg")

    found = list(bench.archive.versions(bench.bucket))

    assert [each.key for each in found] == ["cat.jpg", "cat.jpg", "dogs/a.jpg", "dogs/a.jpg", "dogs/b.jpg"]
    assert [each.key for each in found if each.is_current and not each.is_marker] == ["cat.jpg", "dogs/b.jpg"]
    assert [each.key for each in found if each.is_marker and each.is_current] == ["dogs/a.jpg"]
    assert {each.etag is None for each in found if each.is_marker} == {True}
    bench.archive.delete_versions(found)
    bench.archive.delete_versions(found)
    assert bench.keys() == []


def test_listing_goes_on_behind_a_key_and_stays_under_a_prefix(bench: Bench) -> None:
    """A resumed adoption reads nothing again, and an erasure nothing of its neighbours."""
    for key, body in MIXED:
        bench.put(key, body)

    assert bench.keys(after_key="cat.jpg") == ["dogs/a.jpg", "dogs/b.jpg"]
    assert bench.keys(prefix="dogs/", after_key="dogs/a.jpg") == ["dogs/b.jpg"]
    assert bench.keys(prefix="cat") == ["cat.jpg", "cat.jpg"]


def test_one_version_can_go_while_the_others_stay(bench: Bench) -> None:
    """What is deleted is named by version, never by key alone."""
    for key, body in MIXED:
        bench.put(key, body)
    old = next(each for each in bench.archive.versions(bench.bucket) if not each.is_current)

    bench.archive.delete_versions([old])

    assert bench.keys() == ["cat.jpg", "dogs/a.jpg", "dogs/b.jpg"]


def test_only_an_empty_bucket_is_removed(bench: Bench) -> None:
    """A late upload is never lost with its bucket; removing twice is no error, nor listing it then."""
    bench.put("cat.jpg", b"one")

    assert not bench.archive.remove_bucket(bench.bucket)

    bench.archive.delete_versions(list(bench.archive.versions(bench.bucket)))
    assert bench.archive.remove_bucket(bench.bucket)
    assert bench.archive.remove_bucket(bench.bucket)
    assert bench.keys() == []


def test_foreign_table_is_read_in_pages(bench: Bench) -> None:
    """However large their table is, a page is a page, and the next one goes on behind it."""
    table = bench.make_table([f"record-{number}" for number in range(5)])

    pages, after = [], None
    while True:
        page = bench.archive.records(table, after=after, limit=2)
        pages.append(page.records)
        after = page.after
        if after is None:
            break

    assert {len(page) for page in pages} <= {0, 1, 2}
    read = [record for page in pages for record in page]
    assert sorted(record["id"] for record in read) == [f"record-{number}" for number in range(5)]
    assert {int(record["size"]) for record in read} == {7}


def test_evidence_of_an_image_is_what_lies_beside_its_head(bench: Bench) -> None:
    """Facts and every result go, the head and the neighbours stay."""
    mine, other = a_row(1), a_row(2)
    for row in (mine, other):
        bench.images.create(row)
        bench.images.put_facts(row.key, some_facts())
        bench.images.put_result(row.key, a_result("1-a"))
    bench.images.put_result(mine.key, a_result("2-b"))

    names = bench.archive.evidence(mine.key)
    assert names == ["facts", "result#1-a", "result#2-b"]
    bench.archive.delete_evidence(mine.key, names)
    bench.archive.delete_evidence(mine.key, names)

    assert bench.archive.evidence(mine.key) == []
    assert (bench.images.facts(mine.key), bench.images.results(mine.key)) == (None, [])
    assert bench.images.get(mine.key) == mine
    assert bench.archive.evidence(other.key) == ["facts", "result#1-a"]


def test_tombstone_replaces_the_whole_head_where_it_still_stands(bench: Bench) -> None:
    """What a concurrent writer added to the same generation goes too; a newer generation is not buried."""
    row = a_row(intent_at=NOON, intent_id="i")
    bench.images.create(row)
    bench.images.write(row, replace(row, attempts=2))
    tombstone = ImageRow(key=row.key, status=Status.ERASED, generation=1, entered_at=NOON)

    assert not bench.archive.bury(replace(row, generation=2), tombstone)
    assert bench.archive.bury(row, tombstone)

    assert bench.images.get(row.key) == tombstone
    assert bench.images.outstanding(sent_before=NOON + timedelta(hours=1), limit=9) == []
    assert not bench.images.create(row)


def test_head_that_is_not_there_is_not_buried(bench: Bench) -> None:
    """A tombstone is conditional on what it replaces."""
    tombstone = ImageRow(key=a_key(), status=Status.ERASED, generation=1, entered_at=NOON)

    assert not bench.archive.bury(a_row(), tombstone)


def test_forgotten_tenant_has_no_token_and_no_marker(bench: Bench) -> None:
    """Nobody can speak for it any more, and the neighbours' tokens work on."""
    for tenant_id in ("acme", "zeta"):
        bench.control.register_tenant(tenant_id, now=NOON)
        token = Token(tenant_id=tenant_id, role="admin", subject="ada")
        bench.control.put_token(f"digest-{tenant_id}", token, now=NOON)

    assert bench.archive.forget_tokens("acme") == 1
    assert bench.archive.forget_tokens("acme") == 0
    assert bench.control.tenants() == ["acme", "zeta"]
    bench.archive.forget_tenant("acme")
    bench.archive.forget_tenant("acme")

    assert bench.control.tenants() == ["zeta"]
    assert bench.control.token("digest-acme") is None
    assert bench.control.token("digest-zeta") is not None


def _table(endpoint: Endpoint, ids: list[str]) -> str:
    name = f"theirs-{uuid.uuid4().hex[:8]}"
    dynamodb = endpoint.clients.dynamodb
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for each in ids:
        dynamodb.put_item(TableName=name, Item={"id": {"S": each}, "size": {"N": "7"}})
    return name
