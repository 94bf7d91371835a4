"""Ingestion over fakes."""

from dataclasses import replace

import pytest

from parjanya_dagster.control.ingest import Ingested, ingest_object, ingest_row
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.ports import ObjectInfo
from parjanya_dagster.core.truth.row import ImageRow, Original, Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NAMES, NOON, a_key, a_row, an_original

BUCKET = NAMES.uploads_bucket("acme")
KEY = original_key(a_key().image_id, "photo.jpg")


def a_world_with_an_upload(body: bytes = b"image") -> tuple[FakePlatform, ObjectInfo]:
    """Return a platform in which one announced upload has arrived."""
    world = a_fake_platform()
    row = a_row(status=Status.PENDING_UPLOAD, original=an_original(version_id=None, sha256=None))
    world.images.add(replace(row, due_at=NOON))
    return world, world.objects.add(BUCKET, KEY, body)


def test_ingest_of_an_announced_upload_makes_it_ready_for_scoring() -> None:
    """The row pins the version it saw, knows the bytes' digest, and names its previews."""
    world, info = a_world_with_an_upload()

    outcome = ingest_object(world.platform(), BUCKET, KEY, info.version_id)

    row = world.images.get(a_key())
    assert outcome is Ingested.VALIDATED
    assert row is not None
    assert row.status is Status.PENDING_VLM_ENRICHMENT
    assert row.original is not None
    assert row.original.version_id == info.version_id
    assert row.original.sha256 is not None
    assert row.previews is not None
    assert world.objects.get(BUCKET, row.previews.model_key) is not None
    facts = world.images.facts(a_key())
    assert facts is not None
    assert facts.technical["width"] == 4000


def test_ingest_of_the_same_event_again_changes_nothing() -> None:
    """Events are duplicated; a settled step is not repeated."""
    world, info = a_world_with_an_upload()
    platform = world.platform()
    ingest_object(platform, BUCKET, KEY, info.version_id)
    world.calls.clear()

    assert ingest_object(platform, BUCKET, KEY, info.version_id) is Ingested.ALREADY_DONE
    assert not world.calls.writes


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        (BUCKET, f"previews/{a_key().image_id}/model.png"),
        ("somebody-elses", KEY),
        (NAMES.artifacts_bucket, KEY),
        (BUCKET, "originals/not-an-id/x.jpg"),
    ],
)
def test_ingest_of_anything_but_an_original_is_refused(bucket: str, key: str) -> None:
    """A preview never triggers an ingest, a foreign bucket is not read."""
    world, _ = a_world_with_an_upload()

    assert ingest_object(world.platform(), bucket, key, None) is Ingested.NOT_AN_ORIGINAL
    assert world.calls.count("reader.read") == 0


def test_ingest_of_an_object_without_row_adopts_it() -> None:
    """A forgotten row is rebuilt from its object, under a generation no zombie matches."""
    world = a_fake_platform()
    info = world.objects.add(BUCKET, KEY, b"image")

    outcome = ingest_object(world.platform(), BUCKET, KEY, info.version_id)

    row = world.images.get(a_key())
    assert outcome is Ingested.VALIDATED
    assert row is not None
    assert row.generation == int(NOON.timestamp() * 1000)


def test_ingest_of_an_unusable_file_rejects_it_by_name() -> None:
    """Bad input is a named rejection, never a crash."""
    world, info = a_world_with_an_upload(b"")

    outcome = ingest_object(world.platform(), BUCKET, KEY, info.version_id)

    row = world.images.get(a_key())
    assert outcome is Ingested.REJECTED
    assert row is not None
    assert (row.status, row.last_error) == (Status.REJECTED_TECHNICAL, "empty")


def test_ingest_that_crashes_three_times_rejects_the_file() -> None:
    """The attempt is written before decoding, so a killer file is recognised."""
    world, info = a_world_with_an_upload()
    platform = world.platform()
    world.calls.fail("reader.read", KeyboardInterrupt(), times=3)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            ingest_object(platform, BUCKET, KEY, info.version_id)

    outcome = ingest_object(platform, BUCKET, KEY, info.version_id)

    row = world.images.get(a_key())
    assert outcome is Ingested.REJECTED
    assert row is not None
    assert row.last_error == "validation_crashed"


