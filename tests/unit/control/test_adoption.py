"""Adopting archives: everything once, nothing copied, and from wherever a crash left it."""

from typing import Final

import pytest

from parjanya_dagster.control.adoption import BATCH, Adoption, adopt_source, preview_adoption
from parjanya_dagster.control.ingest import ingest_row
from parjanya_dagster.control.sources import is_at_home, register_source, sources_for
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.trail import trail
from parjanya_dagster.core.errors import InvalidIntentError, InvalidRequestError
from parjanya_dagster.core.intent.job import job_for
from parjanya_dagster.core.names import NO_SOURCES
from parjanya_dagster.core.reconcile.adoption import Found
from parjanya_dagster.core.reconcile.source_mapping import Columns, SourceMapping
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.fakes.calls import Calls
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NAMES, NOON, TENANT, a_row, an_original
from tests.unit.control.killing import KillingCalls, Meanwhile, killed_after

ARCHIVE: Final = "archive"
ADOPTION: Final = Adoption(tenant_id=TENANT, bucket=ARCHIVE)
TABLE: Final = Adoption(
    tenant_id=TENANT,
    bucket=ARCHIVE,
    table="theirs",
    mapping=SourceMapping(columns=Columns(key="path", uploader="owner")),
)


def a_world(*keys: str, calls: Calls | None = None) -> FakePlatform:
    """Return a world with tenant `acme` and an archive of these objects."""
    world = a_fake_platform(plane="cli", calls=calls)
    add_tenant(world.platform(), TENANT)
    for key in keys:
        world.objects.add(ARCHIVE, key, b"image")
    world.calls.clear()
    return world


def adopted(world: FakePlatform) -> list[str]:
    """Return the keys that rows point to, sorted."""
    return sorted(row.original.key for row in world.images.rows.values() if row.original)


def test_archive_becomes_rows_that_point_into_it() -> None:
    """Nothing is copied: a row names the object and its version, and waits to be validated."""
    world = a_world("2019/a.jpg", "2019/notes.txt", "2020/b.PNG")

    progress = adopt_source(world.platform(), ADOPTION, who="bo")

    assert dict(progress.counts) == {Found.ADOPTED: 2, Found.NOT_AN_IMAGE: 1}
    assert progress.samples[Found.NOT_AN_IMAGE] == ["2019/notes.txt"]
    assert progress.finished
    assert adopted(world) == ["2019/a.jpg", "2020/b.PNG"]
    row = next(iter(world.images.rows.values()))
    assert row.status is Status.PENDING_VALIDATION
    assert row.original is not None
    assert (row.original.bucket, row.original.version_id) == (ARCHIVE, "version-1")
    assert "objects.put" not in world.calls.names


def test_second_adoption_adopts_nothing() -> None:
    """Ids follow from the objects, so whoever comes second finds the rows."""
    world = a_world("a.jpg", "b.jpg")
    adopt_source(world.platform(), ADOPTION, who="bo")
    before = dict(world.images.rows)
    world.clock.advance(hours=1)

    progress = adopt_source(world.platform(), ADOPTION, who="bo")

    assert dict(progress.counts) == {Found.ALREADY_ADOPTED: 2}
    assert world.images.rows == before


def test_hidden_and_replaced_objects_are_adopted_as_readers_see_them() -> None:
    """A deleted object is no image any more; of a replaced one the current version is."""
    world = a_world("a.jpg", "a.jpg", "b.jpg")
    world.objects.hide(ARCHIVE, "b.jpg")

    adopt_source(world.platform(), ADOPTION, who="bo")

    [row] = world.images.rows.values()
    assert row.original is not None
    assert (row.original.key, row.original.version_id) == ("a.jpg", "version-2")


def test_adoption_under_a_prefix_leaves_the_rest() -> None:
    """An archive of several tenants is taken apart by prefix."""
    world = a_world("acme/a.jpg", "zeta/b.jpg")

    adopt_source(world.platform(), Adoption(tenant_id=TENANT, bucket=ARCHIVE, prefix="acme/"), who="bo")

    assert adopted(world) == ["acme/a.jpg"]


