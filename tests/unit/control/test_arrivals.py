"""Arrivals: what no event told of becomes a row, at the cost of what is new."""

from dataclasses import replace

from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.core.errors import DeniedError, UnavailableError
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.identity import new_image_id
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NAMES, TENANT, a_key, a_row

BUCKET = NAMES.uploads_bucket(TENANT)


def a_world(*, page: int = 500, tenants: tuple[str, ...] = (TENANT,)) -> FakePlatform:
    """Return a platform with registered tenants."""
    world = replace(a_fake_platform(), limits=Limits(arrivals_page=page))
    for tenant_id in tenants:
        world.control.register_tenant(tenant_id, now=world.clock())
    return world


def upload(world: FakePlatform, number: int = 1, *, tenant_id: str = TENANT) -> str:
    """Put an original that no event tells of; return its image id."""
    image_id = new_image_id(world.clock(), number.to_bytes(10, "big"))
    world.objects.add(NAMES.uploads_bucket(tenant_id), original_key(image_id, "x.jpg"), b"image")
    return image_id


def images(world: FakePlatform) -> set[str]:
    """Return the ids of all rows past upload."""
    before = (Status.PENDING_UPLOAD, Status.UPLOAD_FAILED)
    return {key.image_id for key, row in world.images.rows.items() if row.status not in before}


def sweep(world: FakePlatform, *, minutes: float = 1) -> None:
    """Let time pass and run a cycle."""
    world.clock.advance(minutes=minutes)
    reconcile_world(world.platform())


def test_object_that_no_event_told_of_becomes_a_row() -> None:
    """Ingest was down, or the store forgot the row: the headless plane finds the object by itself."""
    world = a_world()
    image_id = upload(world)

    sweep(world)
    assert images(world) == set()  # its own event may still be under way
    sweep(world, minutes=3)

    assert images(world) == {image_id}


def test_late_put_revives_a_row_that_was_given_up() -> None:
    """Geolens PR 1401: a presigned PUT lands after its row was swept."""
    world = a_world()
    world.images.add(a_row(status=Status.UPLOAD_FAILED))
    world.objects.add(BUCKET, original_key(a_key().image_id, "photo.jpg"), b"image")

    sweep(world, minutes=4)

    assert world.images.rows[a_key()].status is Status.PENDING_VLM_ENRICHMENT


def test_tombstone_is_never_adopted() -> None:
    """What was erased stays erased, even while its object is still there."""
    world = a_world()
    world.images.add(a_row(status=Status.ERASED))
    world.objects.add(BUCKET, original_key(a_key().image_id, "photo.jpg"), b"image")

    sweep(world, minutes=4)

    assert world.images.rows[a_key()].status is Status.ERASED


def test_look_is_taken_once_a_minute_however_often_a_plane_sweeps() -> None:
    """A sensor every five seconds lists no more than a schedule every minute."""
    world = a_world()
    for _ in range(24):
        sweep(world, minutes=1 / 12)

    assert world.calls.count("objects.originals") in (2, 3)


def test_idle_platform_looks_and_writes_nothing() -> None:
    """Further cycles over a finished world write nothing but their heartbeat."""
    world = a_world()
    world.images.add(a_row(status=Status.ENRICHED))
    world.objects.add(BUCKET, original_key(a_key().image_id, "photo.jpg"), b"image")
    world.calls.clear()
    for _ in range(120):
        sweep(world)

    assert set(world.calls.writes) == {"control.beat", "heart.beat"}
    assert world.calls.count("objects.originals") == 120


def test_large_bucket_is_gone_through_a_page_at_a_time_and_never_again() -> None:
    """Cost follows new objects: what was looked at long after its upload is not listed twice."""
    world = a_world(page=10)
    known = {upload(world, number) for number in range(25)}
    world.clock.advance(hours=2)

    for _ in range(4):
        sweep(world)

    assert images(world) == known
    kept = world.records.get(RecordKind.ARRIVALS, TENANT)
    assert kept is not None
    assert kept["from_id"] == max(known)
    newest = upload(world, 99)
    sweep(world, minutes=4)
    assert images(world) == {*known, newest}


def test_page_never_moves_behind_an_object_that_is_too_young_to_be_looked_at() -> None:
    """A full page that ends in the present begins there again."""
    world = a_world(page=4)
    old = [upload(world, number) for number in range(2)]
    world.clock.advance(hours=2)
    young = [upload(world, number) for number in range(10, 14)]

    sweep(world)
    assert images(world) == set(old)
    for _ in range(4):
        sweep(world, minutes=4)

    assert images(world) == {*old, *young}


def test_page_that_holds_only_the_present_does_not_move() -> None:
    """Where the next look begins is no news while nothing before it is settled."""
    world = a_world(page=2)
    upload(world, 1)
    upload(world, 2)
    sweep(world)

    assert world.records.get(RecordKind.ARRIVALS, TENANT) is not None
    world.calls.clear()
    sweep(world)
    assert "records.put" not in world.calls.writes


def test_tenants_take_turns_and_each_has_one_within_an_hour() -> None:
    """A hundred tenants cost two looks a minute, not a hundred."""
    tenants = tuple(f"tenant-{number:03}" for number in range(100))
    world = a_world(tenants=tenants)
    found = {upload(world, number, tenant_id=tenant) for number, tenant in enumerate(tenants)}
    world.clock.advance(minutes=5)
    world.calls.clear()

    for _ in range(60):
        sweep(world)

    assert world.calls.count("objects.originals") == 120
    assert images(world) == found


def test_tenant_whose_bucket_is_denied_is_reported_and_hides_nobody() -> None:
    """One tenant's trouble is that tenant's, and no reason to take the plane for blind."""
    world = a_world(tenants=tuple(f"tenant-{number:03}" for number in range(100)))
    world.calls.fail("objects.originals", DeniedError("AccessDenied"))

    sweep(world)

    assert world.calls.count("objects.originals") == 2
    assert world.control.heartbeats()


def test_page_is_looked_at_again_when_one_of_its_objects_could_not_be_ingested() -> None:
    """The place where the next look begins moves only once everything before it is adopted."""
    world = a_world(page=2)
    known = {upload(world, 1), upload(world, 2)}
    world.clock.advance(hours=2)
    world.calls.fail("objects.head", UnavailableError("S3 is slow"))

    sweep(world)
    assert world.records.get(RecordKind.ARRIVALS, TENANT) is None
    sweep(world)

    assert images(world) == known
