"""Erasure: everything goes, nothing comes back, and a crash anywhere is resumed."""

from datetime import timedelta
from typing import Any, Final

import pytest

from parjanya_dagster.control.adopt import objects_without_progress
from parjanya_dagster.control.adoption import Adoption, adopt_source
from parjanya_dagster.control.erase import (
    Erased,
    How,
    Wanted,
    certificate,
    erase_images,
    wanted_images,
)
from parjanya_dagster.control.ingest import Ingested, ingest_object
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.core.errors import InvalidRequestError, UnavailableError
from parjanya_dagster.core.execution.outcome import standing
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.erasure import is_unfinished
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.fakes.calls import Calls
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NAMES, NOON, TENANT, a_key, a_result, a_row, previews_of, some_facts
from tests.unit.control.killing import KillingCalls, Meanwhile, killed_after

BUCKET: Final = NAMES.uploads_bucket(TENANT)


def a_world(*numbers: int, calls: Calls | None = None, **changes: Any) -> FakePlatform:  # noqa: ANN401 - any field of a row
    """Return a world with decided images of tenant `acme`, an hour after they were decided."""
    world = a_fake_platform(plane="cli", calls=calls)
    add_tenant(world.platform(), TENANT)
    for number in numbers:
        fill(world, a_row(number, **{"status": Status.ENRICHED, **changes}))
    world.clock.advance(hours=1)
    world.calls.clear()
    return world


def fill(world: FakePlatform, row: ImageRow) -> None:
    """Put an image with everything it can have."""
    key = row.key
    world.images.add(row)
    world.images.put_facts(key, some_facts())
    world.images.put_result(key, a_result("1-first"))
    world.images.put_result(key, a_result("2-second"))
    original = original_key(key.image_id, "ada at the sea.jpg")
    for body in (b"one", b"two"):
        world.objects.add(BUCKET, original, body)
    world.objects.hide(BUCKET, original)
    world.objects.add(BUCKET, previews_of(key).display_key, b"preview")
    world.objects.add(BUCKET, previews_of(key).model_key, b"model")
    world.records.put(RecordKind.DEAD_LETTER, f"letter-{key.image_id}", {"image": str(key)})


def traces(world: FakePlatform, key: ImageKey) -> list[str]:
    """Return whatever there is of an image beside its head and its account."""
    objects = [v.key for v in world.objects.versions_in(BUCKET) if key.image_id in v.key]
    letters = world.records.newest(RecordKind.DEAD_LETTER, limit=99)
    mine = [each for each, _ in letters if key.image_id in each]
    return [*objects, *world.images.evidence_of(key), *mine]


def erase(world: FakePlatform, *, how: How | None = None, **wanted: Any) -> Erased:  # noqa: ANN401 - any field of `Wanted`
    """Erase what is wanted of tenant `acme`."""
    platform = world.platform()
    keys = wanted_images(platform, Wanted(tenant_id=TENANT, **wanted))
    return erase_images(platform, keys, who="bo", how=how)


def test_erased_image_leaves_a_tombstone_and_nothing_else() -> None:
    """Every version, both previews, facts, every result, its dead letters; the neighbours stay."""
    world = a_world(1, 2)
    neighbour = (traces(world, a_key(2)), world.images.rows[a_key(2)])

    erased = erase(world, image_ids=(a_key(1).image_id,))

    assert erased.is_complete
    assert traces(world, a_key(1)) == []
    assert world.images.rows[a_key(1)] == ImageRow(
        key=a_key(1), status=Status.ERASED, generation=1, entered_at=world.clock()
    )
    assert (traces(world, a_key(2)), world.images.rows[a_key(2)]) == neighbour


def test_certificate_counts_and_proves_what_went_and_names_nothing() -> None:
    """Two versions and a marker, two previews, facts, two results, a dead letter: no name among them."""
    world = a_world(1)
    erased = erase(world, image_ids=(a_key(1).image_id,))

    document = certificate(TENANT, erased, who="bo", now=world.clock())

    assert document["totals"] == {"images": 1, "object_versions": 5, "items": 3, "dead_letters": 1}
    assert (document["left"], document["settling"]) == ([], {})
    assert "sea" not in str(document)
    kept = world.records.get(RecordKind.ERASURE, str(a_key(1)))
    assert kept is not None
    assert kept["finished"]


