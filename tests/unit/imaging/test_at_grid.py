"""Decoding for a model alone: the same picture at the same grid, from no more pixels than it needs."""

import io

import numpy as np
import pytest
from PIL import Image

from parjanya_dagster.core.truth.technical import TechnicalLimits
from parjanya_dagster.imaging.decode import decode, decode_at_grid
from parjanya_dagster.imaging.decoder import Decoder
from parjanya_dagster.imaging.reading import AtGrid, Ingested, Preview, Rejected, from_wire, to_wire
from parjanya_dagster.imaging.worker_process import FOR_A_MODEL, FOR_EVERYTHING
from tests.unit.imaging.pictures import a_smooth_scene, camera_exif, encoded
from tests.unit.imaging.test_header import FILES

LIMITS = TechnicalLimits()


def pixels_of(preview: Preview) -> np.ndarray:  # type: ignore[type-arg]  # as Pillow gives them
    """Return a preview's pixels."""
    return np.asarray(Image.open(io.BytesIO(preview.content)), float)


def likeness_db(preview: Preview, other: Preview) -> float:
    """Return the peak signal-to-noise ratio of two previews of one size."""
    error = np.mean((pixels_of(preview) - pixels_of(other)) ** 2)
    return float(10 * np.log10(255**2 / error))


def both(data: bytes) -> tuple[AtGrid, Preview]:
    """Return a valid file's reading for a model, and the preview that ingestion makes of it."""
    reading, whole = decode_at_grid(data, LIMITS), decode(data, LIMITS)
    assert isinstance(reading, AtGrid)
    assert isinstance(whole, Ingested)
    return reading, whole.model_grid


@pytest.mark.parametrize("kind", sorted(FILES))
def test_file_that_is_not_scaled_gives_the_very_pixels_of_ingestion(kind: str) -> None:
    """Then its answers may carry the usual fingerprint."""
    reading, preview = both(FILES[kind])

    assert not reading.is_scaled
    assert reading.model_grid == preview


@pytest.mark.parametrize("orientation", range(1, 9))
def test_large_jpeg_is_scaled_while_decoding_and_hardly_differs(orientation: int) -> None:
    """Upright, at the grid of its native size, and it says that its pixels are not the usual ones."""
    photo = encoded(a_smooth_scene(3000, 2000, block=40), exif=camera_exif(orientation), quality=90)

    reading, preview = both(photo)

    assert reading.is_scaled
    assert (reading.model_grid.width, reading.model_grid.height) == (preview.width, preview.height)
    assert likeness_db(reading.model_grid, preview) > 30


@pytest.mark.parametrize("size", [(3001, 1999), (4000, 130), (120, 3000), (2500, 2500)])
def test_jpeg_of_any_shape_has_the_grid_of_its_native_size(size: tuple[int, int]) -> None:
    """Scaling rounds its sides, which must not move it to another bucket."""
    reading, preview = both(encoded(a_smooth_scene(*size)))

    assert (reading.model_grid.width, reading.model_grid.height) == (preview.width, preview.height)


@pytest.mark.parametrize(
    "data", [b"", b"no picture", FILES["JPEG"][:500], FILES["PNG"][:200], FILES["HEIC"][:600]]
)
def test_hostile_file_is_rejected_for_the_reasons_of_ingestion(data: bytes) -> None:
    """Whatever a decoder raises is a reason."""
    whole = decode(data, LIMITS)
    assert isinstance(whole, Rejected)

    reading = decode_at_grid(data, LIMITS)

    assert isinstance(reading, Rejected)
    assert reading.reasons == whole.reasons


def test_reading_for_a_model_survives_the_wire() -> None:
    """What arrives is what was sent."""
    reading, _ = both(FILES["JPEG"])
    _, head, *contents = to_wire(reading)

    assert from_wire(head, b"".join(contents)) == reading


def test_child_reads_for_either_purpose_in_turn() -> None:
    """One process serves ingestion and the worker, each as asked."""
    with Decoder() as decoder:
        readings = [decoder.read_at_grid(FILES["JPEG"]), decoder.read(FILES["JPEG"])] * 2

    assert [type(reading) for reading in readings] == [AtGrid, Ingested] * 2


@pytest.mark.parametrize("read_for", [FOR_A_MODEL, FOR_EVERYTHING])
def test_child_that_answers_what_it_was_not_asked_is_not_believed(
    read_for: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder that was taken over can lie, no more."""
    reading, _ = both(FILES["JPEG"])
    answer = decode(FILES["JPEG"], LIMITS) if read_for == FOR_A_MODEL else reading
    monkeypatch.setattr("parjanya_dagster.imaging.worker_process.from_wire", lambda _head, _body: answer)

    with Decoder() as decoder:
        read = decoder.read_at_grid if read_for == FOR_A_MODEL else decoder.read
        believed = read(FILES["JPEG"])

    assert isinstance(believed, Rejected)
    assert believed.reasons == ("decoder_crashed",)
