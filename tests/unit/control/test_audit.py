"""The audit: what it reads, what it keeps, and what it finds."""

from dataclasses import replace
from datetime import timedelta

import pytest

from parjanya_dagster.control.audit import (
    audit_document,
    audit_intents,
    audit_tenant,
    closed_windows,
    last_audit,
)
from parjanya_dagster.control.counters import Change, counts, note_changes
from parjanya_dagster.control.erase import erase_images
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.intent.job import job_for
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.truth.conservation import window_at
from parjanya_dagster.core.truth.identity import ImageKey, new_image_id
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NAMES, NOON, TENANT, a_row, an_original

BUCKET = NAMES.uploads_bucket(TENANT)


@pytest.fixture
def world() -> FakePlatform:
    """A world ten days after the first upload."""
    return a_fake_platform(now=NOON + timedelta(days=10, hours=1))


def stored(world: FakePlatform, *, day: int, number: int = 1, status: Status = Status.ENRICHED) -> ImageRow:
    """Put an image of a day, with its original, and return its row."""
    row = row_of(day=day, number=number, status=status)
    world.images.add(row)
    assert row.original is not None
    world.objects.add(BUCKET, row.original.key, b"x")
    return row


def row_of(*, day: int, number: int = 1, status: Status = Status.ENRICHED) -> ImageRow:
    """Return the row of an image of a day, counted from noon of the first."""
    at = NOON + timedelta(days=day, seconds=number)
    key = ImageKey(tenant_id=TENANT, image_id=new_image_id(at, number.to_bytes(10, "big")))
    return a_row(key=key, status=status, original=an_original(key))


def test_audit_when_everything_is_conserved_closes_what_can_no_longer_change(world: FakePlatform) -> None:
    """Closed windows keep count and digest; the last two days stay open."""
    for day in (0, 3, 10):
        stored(world, day=day)

    audit = audit_tenant(world.platform(), TENANT)

    assert (audit.residue, len(audit.windows), audit.kept) == (0, 11, ())
    closed = list(closed_windows(world.platform(), TENANT))
    assert closed[0].window == window_at(NOON + timedelta(days=7))
    assert sum(each.originals for each in closed) == 2


def test_audit_the_next_night_reads_open_windows_only(world: FakePlatform) -> None:
    """The cost of a night follows the night's uploads, not the tenant's history."""
    for day in (0, 3, 10):
        stored(world, day=day)
    audit_tenant(world.platform(), TENANT)
    world.clock.advance(days=1)

    audit = audit_tenant(world.platform(), TENANT)

    assert len(audit.windows) == 4
    assert audit_document(audit)["originals"] == 3


def test_audit_when_full_finds_what_went_missing_in_a_closed_window(world: FakePlatform) -> None:
    """A loss in old Truth is noticed by the weekly pass, and stays noticed."""
    row = stored(world, day=0)
    audit_tenant(world.platform(), TENANT)
    assert row.original is not None
    world.objects.lose(BUCKET, row.original.key)

    assert audit_tenant(world.platform(), TENANT).residue == 0
    for _ in range(2):
        full = audit_tenant(world.platform(), TENANT, full=True)
        assert (full.residue, full.changed) == (1, (window_at(NOON).since,))

    document = last_audit(world.platform(), TENANT)
    assert document is not None
    assert document["residues"][0]["samples"] == {"without_object": [row.key.image_id]}


def test_window_with_a_residue_stays_open_until_it_is_repaired(world: FakePlatform) -> None:
    """What is missing is looked at every night."""
    row = row_of(day=0)
    world.images.add(row)
    assert audit_tenant(world.platform(), TENANT).residue == 1

    assert row.original is not None
    world.objects.add(BUCKET, row.original.key, b"x")

    assert audit_tenant(world.platform(), TENANT).residue == 0
    assert window_at(NOON) in {each.window for each in closed_windows(world.platform(), TENANT)}


def test_audit_of_a_tenant_without_images_reads_no_window(world: FakePlatform) -> None:
    """Nothing is not a fault."""
    audit = audit_tenant(world.platform(), TENANT)

    assert (audit.first, audit.windows, audit.residue) == (None, (), 0)
    assert last_audit(world.platform(), "unknown") is None


def test_object_without_any_row_opens_the_tenants_first_window(world: FakePlatform) -> None:
    """An object is Truth even where no row was ever written; an id without a time is passed over."""
    key = row_of(day=2).key
    world.objects.add(BUCKET, original_key(key.image_id, "a.jpg"), b"x")
    world.objects.add(BUCKET, original_key("ffffffff-ffff-ffff-ffff-ffffffffffff", "a.jpg"), b"x")

    audit = audit_tenant(world.platform(), TENANT)

    assert audit.first == window_at(NOON + timedelta(days=2))
    assert audit.residue == 1