def test_erased_image_is_never_adopted_again() -> None:
    """Neither by the sweep over objects nor by a late event of the object."""
    world = a_world(1)
    erase(world, image_ids=(a_key(1).image_id,))
    late = world.objects.add(BUCKET, original_key(a_key(1).image_id, "x.jpg"), b"late")

    assert not list(objects_without_progress(world.platform(), TENANT))
    assert ingest_object(world.platform(), BUCKET, late.key, late.version_id) is Ingested.ALREADY_DONE
    again = erase(world, image_ids=(a_key(1).image_id,))
    assert again.is_complete
    assert traces(world, a_key(1)) == []
    assert len(again.accounts[0].objects) == 6


def test_queued_job_of_an_erased_image_is_superseded() -> None:
    """No purge is needed: whoever receives it reads the tombstone and deletes it."""
    world = a_world(1, status=Status.PENDING_VLM_ENRICHMENT, intent_at=NOON)
    erase(world, image_ids=(a_key(1).image_id,))

    superseded = standing(world.images.rows[a_key(1)], 1)

    assert superseded is not None
    assert superseded.reason == "row is erased"


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({"uploader": "ada"}, [1, 2]),
        ({"uploader": "nobody"}, []),
        ({"before": NOON - timedelta(hours=1) + timedelta(milliseconds=2)}, [1]),
        ({"uploader": "ada", "before": NOON - timedelta(hours=1) + timedelta(milliseconds=2)}, [1]),
        ({"everything": True}, [1, 2, 3]),
        ({}, []),
    ],
    ids=["uploader", "stranger", "before", "both", "everything", "nothing"],
)
def test_images_are_chosen_as_asked(wanted: dict[str, Any], numbers: list[int]) -> None:
    """By person and by time; with nothing said, nothing."""
    world = a_world(1, 2)
    world.images.add(a_row(3, status=Status.ENRICHED, uploader="bo"), a_row(4, tenant_id="zeta"))

    chosen = wanted_images(world.platform(), Wanted(tenant_id=TENANT, **wanted))

    assert sorted(chosen) == [a_key(number) for number in numbers]


def test_choosing_writes_nothing() -> None:
    """A preview is a preview."""
    world = a_world(1, 2)

    wanted_images(world.platform(), Wanted(tenant_id=TENANT, everything=True))

    assert world.calls.writes == []


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(tenant_id="nobody", everything=True), "not registered: nobody"),
        (Wanted(tenant_id=TENANT, image_ids=(a_key(9).image_id,)), f"no image {a_key(9).image_id}"),
    ],
)
def test_wish_for_what_is_not_there_is_refused(wanted: Wanted, said: str) -> None:
    """A misspelt id is not taken for an erased image."""
    world = a_world(1)

    with pytest.raises(InvalidRequestError, match=said):
        wanted_images(world.platform(), wanted)


def test_objects_without_a_row_are_erased_by_their_id() -> None:
    """A store that forgot the row does not protect the photo."""
    world = a_world()
    world.objects.add(BUCKET, original_key(a_key().image_id, "x.jpg"), b"image")

    erased = erase(world, image_ids=(a_key().image_id,))

    assert erased.is_complete
    assert traces(world, a_key()) == []
    assert world.images.rows[a_key()].status is Status.ERASED


def test_image_that_is_being_worked_on_is_finished_by_a_second_run() -> None:
    """A worker that began before may still write its result: it goes too, and only then is it certified."""
    world = a_world(1, status=Status.PENDING_VLM_ENRICHMENT, intent_at=NOON)
    first = erase(world, image_ids=(a_key(1).image_id,))
    assert first.settling == {a_key(1): world.clock() + world.limits.visibility}
    assert not first.is_complete
    assert is_unfinished(world.images.rows[a_key(1)])
    world.images.put_result(a_key(1), a_result("3-late"))
    world.clock.advance(seconds=world.limits.visibility.total_seconds())

    second = erase(world)

    assert second.is_complete
    assert traces(world, a_key(1)) == []
    [account] = second.accounts
    assert account.items == {"facts", "result#1-first", "result#2-second", "result#3-late"}
    assert not is_unfinished(world.images.rows[a_key(1)])
    assert erase(world).accounts == []


