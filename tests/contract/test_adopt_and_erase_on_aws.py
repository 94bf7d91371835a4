"""Adoption, erasure and removal over real edges: from a foreign bucket to tombstones and nothing else."""

from dataclasses import replace
from uuid import uuid4

import pytest

from parjanya_dagster.aws.archive import AwsArchive
from parjanya_dagster.aws.control_dynamodb import DynamoControlStore
from parjanya_dagster.aws.records_dynamodb import DynamoRecords
from parjanya_dagster.aws.tenant_buckets import S3TenantBuckets
from parjanya_dagster.aws.truth_dynamodb import DynamoImageStore
from parjanya_dagster.aws.truth_s3 import S3ObjectStore
from parjanya_dagster.control.adoption import Adoption, adopt_source
from parjanya_dagster.control.erase import How, Wanted, erase_images, wanted_images
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.tenant_removal import remove_tenant
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.tokens import issue_token
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.reconcile.adoption import Found
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import a_result, a_row, some_facts
from tests.contract.endpoints import Endpoint


def a_platform(world: FakePlatform, endpoint: Endpoint) -> Platform:
    """Return a platform whose Truth is real, with the clock of a simulated world."""
    clients, names = endpoint.clients, endpoint.names
    return replace(
        world.platform(),
        names=names,
        images=DynamoImageStore(clients.dynamodb, table=names.images_table),
        objects=S3ObjectStore(clients.s3),
        buckets=S3TenantBuckets(clients.s3, names=names, origins=["http://localhost:8000"]),
        control=DynamoControlStore(clients.dynamodb, table=names.control_table),
        records=DynamoRecords(clients.dynamodb, table=names.control_table),
        archive=AwsArchive(clients.s3, clients.dynamodb, names=names),
    )


@pytest.mark.local_aws
def test_adopted_and_uploaded_images_go_with_their_tenant(contract_aws: Endpoint) -> None:
    """Adopt twice, erase one with its source, remove the rest: what is left names nobody."""
    contract_aws.clear_tables()
    world = a_fake_platform(plane="cli")
    platform, s3, tenant_id = a_platform(world, contract_aws), contract_aws.clients.s3, f"t-{uuid4().hex[:8]}"
    archive, uploads = contract_aws.new_bucket(), add_tenant(platform, tenant_id)
    issue_token(platform, tenant_id=tenant_id, role="admin", subject="ada")
    for key in ("2019/a.jpg", "2019/b.jpg"):
        for body in (b"one", b"two"):
            s3.put_object(Bucket=archive, Key=key, Body=body)
    adoption = Adoption(tenant_id=tenant_id, bucket=archive)

    assert adopt_source(platform, adoption, who="bo").counts == {Found.ADOPTED: 2}
    assert adopt_source(platform, adoption, who="bo").counts == {Found.ALREADY_ADOPTED: 2}

    adopted = {row.file_name: row for row in platform.images.listing(tenant_id, limit=9)}
    original = adopted["a.jpg"].original
    assert original is not None
    assert platform.objects.get(archive, original.key, version_id=original.version_id) == b"two"
    erase_images(platform, [adopted["a.jpg"].key], who="bo", how=How(include_source=True))
    world.clock.advance(minutes=5)
    finished = erase_images(platform, wanted_images(platform, Wanted(tenant_id=tenant_id)), who="bo")
    assert finished.is_complete
    assert {each.key for each in platform.archive.versions(archive)} == {"2019/b.jpg"}

    uploaded = a_row(1, tenant_id=tenant_id, status=Status.ENRICHED)
    platform.images.create(uploaded)
    platform.images.put_facts(uploaded.key, some_facts())
    platform.images.put_result(uploaded.key, a_result())
    s3.put_object(
        Bucket=uploads, Key=original_key(uploaded.key.image_id, "a.jpg"), Body=b"one", IfNoneMatch="*"
    )
    remove_tenant(platform, tenant_id, who="bo")
    world.clock.advance(minutes=5)

    assert remove_tenant(platform, tenant_id, who="bo").removed
    assert {row.status for row in platform.images.listing(tenant_id, limit=9)} == {Status.ERASED}
    assert platform.archive.evidence(uploaded.key) == []
    assert tenant_id not in platform.control.tenants()
    assert uploads not in {each["Name"] for each in s3.list_buckets()["Buckets"]}
    assert len(list(platform.archive.versions(archive))) == 2
