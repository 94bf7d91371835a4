"""`parjanya inspect --json`: the keys and codes that scripts rely on."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from parjanya_dagster.cli.inspect import inspect_paths, inspect_record
from parjanya_dagster.core.truth.technical import TechnicalLimits
from parjanya_dagster.imaging.decoder import Decoder
from tests.unit.imaging.test_header import FILES

KEYS = ["path", "valid", "reasons", "format", "width", "height", "orientation", "exif", "technical"]
EXIF_KEYS = [
    "make",
    "model",
    "datetime_original",
    "offset_time",
    "iso",
    "exposure_time_s",
    "fnumber",
    "focal_length_mm",
    "lens_model",
    "gps_latitude",
    "gps_longitude",
]


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    """A decoder for the module, with a small byte limit."""
    with Decoder(TechnicalLimits(max_bytes=100_000)) as shared:
        yield shared


def test_record_has_the_contracts_keys_and_json_types(decoder: Decoder, tmp_path: Path) -> None:
    """One photo, every key, in the order of the contract."""
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(FILES["JPEG"])

    record = json.loads(json.dumps(inspect_record(photo, decoder), allow_nan=False))

    assert list(record) == KEYS
    assert list(record["exif"]) == EXIF_KEYS
    assert (record["path"], record["valid"], record["reasons"]) == (str(photo), True, [])
    assert (record["format"], record["width"], record["height"], record["orientation"]) == ("JPEG", 96, 64, 1)
    assert record["exif"]["datetime_original"] == "2024:05:06 07:08:09"
    assert record["exif"]["lens_model"] is None
    assert all(isinstance(value, int | float) for value in record["technical"].values())
    assert record["technical"]["noise_sigma"] > 0


def test_paths_that_are_no_readable_files_have_codes_and_the_rest_continues(
    decoder: Decoder, tmp_path: Path
) -> None:
    """A missing path among others is a record like the others, in its place."""
    pipe, large, photo = tmp_path / "pipe", tmp_path / "large.jpg", tmp_path / "photo.png"
    os.mkfifo(pipe)
    large.write_bytes(FILES["JPEG"] + bytes(100_000))
    photo.write_bytes(FILES["PNG"])
    paths = [tmp_path / "missing.jpg", tmp_path, pipe, large, Path("a\0b"), photo]

    records = list(inspect_paths(paths, decoder))

    assert [record["reasons"] for record in records] == [
        ["not_found"],
        ["not_a_file"],
        ["not_a_file"],
        ["too_many_bytes"],
        ["unreadable"],
        [],
    ]
    assert all(list(record) == KEYS and list(record["exif"]) == EXIF_KEYS for record in records)
    assert [record["valid"] for record in records] == [False] * 5 + [True]