def test_erased_image_is_not_adopted_again() -> None:
    """A tombstone outlives every list that still names the object."""
    world = a_world("a.jpg")
    adopt_source(world.platform(), ADOPTION, who="bo")
    [key] = world.images.rows
    tombstone = ImageRow(key=key, status=Status.ERASED, generation=1, entered_at=NOON)
    world.images.add(tombstone)

    progress = adopt_source(world.platform(), ADOPTION, who="bo")

    assert dict(progress.counts) == {Found.ERASED: 1}
    assert world.images.rows[key] == tombstone


def test_dry_run_says_the_same_and_writes_nothing() -> None:
    """What a dry run counts is what the run then does."""
    world = a_world("a.jpg", "b.txt", *(f"many/{number:03}.jpg" for number in range(BATCH)))
    seen: list[int] = []

    preview = preview_adoption(
        world.platform(), ADOPTION, on_batch=lambda progress: seen.append(progress.counts.total())
    )

    assert world.calls.writes == []
    assert seen == [BATCH, BATCH + 2]
    assert preview.counts == adopt_source(world.platform(), ADOPTION, who="bo").counts
    assert len(preview.samples[Found.ADOPTED]) == 5


def test_records_of_a_table_become_rows_of_their_objects() -> None:
    """Their words are kept, every record is counted, and an object named twice is one image."""
    world = a_world("a.jpg", "b.jpg")
    world.archive.tables["theirs"] = [
        {"path": "a.jpg", "owner": "ada"},
        {"path": "s3://archive/a.jpg"},
        {"path": "gone.jpg"},
        {"owner": "bo"},
    ]

    progress = adopt_source(world.platform(), TABLE, who="bo")

    assert dict(progress.counts) == {
        Found.ADOPTED: 1,
        Found.ALREADY_ADOPTED: 1,
        Found.NO_OBJECT: 1,
        Found.NO_KEY: 1,
    }
    [row] = world.images.rows.values()
    assert (row.uploader, row.file_name) == ("ada", "a.jpg")
    bucket_only = adopt_source(world.platform(), ADOPTION, who="bo")
    assert dict(bucket_only.counts) == {Found.ALREADY_ADOPTED: 1, Found.ADOPTED: 1}


def test_row_that_another_adoption_creates_first_is_left_as_it_is() -> None:
    """Two operators at once adopt everything once."""
    other = a_world("a.jpg")
    adopt_source(other.platform(), ADOPTION, who="ada")
    [row] = other.images.rows.values()
    calls = Meanwhile("images.get_many", behind=True)
    world = a_world("a.jpg", calls=calls)
    calls.act = lambda: world.images.add(row)

    progress = adopt_source(world.platform(), ADOPTION, who="bo")

    assert dict(progress.counts) == {Found.ALREADY_ADOPTED: 1}


@pytest.mark.parametrize("adoption", [ADOPTION, TABLE], ids=["bucket", "table"])
def test_adoption_killed_behind_any_write_is_resumed_to_the_same_end(adoption: Adoption) -> None:
    """Think of the crash between any two lines that touch the world."""
    keys = [f"{number:03}.jpg" for number in range(BATCH + 2)]
    write = 0
    while True:
        write += 1
        calls = KillingCalls()
        world = a_world(*keys, calls=calls)
        world.archive.tables["theirs"] = [{"path": key} for key in keys]
        platform = world.platform()
        if not killed_after(calls, write, lambda p=platform: adopt_source(p, adoption, who="bo")):  # type: ignore[misc]  # bound in the loop
            break
        try:
            progress = adopt_source(platform, adoption, who="bo", resume=True)
        except InvalidRequestError:
            progress = adopt_source(platform, adoption, who="bo")
        assert adopted(world) == keys
        assert progress.finished
        assert sources_for(platform, world.images.rows.values()).admit(TENANT, ARCHIVE)

    assert write > BATCH + 5
    assert adopted(world) == keys


