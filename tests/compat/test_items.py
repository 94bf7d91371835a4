"""Heads of version n and n + 1: each reads what the other wrote, and alternating writers lose nothing."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.aws import evidence_items, truth_items
from parjanya_dagster.aws.attributes import Item
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status
from tests.builders import NOON, a_key, a_result, a_row, an_original, some_facts
from tests.compat.v1 import evidence_items as v1_evidence
from tests.compat.v1 import identity as v1_identity
from tests.compat.v1 import row as v1_rows
from tests.compat.v1 import truth_items as v1_items

SHARED: Final = tuple(field.name for field in fields(v1_rows.ImageRow) if field.name != "key")
"""Fields of a head that version 1 knows; today's are these and more."""

rows = st.builds(
    a_row,
    st.integers(1, 9),
    status=st.sampled_from(Status),
    generation=st.integers(1, 2**45),
    lane=st.sampled_from(Lane),
    emissions=st.integers(0, 9),
    attempts=st.integers(0, 9),
    quarantined=st.booleans(),
    last_error=st.none() | st.text(max_size=20),
    returns=st.integers(0, 3),
    postponed=st.integers(0, 3),
    questions=st.none() | st.lists(st.text(max_size=9), max_size=3).map(tuple),
    fleet=st.sampled_from([None, "large"]),
    original=st.none() | st.just(an_original()) | st.just(an_original(bucket="archive", key="2019/a.jpg")),
)
changes = st.fixed_dictionaries(
    {},
    optional={
        "attempts": st.integers(0, 9),
        "emissions": st.integers(0, 9),
        "last_error": st.none() | st.text(max_size=9),
        "intent_at": st.none() | st.integers(0, 99).map(lambda late: NOON + timedelta(seconds=late)),
    },
)
own_changes = st.fixed_dictionaries(
    {},
    optional={
        "returns": st.integers(0, 3),
        "postponed": st.integers(0, 3),
        "questions": st.none() | st.just(("focus",)),
        "fleet": st.sampled_from([None, "large"]),
    },
)


def plain(row: object) -> dict[str, Any]:
    """Return the shared fields of a row of either version; enumerations and values compare by content."""
    return {name: _plain(getattr(row, name)) for name in SHARED}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any field of a row
    slots = getattr(type(value), "__dataclass_fields__", None)
    if slots is not None:
        return {name: _plain(getattr(value, name)) for name in slots}
    return str(value) if isinstance(value, str) else value


def patched(item: Item, changed: Item, removed: list[str]) -> Item:
    """Return an item after the one partial update that an edge makes of a change."""
    return {name: value for name, value in item.items() if name not in removed} | changed


@given(rows)
def test_version_1_reads_every_head_that_we_write(row: ImageRow) -> None:
    """A worker that is not replaced yet sees the same row, without what came later."""
    read = v1_items.row_of(truth_items.head_item(row))

    assert plain(read) == plain(truth_items.as_stored(row))
    assert str(read.key) == str(row.key)


@given(rows)
def test_we_read_every_head_that_version_1_wrote(row: ImageRow) -> None:
    """What is stored when the deploy begins is read after it; what came later has its default."""
    old = v1_items.row_of(truth_items.head_item(row))

    read = truth_items.row_of(v1_items.head_item(old))

    assert plain(read) == plain(old)
    assert (read.returns, read.postponed, read.questions, read.fleet) == (0, 0, None, None)


@given(rows, st.lists(st.tuples(st.booleans(), changes, own_changes), max_size=8))
def test_alternating_writers_lose_nothing(
    row: ImageRow, writes: list[tuple[bool, dict[str, Any], dict[str, Any]]]
) -> None:
    """Updates are partial: version 1 leaves what it does not know, and we leave what it wrote."""
    item, expected = truth_items.head_item(row), row
    for is_ours, shared, own in writes:
        if is_ours:
            ours = truth_items.row_of(item)
            item = patched(item, *truth_items.head_changes(ours, replace(ours, **shared, **own)))
            expected = replace(expected, **shared, **own)
        else:
            old = v1_items.row_of(item)
            item = patched(item, *v1_items.head_changes(old, replace(old, **shared)))
            expected = replace(expected, **shared)

    assert truth_items.row_of(item) == truth_items.as_stored(expected)


def test_evidence_is_read_in_both_directions() -> None:
    """Facts and results of either version are the other's."""
    key = a_key()
    v1_key = v1_identity.ImageKey(tenant_id=key.tenant_id, image_id=key.image_id)
    result, facts = a_result(prompt_pack="photo-1"), some_facts()

    old_result = v1_evidence.result_of(evidence_items.result_item(key, result))
    old_facts = v1_evidence.facts_of(evidence_items.facts_item(key, facts))

    assert evidence_items.result_of(v1_evidence.result_item(v1_key, old_result)) == result
    assert evidence_items.facts_of(v1_evidence.facts_item(v1_key, old_facts)) == facts


def test_head_of_the_next_schema_is_read_changed_and_kept() -> None:
    """Version n runs beside n + 1: what it does not know survives its updates, the schema included."""
    item = truth_items.head_item(a_row()) | {"schema": {"N": "2"}, "colour": {"S": "red"}}
    row = truth_items.row_of(item)

    item = patched(item, *truth_items.head_changes(row, replace(row, attempts=1)))

    assert (item["schema"], item["colour"]) == ({"N": "2"}, {"S": "red"})
    assert truth_items.row_of(item).attempts == 1


def test_head_of_the_schema_after_next_is_refused_by_name() -> None:
    """Two versions ahead is a deploy that went wrong: nobody guesses."""
    item = truth_items.head_item(a_row()) | {"schema": {"N": "3"}}

    with pytest.raises(ConfigError, match=r"schema 3, this process reads up to 2"):
        truth_items.row_of(item)
