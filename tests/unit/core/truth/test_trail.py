"""The entry of the audit trail as it is stored."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.truth.trail import TrailEntry, new_entry_id
from tests.builders import NOON

COUNTS = st.dictionaries(st.text(min_size=1), st.integers(0, 10**9), max_size=4)


@given(before=COUNTS, after=COUNTS, seconds=st.none() | st.integers(0, 10**6), digest=st.none() | st.text())
def test_entry_when_stored_and_read_is_the_same(
    before: dict[str, int], after: dict[str, int], seconds: int | None, digest: str | None
) -> None:
    """Ended or only begun, nothing of an entry is lost."""
    entry = TrailEntry(
        entry_id=new_entry_id(NOON, b"\x01"),
        who="ada",
        action="replay",
        plan_digest=digest,
        before=before,
        after=after,
        begun_at=NOON,
        ended_at=None if seconds is None else NOON + timedelta(seconds=seconds),
        outcome=None if seconds is None else "done",
    )

    assert TrailEntry.from_document(entry.entry_id, entry.to_document()) == entry


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_entry_ids_when_sorted_are_in_order_of_time(first: int, later: int) -> None:
    """The newest of the trail are found by their ids alone."""
    early, late = NOON + timedelta(microseconds=first), NOON + timedelta(microseconds=first + later)

    assert new_entry_id(early, b"\xff") < new_entry_id(late, b"\x00")
