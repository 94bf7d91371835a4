"""An adopted image takes the same line as an upload, and nothing is ever written where it lies."""

from parjanya_dagster.control.adoption import Adoption, adopt_source
from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.control.sources import is_at_home
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.core.intent.job import job_from_json
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import NAMES, TENANT, a_row, an_original

BUCKET = NAMES.uploads_bucket(TENANT)


def test_adopted_image_is_validated_and_asked_for_like_any_other() -> None:
    """Previews go to the tenant's bucket; the job says where both are."""
    world = a_fake_platform()
    platform = world.platform()
    add_tenant(platform, TENANT)
    world.objects.add("archive", "2019/a.jpg", b"image")
    adopt_source(platform, Adoption(tenant_id=TENANT, bucket="archive"), who="bo")

    for _ in range(2):
        world.clock.advance(minutes=5)
        reconcile_world(platform)

    [row] = world.images.rows.values()
    assert (row.status, row.has_outstanding_intent) == (Status.PENDING_VLM_ENRICHMENT, True)
    assert [each.key for each in world.objects.versions_in("archive")] == ["2019/a.jpg"]
    assert row.previews is not None
    assert {each.key for each in world.objects.versions_in(BUCKET)} == {
        row.previews.display_key,
        row.previews.model_key,
    }
    [message] = world.queue.receive(limit=10, wait_s=0)
    job = job_from_json(message.body)
    assert (job.source_bucket, job.source_key, job.previews_in) == ("archive", "2019/a.jpg", BUCKET)
    assert is_at_home(platform, row)


def test_row_in_a_bucket_that_nobody_registered_is_not_at_home() -> None:
    """Incident 4 stays what it is."""
    platform = a_fake_platform().platform()

    assert not is_at_home(platform, a_row(original=an_original(bucket="archive")))
    assert is_at_home(platform, a_row(original=None))
