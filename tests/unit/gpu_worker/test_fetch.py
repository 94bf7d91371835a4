"""Fetching: the preview, the original in its place, and what is missing."""

from dataclasses import replace

import pytest

from gpu_worker.fetch import Scorable, fetch
from parjanya_dagster.core.execution.outcome import Retry, TerminalFailure
from parjanya_dagster.core.reading import Readable, Unreadable
from parjanya_dagster.core.truth.exif import Exif
from parjanya_dagster.core.truth.row import ImageRow
from parjanya_dagster.core.truth.technical import TechnicalFacts
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import a_job, a_row, previews_of, some_facts
from tests.unit.gpu_worker.scripted_engine import a_preview

ORIGINAL = b"original bytes"


def _stored(row: ImageRow, *, preview: bytes | None, original: bytes | None = ORIGINAL) -> FakePlatform:
    fakes = a_fake_platform()
    fakes.images.put_facts(row.key, some_facts(technical={"width": 60, "statistics": {"luma_mean": 99.5}}))
    assert row.original
    if preview is not None:
        fakes.objects.add(row.original.bucket, previews_of(row.key).model_key, preview)
    if original is not None:
        fakes.objects.add(row.original.bucket, row.original.key, original)
    fakes.reader.verdicts[ORIGINAL] = Readable(
        technical=TechnicalFacts(size_bytes=14, format="JPEG", width=61),
        exif=Exif(make="Canon"),
        display=b"",
        model=a_preview(50),
    )
    return fakes


def test_image_when_its_preview_is_there_is_decoded_from_it() -> None:
    """The original isn't touched: it was decoded once, at ingestion."""
    fakes = _stored(a_row(), preview=a_preview(200))

    fetched = fetch(fakes.platform(), a_job(), receive_count=1)

    assert isinstance(fetched, Scorable)
    assert fetched.image.pixels.shape == (32, 64, 3)
    assert fetched.image.pixels.max() == 200
    assert fetched.image.native == {"luma_mean": 99.5}
    assert fetched.image.facts == {"width": 60.0}
    assert fakes.calls.count("reader.read") == 0


@pytest.mark.parametrize("preview", [None, b"not a picture", a_preview()[:60]])
def test_image_when_its_preview_is_gone_or_broken_comes_from_the_original(preview: bytes | None) -> None:
    """A preview can be made again; the image isn't to blame."""
    fakes = _stored(a_row(), preview=preview)

    fetched = fetch(fakes.platform(), a_job(), receive_count=1)

    assert isinstance(fetched, Scorable)
    assert fetched.image.pixels.max() == 50
    assert fetched.exif is not None
    assert fetched.exif["make"] == "Canon"


def test_image_when_neither_can_be_decoded_fails_with_the_reason() -> None:
    """The image itself can't be scored; another attempt would end the same."""
    fakes = _stored(a_row(), preview=None)
    fakes.reader.verdicts[ORIGINAL] = Unreadable(reasons=("truncated",))

    fetched = fetch(fakes.platform(), a_job(), receive_count=1)

    assert fetched == TerminalFailure(code="preview_missing", detail="original: truncated")


def test_object_when_missing_is_waited_for_and_then_given_up() -> None:
    """A few deliveries later it will not come any more."""
    fakes = _stored(a_row(), preview=None, original=None)
    job = a_job()

    first = fetch(fakes.platform(), job, receive_count=1)
    third = fetch(fakes.platform(), job, receive_count=3)

    assert isinstance(first, Retry)
    assert isinstance(third, TerminalFailure)
    assert third.code == "object_missing"


def test_job_when_it_names_no_preview_is_scored_from_the_original() -> None:
    """Rows rebuilt from objects may have none."""
    fakes = _stored(a_row(), preview=None)
    job = a_job().model_copy(update={"model_key": None})

    assert isinstance(fetch(fakes.platform(), job, receive_count=1), Scorable)


def test_original_when_replaced_is_read_at_the_version_of_the_job() -> None:
    """Readers use the version that ingestion pinned, whatever lies under the key now."""
    row = a_row()
    fakes = _stored(row, preview=None)
    assert row.original
    fakes.objects.add(row.original.bucket, row.original.key, b"somebody else's bytes")
    job = a_job(replace(row, original=replace(row.original, version_id="version-1")))

    fetched = fetch(fakes.platform(), job, receive_count=1)

    assert isinstance(fetched, Scorable)
    assert fetched.technical["width"] == 61
