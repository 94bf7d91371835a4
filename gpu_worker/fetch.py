"""Fetching: from a job to an image in memory, or to the reason why there is nothing to score.

The model's own preview costs a copy; the original is read only when that preview is gone, and then by
the decoder that can be lost. Whatever else scoring needs of a store is read here too: the engine waits for
none.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from io import BytesIO
from typing import Any, Final

import numpy as np
from PIL import Image

from gpu_worker.engines.engine import ScorableImage
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.execution.outcome import Outcome, Retry, TerminalFailure
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.reading import Unreadable
from parjanya_dagster.core.truth.result import Result

_MISSING_TRIES: Final = 3
_MISSING_DELAY_S: Final = 10
_MAX_PREVIEW_PIXELS: Final = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorable:
    """An image as it is scored and judged.

    Args:
        image: pixels at the model's grid, and native statistics.
        technical: stored form of the technical facts.
        exif: stored form of EXIF; None where ingestion left none.
        earlier: what the image was answered before; empty unless its job asks only some questions.
    """

    image: ScorableImage
    technical: Mapping[str, Any]
    exif: Mapping[str, Any] | None
    earlier: tuple[Result, ...] = ()


def fetch(platform: Platform, job: Job, *, receive_count: int) -> Scorable | Outcome:
    """Return the image of a job, decoded, or the outcome that takes its place.

    Args:
        receive_count: deliveries of the job; an object that is missing again and again will not come.

    Raises:
        EdgeError: a store did not answer.
    """
    fetched = _from_preview(platform, job) or _from_original(platform, job, receive_count=receive_count)
    if job.questions is None or not isinstance(fetched, Scorable):
        return fetched
    return replace(fetched, earlier=tuple(platform.images.results(job.key)))


def scorable(
    model_preview: bytes, *, technical: Mapping[str, Any], exif: Mapping[str, Any] | None
) -> Scorable:
    """Return an image from the PNG that ingestion stores at the model's grid.

    Raises:
        ValueError: not such a PNG.
    """
    image = ScorableImage(
        pixels=_decoded(model_preview),
        native=_numbers(technical.get("statistics") or {}),
        facts=_numbers(technical),
    )
    return Scorable(image=image, technical=technical, exif=exif)


def _from_preview(platform: Platform, job: Job) -> Scorable | None:
    facts = platform.images.facts(job.key)
    preview = platform.objects.get(job.previews_in, job.model_key) if job.model_key else None
    if facts is None or preview is None:
        return None
    try:
        return scorable(preview, technical=facts.technical, exif=facts.exif)
    except ValueError:
        return None  # a preview can be made again, the original decides


def _from_original(platform: Platform, job: Job, *, receive_count: int) -> Scorable | Outcome:
    original = platform.objects.get(job.source_bucket, job.source_key, version_id=job.source_version_id)
    if original is None:
        if receive_count < _MISSING_TRIES:
            return Retry(reason="object_missing", delay_s=_MISSING_DELAY_S)
        where = f"{job.source_bucket}/{job.source_key}"
        return TerminalFailure(code="object_missing", detail=f"{where} was not there {receive_count} times")
    reading = platform.reader.read(original)
    if isinstance(reading, Unreadable):
        return TerminalFailure(code="preview_missing", detail=f"original: {', '.join(reading.reasons)}")
    try:
        return scorable(reading.model, technical=asdict(reading.technical), exif=asdict(reading.exif))
    except ValueError as error:
        return TerminalFailure(code="preview_missing", detail=str(error))


def _numbers(stored: Mapping[str, Any]) -> dict[str, float]:
    """Return what is a number; a store may hand numbers back as decimals."""
    return {
        name: float(value)
        for name, value in stored.items()
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    }


def _decoded(png: bytes) -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
    """Return pixels: uint8 [height, width, 3], sRGB."""
    try:
        with Image.open(BytesIO(png), formats=("PNG",)) as image:
            if image.width * image.height > _MAX_PREVIEW_PIXELS:
                raise ValueError(f"a preview of {image.width}x{image.height} pixels is not one of ours")
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"the model's preview is not a PNG: {error}") from error