def test_what_a_store_keeps_is_named_and_stops_no_other_image() -> None:
    """The account says what should have gone, the report what is left, and a repetition finishes."""
    world = a_world(1, 2)
    world.calls.fail("archive.delete_versions", UnavailableError("S3 is away"))

    first = erase(world, everything=True)

    assert [line.partition(":")[2] for line in first.left] == [" S3 is away"]
    assert len(first.accounts) == 1
    assert erase(world).is_complete
    assert [traces(world, a_key(number)) for number in (1, 2)] == [[], []]


def test_last_look_names_what_is_left_without_its_file_name() -> None:
    """Nothing is certified that was not seen to be gone."""
    calls = Meanwhile("archive.delete_evidence")
    world = a_world(1, calls=calls)
    calls.act = lambda: world.objects.add(BUCKET, original_key(a_key(1).image_id, "ada.jpg"), b"again")

    erased = erase(world, everything=True)

    assert erased.left == [f"{a_key(1).image_id}: 1 object versions, 0 items"]
    assert not erased.accounts[0].finished
    assert is_unfinished(world.images.rows[a_key(1)])


@pytest.mark.parametrize("include_source", [False, True])
def test_adopted_original_goes_only_when_asked_for(*, include_source: bool) -> None:
    """It is somebody else's object in somebody else's bucket; its neighbours by name stay in any case."""
    world = a_world()
    for key in ("2019/a.jpg", "2019/a.jpg.jpg"):
        world.objects.add("archive", key, b"image")
    adopt_source(world.platform(), Adoption(tenant_id=TENANT, bucket="archive"), who="bo")
    row = next(row for row in world.images.rows.values() if row.file_name == "a.jpg")
    erase(world, image_ids=(row.key.image_id,), how=How(include_source=include_source))
    world.clock.advance(minutes=5)

    assert erase(world).is_complete

    left = {each.key for each in world.objects.versions_in("archive")}
    assert left == {"2019/a.jpg.jpg"} | (set() if include_source else {"2019/a.jpg"})
    assert "2019" not in str(world.images.rows[row.key])


@pytest.mark.parametrize(("moves", "is_complete"), [(2, True), (99, False)])
def test_row_that_moves_meanwhile_is_buried_as_it_is_then(moves: int, *, is_complete: bool) -> None:
    """A replay at the same moment saves no image; a row that never stands still is left and named."""
    calls = Meanwhile("archive.bury", times=moves)
    world = a_world(1, calls=calls)

    def move_on() -> None:
        row = world.images.rows[a_key(1)]
        world.images.add(a_row(1, status=Status.ENRICHED, generation=row.generation + 1))

    calls.act = move_on
    erased = erase(world, everything=True)

    assert (not erased.left) == is_complete
    assert (world.images.rows[a_key(1)].status is Status.ERASED) == is_complete


def test_erasure_killed_behind_any_write_is_finished_by_a_repetition() -> None:
    """Tombstone first: what is buried is not adopted, and the account misses nothing in the end."""
    write = 0
    while True:
        write += 1
        calls = KillingCalls()
        world = a_world(1, 2, calls=calls)
        adrift = original_key(a_key(3).image_id, "x.jpg")
        world.objects.add(BUCKET, adrift, b"image")
        keys = [a_key(1), a_key(2), a_key(3)]
        platform = world.platform()
        was_killed = killed_after(calls, write, lambda p=platform, k=keys: erase_images(p, k, who="bo"))  # type: ignore[misc]  # bound in the loop
        buried = [key for key, row in world.images.rows.items() if row.status is Status.ERASED]
        assert not {each.key for each in objects_of(world)} & set(buried)

        repeated = erase(world, everything=True)
        if a_key(3) not in world.images.rows:
            erase(world, image_ids=(a_key(3).image_id,))

        assert not repeated.left
        for key in keys:
            assert traces(world, key) == []
            assert not is_unfinished(world.images.rows[key])
            kept = world.records.get(RecordKind.ERASURE, str(key))
            assert kept is not None
            assert (kept["finished"], len(kept["objects"])) == (True, 1 if key == a_key(3) else 5)
        if not was_killed:
            break

    assert write > 20


def objects_of(world: FakePlatform) -> list[Any]:
    """Return what the sweep would adopt."""
    return list(objects_without_progress(world.platform(), TENANT))
