"""The contract of `ImageStore`, held by the fake and by DynamoDB."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from parjanya_dagster.aws.truth_dynamodb import DynamoImageStore
from parjanya_dagster.core.ports import ImageStore
from parjanya_dagster.core.truth.lifecycle import Event, advanced
from parjanya_dagster.core.truth.row import Batches, ImageRow, Lane, Override, Status, Verdict
from parjanya_dagster.simulation.fakes.clock import FakeClock
from parjanya_dagster.simulation.fakes.images import FakeImageStore
from tests.builders import NOON, a_decision, a_key, a_result, a_row, some_facts
from tests.contract.endpoints import Endpoint

LATER = NOON + timedelta(minutes=1)


@pytest.fixture
def store(endpoint: Endpoint | None) -> ImageStore:
    """An empty store."""
    if endpoint is None:
        return FakeImageStore(FakeClock(NOON))
    endpoint.clear_tables()
    return DynamoImageStore(endpoint.clients.dynamodb, table=endpoint.names.images_table)


@pytest.fixture
def created(store: ImageStore) -> Callable[..., ImageRow]:
    """Create a row and return it."""

    def create(row: ImageRow) -> ImageRow:
        assert store.create(row)
        return row

    return create


def test_row_when_created_is_read_back_as_it_was(store: ImageStore) -> None:
    """Every field of a head survives the way to the table and back."""
    full = a_row(
        status=Status.ENRICHED,
        due_at=NOON,
        intent_at=LATER,
        intent_id="intent-1",
        emissions=2,
        attempts=3,
        quarantined=True,
        last_error="decode_failed: truncated",
        lane=Lane.REGRADE,
        priority="high",
        entered_at=NOON + timedelta(microseconds=1),
        override=Override(verdict=Verdict.REJECT, by="bo", reason="house style", at=LATER),
        batches=Batches(tenant="acme-17", photographer="ada-3"),
    )
    bare = ImageRow(key=a_key(2), status=Status.PENDING_UPLOAD, generation=1, entered_at=NOON)

    assert store.create(full)
    assert store.create(bare)

    assert store.get(full.key) == full
    assert store.get(bare.key) == bare


def test_index_times_when_stored_are_whole_milliseconds(store: ImageStore) -> None:
    """`due_at` and `intent_at` are sort keys in milliseconds, rounded down; the fake does the same."""
    row = a_row(due_at=NOON + timedelta(microseconds=1999))

    store.create(row)

    assert store.get(row.key) == replace(row, due_at=NOON + timedelta(milliseconds=1))


def test_missing_row_is_none_and_left_out_of_many(
    store: ImageStore, created: Callable[..., ImageRow]
) -> None:
    """What is not there is no error: the caller decides what it means."""
    row = created(a_row(1))

    assert store.get(a_key(2)) is None
    assert store.get_many([a_key(2), row.key, row.key]) == [row]
    assert store.get_many([]) == []


def test_many_rows_beyond_one_batch_are_all_read(store: ImageStore, created: Callable[..., ImageRow]) -> None:
    """A sweep's keys exceed what one call may ask for."""
    rows = [created(a_row(number)) for number in range(1, 131)]

    found = store.get_many([row.key for row in rows])

    assert sorted(found, key=lambda row: row.key) == rows


def test_create_when_the_row_exists_changes_nothing(
    store: ImageStore, created: Callable[..., ImageRow]
) -> None:
    """A second presign or adoption of one image cannot reset it."""
    row = created(a_row(status=Status.ENRICHED))

    assert not store.create(a_row(status=Status.PENDING_UPLOAD))
    assert store.get(row.key) == row


def test_write_when_the_row_is_as_planned_stores_the_change(
    store: ImageStore, created: Callable[..., ImageRow]
) -> None:
    """A transition sets what it sets and removes what it removes."""
    row = created(a_row(intent_at=NOON, intent_id="intent-1", emissions=1, attempts=1))
    scored = replace(advanced(row, Event.SCORED, now=LATER), decision=a_decision(), decided_generation=1)

    assert store.write(row, scored)

    assert store.get(row.key) == scored