@pytest.mark.parametrize("effect", ["images.write", "objects.put", "images.put_facts"])
def test_ingest_that_crashes_after_an_effect_is_completed_by_the_next(effect: str) -> None:
    """Think of the crash between any two lines that touch the world."""
    world, info = a_world_with_an_upload()
    platform = world.platform()
    world.calls.fail(effect, KeyboardInterrupt(), after=True)
    with pytest.raises(KeyboardInterrupt):
        ingest_object(platform, BUCKET, KEY, info.version_id)

    assert ingest_object(platform, BUCKET, KEY, info.version_id) is Ingested.VALIDATED


def test_ingest_when_the_row_moves_on_meanwhile_loses_quietly() -> None:
    """A write that lost leaves the winner's row as it is."""
    world, _ = a_world_with_an_upload()
    stale = world.images.get(a_key())
    assert stale is not None
    world.images.write(stale, replace(stale, status=Status.UPLOAD_FAILED, due_at=None))

    assert ingest_row(world.platform(), stale) is Ingested.LOST_RACE


def test_ingest_of_an_object_that_is_gone_says_so() -> None:
    """An event may be older than its object."""
    world, info = a_world_with_an_upload()
    world.objects.lose(BUCKET, KEY)

    assert ingest_object(world.platform(), BUCKET, KEY, info.version_id) is Ingested.OBJECT_MISSING


def test_ingest_of_an_object_that_vanishes_between_head_and_get_says_so() -> None:
    """The row stays in validation and is tried again."""
    world, _ = a_world_with_an_upload()
    row = world.images.get(a_key())
    assert row is not None
    world.objects.lose(BUCKET, KEY)

    assert ingest_row(world.platform(), row) is Ingested.OBJECT_MISSING


def test_ingest_of_a_row_without_any_object_says_so() -> None:
    """A row that never named an object has nothing to ingest."""
    world = a_fake_platform()
    row = a_row(status=Status.PENDING_UPLOAD, original=None)
    world.images.add(row)

    assert ingest_row(world.platform(), row) is Ingested.OBJECT_MISSING


def test_ingest_when_another_event_makes_the_row_first_loses_quietly() -> None:
    """Two events of one object: one of them builds the row."""
    world = a_fake_platform()
    info = world.objects.add(BUCKET, KEY, b"image")
    create = world.images.create

    def raced(row: ImageRow) -> bool:
        world.images.add(row)
        return create(row)

    world.images.create = raced  # type: ignore[method-assign]  # the interleaving that no fake can be asked for

    assert ingest_object(world.platform(), BUCKET, KEY, info.version_id) is Ingested.LOST_RACE


@pytest.mark.parametrize("call", ["objects.get", "objects.put", "images.put_facts"])
def test_ingest_that_an_outage_ends_counts_nothing_against_the_image(call: str) -> None:
    """S3 is away for an hour: no healthy image is rejected as one that crashes its reader."""
    world, info = a_world_with_an_upload()
    platform = world.platform()
    world.calls.fail(call, UnavailableError("no answer"), times=9)
    for _ in range(9):
        with pytest.raises(UnavailableError):
            ingest_object(platform, BUCKET, KEY, info.version_id)

    assert world.images.rows[a_key()].attempts == 0
    assert ingest_object(platform, BUCKET, KEY, info.version_id) is Ingested.VALIDATED


def test_ingest_when_the_table_is_away_too_says_what_failed_first() -> None:
    """What could not be taken back is one attempt; the error that counts is the first."""
    world, info = a_world_with_an_upload()
    world.calls.fail("objects.get", UnavailableError("no bucket"))
    write, answers = world.images.write, iter([True, False])

    def failing(before: ImageRow, after: ImageRow) -> bool:
        if not next(answers):
            raise UnavailableError("no table")
        return write(before, after)

    world.images.write = failing  # type: ignore[method-assign]  # the second write of two fails

    with pytest.raises(UnavailableError, match="no bucket"):
        ingest_object(world.platform(), BUCKET, KEY, info.version_id)


@pytest.mark.parametrize("original", [None, an_original(version_id="gone")])
def test_ingest_of_a_row_whose_object_is_gone_for_good_is_rejected_by_that_name(
    original: Original | None,
) -> None:
    """A missing object is not a file that crashes its reader."""
    world = a_fake_platform()
    world.images.add(a_row(status=Status.PENDING_VALIDATION, original=original))
    platform = world.platform()
    for _ in range(4):
        ingest_row(platform, world.images.rows[a_key()])

    row = world.images.rows[a_key()]
    assert (row.status, row.last_error) == (Status.REJECTED_TECHNICAL, "object_missing")