def test_resumed_adoption_goes_on_behind_what_was_done() -> None:
    """Of a million objects, those that were looked at are not looked at again."""
    calls = KillingCalls()
    world = a_world(*(f"{number:03}.jpg" for number in range(BATCH + 3)), calls=calls)
    platform = world.platform()
    # trail, source, one batch of rows, and the cursor
    assert killed_after(calls, BATCH + 3, lambda: adopt_source(platform, ADOPTION, who="bo"))
    world.objects.add(ARCHIVE, "000.jpg", b"replaced meanwhile")

    progress = adopt_source(platform, ADOPTION, who="bo", resume=True)

    assert progress.counts == {Found.ADOPTED: BATCH + 3}


def test_there_is_nothing_to_resume_before_and_after() -> None:
    """A misspelt repetition is not taken for a new adoption."""
    platform = a_world("a.jpg").platform()

    with pytest.raises(InvalidRequestError, match="nothing to resume"):
        adopt_source(platform, ADOPTION, who="bo", resume=True)
    adopt_source(platform, ADOPTION, who="bo")
    with pytest.raises(InvalidRequestError, match="nothing to resume"):
        adopt_source(platform, ADOPTION, who="bo", resume=True)


def test_adoption_leaves_its_entry_in_the_trail() -> None:
    """Who let a foreign bucket hold originals, and what came of it."""
    platform = a_world("a.jpg").platform()

    adopt_source(platform, ADOPTION, who="bo")

    [entry] = trail(platform, limit=9)
    assert (entry.who, entry.action) == ("bo", "adopt --tenant acme --bucket archive")
    assert entry.after == {"adopted": 1}


@pytest.mark.parametrize(
    ("adoption", "said"),
    [
        (Adoption(tenant_id="nobody", bucket=ARCHIVE), "parjanya tenant add nobody"),
        (Adoption(tenant_id=TENANT, bucket=NAMES.uploads_bucket("zeta")), "deployment's own"),
        (Adoption(tenant_id=TENANT, bucket=NAMES.artifacts_bucket), "deployment's own"),
        (Adoption(tenant_id=TENANT, bucket=ARCHIVE, table="theirs"), "which column of table 'theirs'"),
    ],
)
def test_adoption_that_cannot_be_is_refused_before_anything_is_written(adoption: Adoption, said: str) -> None:
    """Another tenant's bucket is never a source (incident 4)."""
    world = a_world()

    with pytest.raises(InvalidRequestError, match=said):
        adopt_source(world.platform(), adoption, who="bo")
    with pytest.raises(InvalidRequestError, match=said):
        preview_adoption(world.platform(), adoption)
    assert world.calls.writes == []


def test_job_of_an_adopted_row_needs_its_source_to_be_registered() -> None:
    """The registry decides, for this tenant and this bucket; uploads cost no look into it."""
    world = a_world()
    platform = world.platform()
    row = a_row(original=an_original(bucket=ARCHIVE))

    with pytest.raises(InvalidIntentError, match="nobody registered"):
        job_for(row, names=NAMES, intent_id="i", now=NOON, sources=sources_for(platform, [row]))
    register_source(platform, TENANT, ARCHIVE, who="bo")
    register_source(platform, TENANT, ARCHIVE, who="ada")
    job = job_for(row, names=NAMES, intent_id="i", now=NOON, sources=sources_for(platform, [row]))

    assert job.source_bucket == ARCHIVE
    world.calls.clear()
    assert sources_for(platform, [a_row(), a_row(original=None)]) == NO_SOURCES
    assert is_at_home(platform, a_row())
    assert is_at_home(platform, a_row(original=None))
    assert world.calls.names == []
    assert is_at_home(platform, row)
    assert not is_at_home(platform, a_row(original=an_original(bucket="elsewhere")))


def test_adopted_row_is_ingested_from_where_it_lies() -> None:
    """What adoption wrote is what ingestion needs; the foreign object is read by its version."""
    world = a_world("a.jpg")
    adopt_source(world.platform(), ADOPTION, who="bo")
    [row] = world.images.rows.values()

    assert ingest_row(world.platform(), row).value == "validated"