def test_audit_when_interrupted_goes_on_where_it_was(world: FakePlatform) -> None:
    """A crash between windows loses no window that was compared."""
    for day in range(6):
        stored(world, day=day)
    world.calls.fail("records.put", UnavailableError("gone"), times=1, after=True)

    with pytest.raises(UnavailableError):
        audit_tenant(world.platform(), TENANT)
    audit = audit_tenant(world.platform(), TENANT)

    assert (len(audit.kept), len(audit.windows), audit_document(audit)["originals"]) == (1, 10, 6)


def test_windows_of_another_tenant_are_not_mistaken_for_ones_own(world: FakePlatform) -> None:
    """Records of all tenants share a partition."""
    stored(world, day=0)
    audit_tenant(world.platform(), TENANT)

    assert list(closed_windows(world.platform(), "acme-2")) == []
    assert list(closed_windows(world.platform(), "abc")) == []


def test_window_of_more_rows_than_a_page_is_read_whole(world: FakePlatform) -> None:
    """Pages end anywhere."""
    for number in range(1100):
        stored(world, day=9, number=number)
        stored(world, day=10, number=number)
    told: list[int] = []

    audit = audit_tenant(world.platform(), TENANT, progress=lambda window: told.append(window.rows))

    assert (audit.residue, told) == (0, [1100, 1100])


def test_closed_windows_beyond_a_page_are_read_whole(world: FakePlatform) -> None:
    """Three years of days are more than one page."""
    stored(world, day=-1100)

    audit_tenant(world.platform(), TENANT)

    assert len(list(closed_windows(world.platform(), TENANT))) == 1108


def test_stamps_that_no_queue_covers_are_counted_with_samples(world: FakePlatform) -> None:
    """Incident 1: rows say that a job is out, and no queue holds it."""
    rows = [
        replace(a_row(number), intent_at=NOON, intent_id=f"intent-{number}", emissions=1)
        for number in range(1, 4)
    ]
    world.images.add(*rows)
    world.queue.send([job_for(rows[0], names=NAMES, intent_id="intent-1", now=NOON)])

    audit = audit_intents(world.platform())

    assert (audit.stamps, audit.messages, audit.dead_letters, audit.unaccounted) == (3, 1, 0, 2)
    assert audit.samples[0] == str(rows[0].key)


@pytest.mark.parametrize("signal", ["queue.depth", "queue.dead_letter_depth"])
def test_queue_that_cannot_be_read_accounts_for_nothing_and_accuses_nobody(
    world: FakePlatform, signal: str
) -> None:
    """Blind is never zero."""
    world.images.add(replace(a_row(1), intent_at=NOON, intent_id="intent-1", emissions=1))
    world.calls.fail(signal, UnavailableError("no answer"))

    audit = audit_intents(world.platform())

    assert (audit.unaccounted, audit.samples) == (None, ())


def test_audit_corrects_the_counters_of_the_backlog(world: FakePlatform) -> None:
    """A stream may lose or repeat a record; once a night the counters are told what is so."""
    world.images.add(
        row_of(day=10, number=1, status=Status.PENDING_VLM_ENRICHMENT),
        replace(row_of(day=10, number=2, status=Status.PENDING_VLM_ENRICHMENT), quarantined=True),
        replace(
            row_of(day=10, number=3, status=Status.PENDING_UPLOAD),
            due_at=world.clock() + timedelta(hours=1),
        ),
        row_of(day=10, number=4),
    )
    note_changes(
        world.platform(),
        [Change(key=row_of(day=10, number=9).key, before=None, after=Status.PENDING_VALIDATION)],
    )

    audit_tenant(world.platform(), TENANT)

    said = +counts(world.platform())[TENANT]
    assert said == {Status.PENDING_VLM_ENRICHMENT: 1, Status.PENDING_UPLOAD: 1}


def test_audit_when_an_erasure_began_in_a_closed_window_names_it_until_it_is_finished(
    world: FakePlatform,
) -> None:
    """A day that was closed is read again: an erasure is a change that somebody wanted, not a loss."""
    row = stored(world, day=0)
    platform = world.platform()
    audit_tenant(platform, TENANT)
    world.calls.fail("archive.delete_versions", UnavailableError("S3 is away"))
    erase_images(platform, [row.key], who="bo")

    begun = audit_tenant(platform, TENANT)
    erase_images(platform, [row.key], who="bo")
    finished = audit_tenant(platform, TENANT, full=True)

    document = audit_document(begun)
    assert (document["not_erased"], document["residue"]) == (1, 1)
    assert document["residues"][0]["samples"] == {"not_erased": [row.key.image_id]}
    assert (finished.residue, finished.changed, finished.full) == (0, (), True)
    assert audit_tenant(platform, TENANT, full=True).changed == ()
