"""CBOR as CloudWatch's clients speak it: what is written can be read by botocore."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.local.gaps.cbor import CBORTag, dumps, loads

_LEAVES = (
    st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(_VALUES)
def test_value_when_written_and_read_then_is_the_same(value: object) -> None:
    """Every value that an answer may hold survives."""
    assert loads(dumps(value)) == value


@pytest.mark.parametrize("length", [0, 23, 24, 255, 256, 65_535, 65_536])
def test_text_when_of_any_length_then_survives(length: int) -> None:
    """Each way CBOR has to write a length."""
    assert loads(dumps("x" * length)) == "x" * length


def test_none_when_written_then_is_read_as_none() -> None:
    """A reader leaves null members of a map out, and knows null elsewhere."""
    assert loads(dumps([None])) == [None]


def test_timestamp_when_tagged_then_is_a_time() -> None:
    """Alarms carry timestamps: seconds since the epoch under tag 1."""
    at = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)

    assert loads(dumps(CBORTag(1, at.timestamp()))) == at


@pytest.mark.parametrize("value", [object(), 2**64])
def test_value_when_it_has_no_form_then_is_refused(value: object) -> None:
    """Nothing is written that could not be read."""
    with pytest.raises(TypeError):
        dumps(value)
