"""Fetching: from a job to an image in memory, or to the reason why there is nothing to score.

The model's own preview costs a copy, the one for people a small decode. The original is read only when both
are gone, and then by the decoder that can be lost. Whatever else scoring needs of a store is read here too:
the engine waits for none.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gpu_worker.engines.engine import DECODE_PATH, ScorableImage
from gpu_worker.preview_pixels import model_pixels, pixels_for_people
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.execution.outcome import Outcome, Retry, TerminalFailure
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.reading import Readable, ReadAtGrid, Unreadable
from parjanya_dagster.core.truth.result import IngestFacts, Result
from parjanya_dagster.core.truth.technical import TechnicalReason

DISPLAY_PATH: Final = "display-preview-1"
"""Pixels of the preview for people, first version: JPEG at 1536 px, resized to the model's grid."""
SCALED_PATH: Final = "scaled-original-1"
"""Pixels of an original that was decoded no larger than the model's grid asks for, first version."""

_TRIES: Final = 3
_RETRY_DELAY_S: Final = 10
_OF_THE_MOMENT: Final = frozenset(
    {TechnicalReason.DECODER_OUT_OF_MEMORY, TechnicalReason.DECODER_TIMEOUT, TechnicalReason.DECODER_CRASHED}
)
"""Reasons that may lie in this machine: ingestion read the very same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorable:
    """An image as it is scored and judged.

    Args:
        image: pixels at the model's grid, and native statistics.
        technical: stored form of the technical facts.
        exif: stored form of EXIF; None where ingestion left none.
        decode_path: how the pixels came about.
        decode_s: seconds that took.
        earlier: what the image was answered before; empty unless its job asks only some questions.
    """

    image: ScorableImage
    technical: Mapping[str, Any]
    exif: Mapping[str, Any] | None
    decode_path: str = DECODE_PATH
    decode_s: float = 0.0
    earlier: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decoded:
    """Pixels, how they came about, and the seconds that took."""

    pixels: npt.NDArray[np.uint8]
    path: str
    seconds: float


def from_previews(platform: Platform, job: Job) -> Scorable | None:
    """Return the image of a job from what ingestion stored; None where its original must be read.

    Raises:
        EdgeError: a store did not answer.
    """
    facts = platform.images.facts(job.key)
    if facts is None:
        return None
    decoded = _model_preview(platform, job) or _preview_for_people(platform, job, facts)
    if decoded is None:
        return None
    return _scorable(decoded, facts.technical, facts.exif, earlier=_earlier(platform, job))


def from_original(platform: Platform, job: Job, *, receive_count: int) -> Scorable | Outcome:
    """Return the image of a job from its original, or the outcome that takes its place.

    Args:
        receive_count: deliveries of the job; what is missing or kills decoders again and again stays so.

    Raises:
        EdgeError: a store did not answer.
    """
    original = platform.objects.get(job.source_bucket, job.source_key, version_id=job.source_version_id)
    if original is None:
        return _missing(job, receive_count=receive_count)
    facts = platform.images.facts(job.key)
    is_measured = facts is not None and bool(facts.technical.get("statistics"))
    began_at = platform.clock()
    reading = platform.reader.read_at_grid(original) if is_measured else platform.reader.read(original)
    if isinstance(reading, Unreadable):
        return _undecodable(reading, receive_count=receive_count)
    path = SCALED_PATH if isinstance(reading, ReadAtGrid) and reading.is_scaled else DECODE_PATH
    try:
        pixels = model_pixels(reading.model)
    except ValueError as error:
        return TerminalFailure(code="preview_missing", detail=str(error))
    decoded = _Decoded(pixels=pixels, path=path, seconds=_seconds_since(platform, began_at))
    earlier = _earlier(platform, job)
    if isinstance(reading, Readable):
        return _scorable(decoded, asdict(reading.technical), asdict(reading.exif), earlier=earlier)
    assert facts is not None  # noqa: S101 - for mypy: the facts chose this reading
    return _scorable(decoded, facts.technical, facts.exif, earlier=earlier)


def scorable(
    model_preview: bytes, *, technical: Mapping[str, Any], exif: Mapping[str, Any] | None
) -> Scorable:
    """Return an image from the PNG that ingestion stores at the model's grid.

    Raises:
        ValueError: not such a PNG.
    """
    return _scorable(
        _Decoded(pixels=model_pixels(model_preview), path=DECODE_PATH, seconds=0.0), technical, exif
    )


def _missing(job: Job, *, receive_count: int) -> Outcome:
    if receive_count < _TRIES:
        return Retry(reason="object_missing", delay_s=_RETRY_DELAY_S)
    where = f"{job.source_bucket}/{job.source_key}"
    return TerminalFailure(code="object_missing", detail=f"{where} was not there {receive_count} times")


def _undecodable(reading: Unreadable, *, receive_count: int) -> Outcome:
    if receive_count < _TRIES and _OF_THE_MOMENT.intersection(reading.reasons):
        return Retry(reason="decoder_lost", delay_s=_RETRY_DELAY_S)
    return TerminalFailure(code="preview_missing", detail=f"original: {', '.join(reading.reasons)}")


def _model_preview(platform: Platform, job: Job) -> _Decoded | None:
    preview = platform.objects.get(job.previews_in, job.model_key) if job.model_key else None
    return None if preview is None else _decoded(platform, lambda: model_pixels(preview), DECODE_PATH)


def _preview_for_people(platform: Platform, job: Job, facts: IngestFacts) -> _Decoded | None:
    sides = _numbers({side: facts.technical.get(side) for side in ("width", "height")})
    preview = platform.objects.get(job.previews_in, job.preview_key) if job.preview_key else None
    if preview is None or len(sides) < 2:  # noqa: PLR2004 - both sides, or the grid is unknown
        return None
    width, height = (int(side) for side in sides.values())
    return _decoded(platform, lambda: pixels_for_people(preview, native_sides=(width, height)), DISPLAY_PATH)


def _decoded(platform: Platform, decode: Callable[[], npt.NDArray[np.uint8]], path: str) -> _Decoded | None:
    """Return a preview's pixels; None if it is broken: it can be made again, and the next source decides."""
    began_at = platform.clock()
    try:
        pixels = decode()
    except ValueError:
        return None
    return _Decoded(pixels=pixels, path=path, seconds=_seconds_since(platform, began_at))


def _scorable(
    decoded: _Decoded,
    technical: Mapping[str, Any],
    exif: Mapping[str, Any] | None,
    *,
    earlier: tuple[Result, ...] = (),
) -> Scorable:
    image = ScorableImage(
        pixels=decoded.pixels,
        native=_numbers(technical.get("statistics") or {}),
        facts=_numbers(technical),
    )
    return Scorable(
        image=image,
        technical=technical,
        exif=exif,
        decode_path=decoded.path,
        decode_s=decoded.seconds,
        earlier=earlier,
    )


def _seconds_since(platform: Platform, began_at: datetime) -> float:
    return (platform.clock() - began_at).total_seconds()


def _earlier(platform: Platform, job: Job) -> tuple[Result, ...]:
    return tuple(platform.images.results(job.key)) if job.questions is not None else ()


def _numbers(stored: Mapping[str, Any]) -> dict[str, float]:
    """Return what is a number; a store may hand numbers back as decimals."""
    return {
        name: float(value)
        for name, value in stored.items()
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    }
