"""Fetching: the previews, the original in their place, and what is missing."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from gpu_worker.engines.engine import DECODE_PATH
from gpu_worker.fetch import DISPLAY_PATH, SCALED_PATH, Scorable, from_original, from_previews
from parjanya_dagster.core.execution.outcome import Outcome, Retry, TerminalFailure
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.reading import Readable, Unreadable
from parjanya_dagster.core.truth.exif import Exif
from parjanya_dagster.core.truth.row import ImageRow
from parjanya_dagster.core.truth.technical import TechnicalFacts, TechnicalReason
from parjanya_dagster.imaging.grid import model_size
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import a_job, a_row, previews_of, some_facts
from tests.unit.gpu_worker.scripted_engine import a_preview

ORIGINAL = b"original bytes"
MEASURED = {"width": 6000, "height": 4000, "statistics": {"luma_mean": 99.5}}


def a_display(width: int, height: int, level: int = 120) -> bytes:
    """Return a JPEG of one grey level."""
    buffer = BytesIO()
    Image.fromarray(np.full((height, width, 3), level, np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def stored(
    row: ImageRow,
    *,
    model: bytes | None = None,
    display: bytes | None = None,
    original: bytes | None = ORIGINAL,
    is_measured: bool = True,
) -> FakePlatform:
    """Return a world that holds so much of one image."""
    fakes = a_fake_platform()
    technical = MEASURED if is_measured else {"width": 6000, "height": 4000}
    fakes.images.put_facts(row.key, some_facts(technical=technical))
    assert row.original
    bucket, previews = row.original.bucket, previews_of(row.key)
    for key, body in (
        (previews.model_key, model),
        (previews.display_key, display),
        (row.original.key, original),
    ):
        if body is not None:
            fakes.objects.add(bucket, key, body)
    fakes.reader.verdicts[ORIGINAL] = Readable(
        technical=TechnicalFacts(size_bytes=14, format="JPEG", width=61),
        exif=Exif(make="Canon"),
        display=b"",
        model=a_preview(50),
    )
    return fakes


def read_original(
    fakes: FakePlatform, job: Job | None = None, *, receive_count: int = 1
) -> Scorable | Outcome:
    """Return what the original gives."""
    return from_original(fakes.platform(), job or a_job(), receive_count=receive_count)


def test_image_when_its_model_preview_is_there_is_decoded_from_it() -> None:
    """The original isn't touched: it was decoded once, at ingestion."""
    fakes = stored(a_row(), model=a_preview(200), display=a_display(1536, 1024))

    fetched = from_previews(fakes.platform(), a_job())

    assert fetched is not None
    assert fetched.image.pixels.shape == (32, 64, 3)
    assert fetched.image.pixels.max() == 200
    assert fetched.image.native == {"luma_mean": 99.5}
    assert fetched.image.facts == {"width": 6000.0, "height": 4000.0}
    assert fetched.decode_path == DECODE_PATH
    assert fakes.calls.count("reader.read") == 0


@pytest.mark.parametrize("model", [None, b"not a picture", a_preview()[:60]])
@pytest.mark.parametrize(("width", "height"), [(1536, 1024), (1024, 1536)])
def test_image_when_its_model_preview_is_gone_comes_from_the_other_one(
    model: bytes | None, width: int, height: int
) -> None:
    """At the very grid of the original, upright, and under a decode path of its own: pixels differ."""
    fakes = stored(a_row(), model=model, display=a_display(width, height))

    fetched = from_previews(fakes.platform(), a_job())

    assert fetched is not None
    native = (4000, 6000) if width > height else (6000, 4000)
    assert fetched.image.pixels.shape == (*model_size(*native), 3)
    assert fetched.decode_path == DISPLAY_PATH != DECODE_PATH
    assert fakes.calls.count("reader.read") == 0


