"""The wire between decoder and parent: what arrives is what was sent, or an error, never code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.truth.technical import TechnicalLimits
from parjanya_dagster.imaging.decode import decode
from parjanya_dagster.imaging.reading import from_wire, to_wire, wire_lengths
from tests.unit.imaging.test_header import FILES


@pytest.mark.parametrize("data", [FILES["JPEG"], FILES["JPEG"][:500], b""])
def test_reading_survives_the_wire(data: bytes) -> None:
    """Accepted, truncated and empty files come back as they were."""
    reading = decode(data, TechnicalLimits())
    prefix, head, *contents = to_wire(reading)
    body = b"".join(contents)

    assert wire_lengths(prefix) == (len(head), len(body))
    assert from_wire(head, body) == reading


@given(head=st.binary(max_size=200))
def test_nonsense_from_the_child_is_a_value_error(head: bytes) -> None:
    """A decoder that was taken over can lie, no more."""
    with pytest.raises(ValueError, match=r".*"):
        from_wire(head, b"")


@pytest.mark.parametrize("head", [b"{}", b"[]", b'{"facts": {}, "exif": {}}', b'{"facts": null}'])
def test_incomplete_answer_is_a_value_error(head: bytes) -> None:
    """Missing parts are named, not passed on."""
    with pytest.raises(ValueError, match="malformed"):
        from_wire(head, b"")


def test_answer_of_a_terabyte_is_refused_before_it_is_read() -> None:
    """A length is a stranger's number too."""
    with pytest.raises(ValueError, match="not one of ours"):
        wire_lengths(b"\0\0\0\1" + (1 << 40).to_bytes(8))