@pytest.mark.parametrize(
    "moved", [{"status": Status.VLM_FAILED}, {"generation": 2}], ids=["status", "generation"]
)
def test_write_when_the_row_has_moved_on_is_refused(
    store: ImageStore, created: Callable[..., ImageRow], moved: dict[str, object]
) -> None:
    """A zombie's late write finds another status or generation, and leaves no trace."""
    planned_from = a_row()
    stored = created(a_row(**moved))  # type: ignore[arg-type]  # one field by name

    assert not store.write(planned_from, advanced(planned_from, Event.SCORED, now=LATER))
    assert store.get(stored.key) == stored


def test_write_of_an_image_without_a_row_is_refused(store: ImageStore) -> None:
    """A write never creates: only `create` does."""
    row = a_row()

    assert not store.write(row, replace(row, attempts=1))
    assert store.get(row.key) is None


def test_write_leaves_alone_what_it_did_not_change(
    store: ImageStore, created: Callable[..., ImageRow]
) -> None:
    """Two writers of different fields in one status do not undo each other."""
    row = created(a_row())

    assert store.write(row, replace(row, attempts=1))
    assert store.write(row, replace(row, intent_at=LATER, intent_id="intent-2", emissions=1))

    assert store.get(row.key) == replace(row, attempts=1, intent_at=LATER, intent_id="intent-2", emissions=1)


def test_of_concurrent_writers_from_one_plan_exactly_one_wins(
    store: ImageStore, created: Callable[..., ImageRow]
) -> None:
    """One effective completion per generation, however many workers hold the job."""
    row = created(a_row())
    finished = [replace(advanced(row, Event.SCORED, now=LATER), result_id=f"1-{n}") for n in range(8)]

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(lambda after: store.write(row, after), finished))

    assert won.count(True) == 1
    assert store.get(row.key) == finished[won.index(True)]


def test_write_of_no_difference_succeeds(store: ImageStore) -> None:
    """Nothing to write is not a conflict, and costs no call."""
    assert store.write(a_row(), a_row())


def test_write_between_two_images_is_a_mistake(store: ImageStore) -> None:
    """A row cannot become another image's."""
    with pytest.raises(ValueError, match="cannot become"):
        store.write(a_row(1), a_row(2))


def test_facts_are_read_back_and_may_be_written_again(store: ImageStore) -> None:
    """A second ingestion of the same bytes is harmless; floats, lists and None survive."""
    facts = some_facts(
        technical={"sharpness_p50": 0.1 + 0.2, "tiles": [1, 2.5], "tiny": 1e-9, "ok": True, "note": ""},
        exif={"gps_latitude": -33.85678901234567, "lens_model": None},
    )

    store.put_facts(a_key(), facts)
    store.put_facts(a_key(), facts)

    assert store.facts(a_key()) == facts
    assert store.facts(a_key(2)) is None


def test_results_are_immutable_and_come_oldest_first(store: ImageStore) -> None:
    """A repeated attempt cannot rewrite what its first write said."""
    first = a_result("1-b", at=NOON)
    second = a_result("2-a", generation=2, at=LATER, prompt_pack="photo-1")
    store.put_result(a_key(), second)
    store.put_result(a_key(), first)

    store.put_result(a_key(), replace(first, fingerprint="another"))

    assert store.results(a_key()) == [first, second]
    assert store.results(a_key(2)) == []


