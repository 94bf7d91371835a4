"""Objects against rows, and the readings behind the assets."""

import pytest

from parjanya_dagster.control.adopt import adopt_object, objects_without_progress
from parjanya_dagster.control.apply import apply
from parjanya_dagster.control.scan import pending_enrichment, revalidate_stuck, stuck_rows
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NAMES, NOON, a_key, a_row, an_original

BUCKET = NAMES.uploads_bucket("acme")


def add_object(world: FakePlatform, number: int) -> None:
    """Put the original of image `number` where its upload would have."""
    world.objects.add(BUCKET, original_key(a_key(number).image_id, "photo.jpg"), b"image")


def test_every_object_without_row_is_adopted() -> None:
    """Rows that a killed store forgot come back from S3."""
    world = a_fake_platform()
    platform = world.platform()
    for number in range(3):
        add_object(world, number)
    world.images.add(a_row(0, status=Status.ENRICHED))

    applied = apply(platform, list(objects_without_progress(platform, "acme")))

    assert dict(applied.counts) == {"adopt:validated": 2}
    assert not list(objects_without_progress(platform, "acme"))


def test_object_in_another_tenants_bucket_is_not_adopted() -> None:
    """The bucket decides whose image it is (incident 4)."""
    world = a_fake_platform()
    info = world.objects.add(NAMES.uploads_bucket("zeta"), original_key(a_key().image_id, "x.jpg"), b"image")

    with pytest.raises(InvalidRequestError, match="not in acme's bucket"):
        adopt_object(world.platform(), a_key(), info)


def test_pending_enrichment_is_the_tenants_own() -> None:
    """A run drains what its tenant waits for, with and without a job."""
    world = a_fake_platform()
    world.images.add(
        a_row(1), a_row(2, intent_at=NOON), a_row(3, status=Status.ENRICHED), a_row(4, tenant_id="zeta")
    )
    world.clock.advance(seconds=5)

    assert pending_enrichment(world.platform(), "acme") == [a_key(1), a_key(2)]


def test_stuck_rows_are_found_and_ingested_again() -> None:
    """A row in validation that lost its Lambda is repaired by the Lambda's own function."""
    world = a_fake_platform()
    add_object(world, 1)
    world.images.add(
        a_row(1, status=Status.PENDING_VALIDATION, original=an_original(version_id="version-1")),
        a_row(2, tenant_id="zeta", status=Status.PENDING_VALIDATION),
    )
    world.clock.advance(minutes=5)

    assert len(stuck_rows(world.platform(), Status.PENDING_VALIDATION)) == 2
    assert dict(revalidate_stuck(world.platform(), "acme")) == {"validated": 1}
