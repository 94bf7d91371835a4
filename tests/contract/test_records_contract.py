"""The contract of `Records`, held by the fake and by DynamoDB."""

from datetime import timedelta

import pytest

from parjanya_dagster.aws.records_dynamodb import DynamoRecords
from parjanya_dagster.core.records import RecordKind, Records
from parjanya_dagster.simulation.fakes.records import FakeRecords
from tests.builders import NOON
from tests.contract.endpoints import Endpoint

DOCUMENT = {"who": "ada", "rows": 3, "share": 0.25, "done": False, "note": None, "path": ["a", {"b": 1}]}


@pytest.fixture
def records(endpoint: Endpoint | None) -> Records:
    """A store without records."""
    if endpoint is None:
        return FakeRecords()
    endpoint.clear_tables()
    return DynamoRecords(endpoint.clients.dynamodb, table=endpoint.names.control_table)


def test_document_when_put_is_read_back_whole(records: Records) -> None:
    """Plain values survive, whatever their type; an expiry is the table's, not the document's."""
    records.put(RecordKind.TRAIL, "1", DOCUMENT, expires_at=NOON + timedelta(days=1))

    assert records.get(RecordKind.TRAIL, "1") == DOCUMENT
    assert records.get(RecordKind.TRAIL, "2") is None
    assert records.get(RecordKind.BOOT, "1") is None


def test_document_when_put_again_leaves_nothing_of_the_old_one(records: Records) -> None:
    """Replacing is whole: no field of an earlier version survives."""
    records.put(RecordKind.PULSE, "i-1", {"stage": "boot", "error": "none"})
    records.put(RecordKind.PULSE, "i-1", {"stage": "ready"})

    assert records.get(RecordKind.PULSE, "i-1") == {"stage": "ready"}


def test_document_when_created_twice_stays_the_first(records: Records) -> None:
    """Two planes that write the same record leave one."""
    assert records.create(RecordKind.DEAD_LETTER, "1", {"by": "lambda"})
    assert not records.create(RecordKind.DEAD_LETTER, "1", {"by": "dagster"})

    assert records.get(RecordKind.DEAD_LETTER, "1") == {"by": "lambda"}


def test_document_is_replaced_only_where_it_still_is_what_was_read(records: Records) -> None:
    """A lost update is refused, and a document that is gone is not written again."""
    records.put(RecordKind.LEARNED, "gpu", {"boots": 1})

    assert records.replace(RecordKind.LEARNED, "gpu", {"boots": 1}, {"boots": 2, "mean_s": 3.5})
    assert not records.replace(RecordKind.LEARNED, "gpu", {"boots": 1}, {"boots": 9})
    assert not records.replace(RecordKind.LEARNED, "none", {}, {"boots": 9})
    assert records.get(RecordKind.LEARNED, "gpu") == {"boots": 2, "mean_s": 3.5}
    assert records.replace(RecordKind.LEARNED, "gpu", {"boots": 2, "mean_s": 3.5}, {})
    assert records.get(RecordKind.LEARNED, "gpu") == {}
    assert records.replace(RecordKind.LEARNED, "gpu", {}, {"boots": 3})


def test_newest_are_paged_from_the_greatest_id(records: Records) -> None:
    """Ids that begin with a time make a history, read from its end."""
    for number in range(5):
        records.put(RecordKind.CAPACITY, f"2026-03-0{number + 1}", {"desired": number})

    newest = records.newest(RecordKind.CAPACITY, limit=2)
    older = records.newest(RecordKind.CAPACITY, limit=9, before_id=newest[-1][0])

    assert [document["desired"] for _, document in newest] == [4, 3]
    assert [record_id for record_id, _ in older] == ["2026-03-03", "2026-03-02", "2026-03-01"]
    assert records.newest(RecordKind.AUDIT, limit=1) == []


def test_document_when_removed_is_gone_and_may_be_removed_again(records: Records) -> None:
    """Removing twice is what a repetition after a crash does."""
    records.put(RecordKind.PULSE, "i-1", {"stage": "ready"})

    records.remove(RecordKind.PULSE, "i-1")
    records.remove(RecordKind.PULSE, "i-1")

    assert records.get(RecordKind.PULSE, "i-1") is None


def test_numbers_are_added_to_what_is_there(records: Records) -> None:
    """Counters need no read: what is missing counts as nothing."""
    records.add(RecordKind.BACKLOG, "acme#1", {"pending": 2, "settled": 1})
    records.add(RecordKind.BACKLOG, "acme#1", {"pending": -3})
    records.add(RecordKind.BACKLOG, "acme#1", {})

    assert records.get(RecordKind.BACKLOG, "acme#1") == {"pending": -1, "settled": 1}


@pytest.mark.parametrize("name", ["pk", "sk", "expires_at"])
def test_document_with_a_field_of_the_item_is_refused(records: Records, name: str) -> None:
    """A document can neither move its record nor delete it."""
    with pytest.raises(ValueError, match=name):
        records.put(RecordKind.TRAIL, "1", {name: "x"})
