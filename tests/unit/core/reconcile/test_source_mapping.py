"""Mapping files: what they say, and every fault at once."""

from datetime import UTC, datetime

import pytest

from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.reconcile.source_mapping import IMAGE_SUFFIXES, SourceMapping, mapping_from

FAULTY = """\
[columns]
kee = "s3_path"
[statuses]
done = "take"
[priorities]
rush = "highest"
[selekt]
suffixes = [".jpg"]
"""


def test_whole_mapping_is_read() -> None:
    """Every part of the format, dates without a time or a zone included."""
    mapping = mapping_from(
        """
        [columns]
        key = "path"
        status = "state"
        [statuses]
        done = "adopt"
        [priorities]
        rush = "high"
        [defaults]
        uploader = "archive"
        [select]
        suffixes = [".jpg"]
        since = 2019-01-01
        until = 2020-01-01T12:00:00
        """
    )

    assert (mapping.columns.key, mapping.statuses, mapping.priorities) == (
        "path",
        {"done": "adopt"},
        {"rush": "high"},
    )
    assert mapping.select.since == datetime(2019, 1, 1, tzinfo=UTC)
    assert mapping.select.until == datetime(2020, 1, 1, 12, tzinfo=UTC)
    assert mapping.defaults.uploader == "archive"


def test_empty_mapping_takes_what_looks_like_an_image() -> None:
    """A bucket needs no mapping at all."""
    assert mapping_from("") == SourceMapping()
    assert SourceMapping().select.suffixes == IMAGE_SUFFIXES


def test_every_fault_of_a_mapping_is_reported_with_its_line() -> None:
    """Nobody mends a file one run at a time."""
    with pytest.raises(InvalidRequestError) as refusal:
        mapping_from(FAULTY)

    text = str(refusal.value)
    assert "line 2, columns.kee: no such setting" in text
    assert "line 4, statuses.done: Input should be 'adopt' or 'skip'" in text
    assert "line 6, priorities.rush: " in text
    assert "line 7, selekt: no such setting" in text


def test_fault_that_has_no_line_of_its_own_is_named() -> None:
    """An inline table is legal TOML, and its faults are found too."""
    with pytest.raises(InvalidRequestError, match=r"\n  columns\.kee: no such setting"):
        mapping_from('columns = {kee = "x"}')


def test_mapping_that_is_no_toml_is_refused() -> None:
    """What is wrong, and where."""
    with pytest.raises(InvalidRequestError, match="not TOML: Expected"):
        mapping_from("[columns")


def test_statuses_without_their_column_are_refused() -> None:
    """Otherwise everything would be adopted, the deleted included."""
    with pytest.raises(InvalidRequestError, match="no column `status`"):
        mapping_from('[statuses]\ndeleted = "skip"')