@pytest.mark.parametrize(
    "display", [None, b"not a picture", a_display(1536, 1024)[:400], a_display(1600, 100), a_preview()]
)
def test_image_when_neither_preview_can_be_used_needs_its_original(display: bytes | None) -> None:
    """A preview can be made again; the image isn't to blame, and nothing foreign is taken for a preview."""
    fakes = stored(a_row(), display=display)

    assert from_previews(fakes.platform(), a_job()) is None


def test_image_when_nothing_was_measured_needs_its_original() -> None:
    """Rows rebuilt from objects have no facts: the policy would judge half an image."""
    row = a_row()
    fakes = a_fake_platform()
    assert row.original
    fakes.objects.add(row.original.bucket, previews_of(row.key).model_key, a_preview())

    assert from_previews(fakes.platform(), a_job(row)) is None


def test_original_when_the_image_was_measured_is_decoded_no_larger_than_needed() -> None:
    """Statistics are known already: the pixels come cheaper, and say so."""
    fakes = stored(a_row())

    fetched = read_original(fakes)

    assert isinstance(fetched, Scorable)
    assert (fetched.decode_path, fetched.image.pixels.max()) == (SCALED_PATH, 50)
    assert fetched.image.native == {"luma_mean": 99.5}


def test_original_when_nothing_was_measured_is_read_as_ingestion_reads_it() -> None:
    """The same code gives the same pixels: they are those of the preview that is missing."""
    fakes = stored(a_row(), is_measured=False)

    fetched = read_original(fakes)

    assert isinstance(fetched, Scorable)
    assert fetched.decode_path == DECODE_PATH
    assert fetched.exif is not None
    assert fetched.exif["make"] == "Canon"


def test_original_when_it_cannot_be_decoded_fails_with_the_reason() -> None:
    """The image itself can't be scored; another attempt would end the same."""
    fakes = stored(a_row())
    fakes.reader.verdicts[ORIGINAL] = Unreadable(reasons=("truncated",))

    assert read_original(fakes) == TerminalFailure(code="preview_missing", detail="original: truncated")


@pytest.mark.parametrize(
    "reason",
    [TechnicalReason.DECODER_OUT_OF_MEMORY, TechnicalReason.DECODER_TIMEOUT, TechnicalReason.DECODER_CRASHED],
)
def test_original_when_the_decoder_was_lost_is_tried_again_and_then_given_up(reason: TechnicalReason) -> None:
    """It may have been this machine: ingestion read the very same bytes."""
    fakes = stored(a_row())
    fakes.reader.verdicts[ORIGINAL] = Unreadable(reasons=(reason,))

    assert read_original(fakes) == Retry(reason="decoder_lost", delay_s=10)
    assert isinstance(read_original(fakes, receive_count=3), TerminalFailure)


def test_object_when_missing_is_waited_for_and_then_given_up() -> None:
    """A few deliveries later it will not come any more."""
    fakes = stored(a_row(), original=None)

    first, third = read_original(fakes), read_original(fakes, receive_count=3)

    assert isinstance(first, Retry)
    assert isinstance(third, TerminalFailure)
    assert third.code == "object_missing"


def test_job_when_it_names_no_preview_needs_the_original() -> None:
    """Rows rebuilt from objects may have none."""
    fakes = stored(a_row(), model=a_preview(), display=a_display(1536, 1024))
    job = a_job().model_copy(update={"model_key": None, "preview_key": None})

    assert from_previews(fakes.platform(), job) is None


def test_original_when_replaced_is_read_at_the_version_of_the_job() -> None:
    """Readers use the version that ingestion pinned, whatever lies under the key now."""
    row = a_row()
    fakes = stored(row, is_measured=False)
    assert row.original
    fakes.objects.add(row.original.bucket, row.original.key, b"somebody else's bytes")
    job = a_job(replace(row, original=replace(row.original, version_id="version-1")))

    fetched = read_original(fakes, job)

    assert isinstance(fetched, Scorable)
    assert fetched.technical["width"] == 61
