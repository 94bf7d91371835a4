"""Plain values as DynamoDB attribute values."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.aws.attributes import attribute_of, value_of
from parjanya_dagster.core.truth.row import Status

numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e125, max_value=1e125).filter(
    lambda value: value == 0 or abs(value) >= 1e-130
)
scalars = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | numbers | st.text() | st.binary()
plain = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(plain)
def test_plain_value_survives_the_way_there_and_back(value: object) -> None:
    """Every answer, fact and tag comes back equal, floats to the last bit."""
    assert value_of(attribute_of(value, name="value")) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e126])
def test_number_that_cannot_be_stored_is_named_by_its_place(value: float) -> None:
    """A NaN from some measurement is found by its name, not by DynamoDB's refusal of the whole item."""
    with pytest.raises(ValueError, match=r"answers\.focus\[1\]"):
        attribute_of({"focus": [0.5, value]}, name="answers")


def test_number_nearer_to_zero_than_dynamodb_knows_is_zero() -> None:
    """A probability that underflowed is no reason to lose the other probabilities."""
    assert attribute_of(5e-324, name="p") == {"N": "0"}


def test_value_of_another_type_is_refused_by_name() -> None:
    """A numpy scalar or datetime that slipped in is a bug of the writer."""
    with pytest.raises(TypeError, match="technical: a object cannot be stored"):
        attribute_of(object(), name="technical")


@pytest.mark.parametrize(
    ("value", "attribute"),
    [
        (Status.ENRICHED, {"S": "enriched"}),
        (True, {"BOOL": True}),
        ((1, "a"), {"L": [{"N": "1"}, {"S": "a"}]}),
    ],
)
def test_special_kinds_are_stored_as_what_they_are(value: object, attribute: dict[str, Any]) -> None:
    """Enumerations are text, booleans are not numbers, tuples are lists."""
    assert attribute_of(value, name="value") == attribute


def test_attribute_of_an_unknown_type_is_refused() -> None:
    """Sets are never written, so one that is read was not written by us."""
    with pytest.raises(TypeError, match="SS"):
        value_of({"SS": ["a"]})
