"""Promises of Truth and its edges that mutants asked for and no other test held."""

from datetime import timedelta

from botocore.stub import Stubber

from parjanya_dagster.aws.clients import AwsClients
from parjanya_dagster.aws.intent_sqs import SqsIntentQueue
from parjanya_dagster.aws.tenant_buckets import upload_policy
from parjanya_dagster.control.adopt import abandon_upload
from parjanya_dagster.control.ingest import ingest_row
from parjanya_dagster.control.reconcile import reconcile_rows, reconcile_world
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import a_key, a_row
from tests.contract.endpoints import ROOT


def test_object_of_a_tenant_that_came_later_is_found() -> None:
    """Incident 5: tenants are found by their markers at run time, not listed when deployed."""
    world = a_fake_platform()
    platform = world.platform()
    reconcile_world(platform)
    add_tenant(platform, "zeta")
    key = a_key(tenant_id="zeta")
    world.objects.add(world.names.uploads_bucket("zeta"), original_key(key.image_id, "photo.jpg"), b"photo")
    world.clock.advance(minutes=10)

    reconcile_world(platform)

    assert key in world.images.rows


def test_file_is_not_rejected_for_a_bucket_that_did_not_answer() -> None:
    """An outage of any length costs the file no attempt."""
    world = a_fake_platform()
    platform = world.platform()
    row = a_row(status=Status.PENDING_VALIDATION)
    world.images.add(row)
    original = row.original
    assert original is not None
    world.objects.add(original.bucket, original.key, b"photo")

    for _ in range(9):
        world.calls.fail("objects.get", UnavailableError("503 SlowDown"))
        try:
            ingest_row(platform, world.images.rows[row.key])
        except UnavailableError:
            world.clock.advance(minutes=5)
    ingest_row(platform, world.images.rows[row.key])

    assert world.images.rows[row.key].status is Status.PENDING_VLM_ENRICHMENT


def test_queue_that_does_not_answer_is_blind_at_the_edge() -> None:
    """KEDA issue 8036: a count that could not be read is no count."""
    clients = AwsClients(region="us-east-1", session=ROOT)
    with Stubber(clients.sqs) as sqs:
        sqs.add_response(
            "get_queue_url", {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/000000000000/jobs"}
        )
        sqs.add_client_error("get_queue_attributes", "AccessDenied", http_status_code=403)
        signal = SqsIntentQueue(clients.sqs, queue="jobs", dead_letter_queue="jobs-dead").depth()

    assert isinstance(signal, Blind)


def test_plane_beats_for_itself_alone() -> None:
    """Incident 9: the plane that lives must not hide the one that stopped."""
    world = a_fake_platform(plane="dagster")

    reconcile_world(world.platform())

    assert set(world.control.heartbeats()) == {"dagster"}


def test_bucket_policy_demands_that_nothing_is_overwritten() -> None:
    """An original is created once: a PUT without `If-None-Match` is refused by the bucket itself."""
    policy = upload_policy("parjanya-test-t-acme", demands_tls=True)

    denied = [each for each in policy["Statement"] if each["Action"] == "s3:PutObject"]

    assert [each["Effect"] for each in denied] == ["Deny"]
    assert denied[0]["Condition"].get("Null") == {"s3:if-none-match": "true"}


def test_upload_whose_object_is_there_is_not_given_up() -> None:
    """Geolens PR 1401: the key is asked for before an upload is called failed."""
    world = a_fake_platform()
    row = a_row(status=Status.PENDING_UPLOAD)
    world.images.add(row)
    assert row.original is not None
    world.objects.add(row.original.bucket, row.original.key, b"photo")

    abandon_upload(world.platform(), row)

    assert world.images.rows[row.key].status is Status.PENDING_VLM_ENRICHMENT


def test_row_that_a_lagging_index_still_shows_gets_no_second_job() -> None:
    """Indexes lag: what they name is read again before anything is sent."""
    world = a_fake_platform()
    platform = world.platform()
    world.images.add(a_row())
    world.clock.advance(minutes=1)
    world.images.set_index_lag(minutes=5)
    reconcile_rows(platform, [a_key()])
    world.clock.advance(minutes=1)

    reconcile_world(platform)

    assert len(world.queue.jobs) == 1


def test_upload_is_not_given_up_while_it_may_still_arrive() -> None:
    """The age gate: the URL's life and the longest transfer pass before anybody asks."""
    world = a_fake_platform()
    row = a_row(status=Status.PENDING_UPLOAD, due_at=world.clock() + timedelta(minutes=76))
    world.images.add(row)
    world.clock.advance(minutes=75)

    reconcile_world(world.platform())

    assert world.images.rows[row.key].status is Status.PENDING_UPLOAD