def test_gaps_due_before_a_time_come_earliest_first(
    store: ImageStore, created: Callable[..., ImageRow]
) -> None:
    """The sweep is bounded, and starts with what waited longest, whatever its shard or status."""
    keys = [created(a_row(number, due_at=NOON - timedelta(seconds=number))).key for number in range(1, 9)]
    upload = created(a_row(20, status=Status.PENDING_UPLOAD, due_at=NOON - timedelta(hours=1)))
    created(a_row(21, due_at=NOON))
    created(a_row(22, due_at=NOON - timedelta(hours=2), lane=Lane.REGRADE))

    assert store.due_gaps(Lane.FRESH, due_before=NOON, limit=100) == [upload.key, *reversed(keys)]
    assert store.due_gaps(Lane.FRESH, due_before=NOON, limit=3) == [upload.key, keys[7], keys[6]]


@pytest.mark.parametrize(
    "change",
    [
        {"quarantined": True},
        {"due_at": None},
        {"intent_at": NOON, "intent_id": "intent-1"},
        {"status": Status.ENRICHED},
    ],
    ids=["quarantined", "waits_for_nothing", "sent", "settled"],
)
def test_row_that_waits_for_nobody_leaves_the_gap(
    store: ImageStore, created: Callable[..., ImageRow], change: dict[str, object]
) -> None:
    """The index is sparse: one tenant's trouble never fills a bounded read."""
    row = created(a_row(due_at=NOON - timedelta(seconds=1)))

    store.write(row, replace(row, **change))  # type: ignore[arg-type]  # one field by name

    assert store.due_gaps(Lane.FRESH, due_before=LATER, limit=10) == []


def test_back_off_moves_a_row_within_the_gap(store: ImageStore, created: Callable[..., ImageRow]) -> None:
    """A later `due_at` is a later place in the index."""
    row = created(a_row(due_at=NOON - timedelta(seconds=1)))

    store.write(row, replace(row, due_at=LATER))

    assert store.due_gaps(Lane.FRESH, due_before=LATER, limit=10) == []
    assert store.due_gaps(Lane.FRESH, due_before=LATER + timedelta(milliseconds=1), limit=10) == [row.key]


def test_outstanding_rows_sent_before_a_time_come_earliest_first(
    store: ImageStore, created: Callable[..., ImageRow]
) -> None:
    """Lost intent is looked for among the oldest stamps, and only while the row still waits."""
    sent = [created(a_row(number, intent_at=NOON - timedelta(seconds=number))) for number in range(1, 7)]
    store.write(sent[5], advanced(sent[5], Event.SCORED, now=NOON))
    created(a_row(20))
    created(a_row(21, intent_at=NOON))

    assert store.outstanding(sent_before=NOON, limit=2) == [sent[4].key, sent[3].key]
    assert len(store.outstanding(sent_before=NOON, limit=100)) == 5


def test_listing_shows_a_tenants_images_newest_first_in_pages(
    store: ImageStore, created: Callable[..., ImageRow]
) -> None:
    """The web page turns pages by the last id it showed, and never sees another tenant."""
    rows = [created(a_row(number)) for number in range(1, 10)]
    created(a_row(99, tenant_id="other"))

    first = store.listing("acme", limit=5)
    second = store.listing("acme", limit=5, before_image_id=first[-1].key.image_id)

    assert first + second == rows[::-1]
    assert store.listing("nobody", limit=5) == []


def test_row_that_settles_leaves_a_stamp_behind_that_landed_since_it_was_read(
    store: ImageStore, created: Callable[..., ImageRow]
) -> None:
    """A worker may be faster than the sender's stamp: a settled row is never left in an index."""
    read = created(a_row())
    stamp = {"intent_at": LATER, "intent_id": "intent-1", "emissions": 1, "quarantined": True}
    assert store.write(read, replace(read, **stamp))

    assert store.write(read, advanced(read, Event.SCORED, now=LATER))

    settled = store.get(read.key)
    assert settled is not None
    assert (settled.intent_at, settled.intent_id, settled.due_at) == (None, None, None)
    assert not settled.quarantined
    assert store.outstanding(sent_before=LATER + timedelta(days=1), limit=10) == []
    assert store.due_gaps(Lane.FRESH, due_before=LATER + timedelta(days=1), limit=10) == []
