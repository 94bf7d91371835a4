"""Fitting of the cpu engine's content model, and the corpus as it is fitted on and held out from.

Each image is taken three times, through ingest's own decoder: as it is, as a JPEG of quality 60, and at half
size. So what a file went through, which differs between the corpus' classes, can't be what is learnt.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from gpu_worker.engines.engine import ScorableImage
from gpu_worker.engines.image_statistics import at_common_size, content_statistics
from parjanya_dagster.core.truth.technical import TechnicalLimits
from parjanya_dagster.imaging.decode import decode
from parjanya_dagster.imaging.reading import Ingested

PHOTO: Final = "photo"
OTHERS: Final = ("screenshot", "banner", "social_card", "infographic", "slide", "illustration", "mockup")
TEXT_HEAVY: Final = ("screenshot", "social_card", "infographic", "slide")
NOT_TEXT_HEAVY: Final = (PHOTO, "illustration")
TEXT_STATISTICS: Final = ("block_inked", "block_on_ground", "edge_row_unevenness", "edge_aligned")
AS_IS: Final = "as it is"
RIDGE: Final = 3.0
"""Penalty on standardised coefficients. Fixed beforehand; results hardly move between 1 and 10."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One variant of one corpus image.

    Args:
        source: the repository it came from: what is held out together.
        variant: what was done to the file before ingest saw it.
        has_camera: whether the file names a camera; for one comparison only, the engine never sees it.
    """

    content_class: str
    source: str
    variant: str
    image: ScorableImage
    technical: dict[str, Any]
    has_camera: bool
    statistics: dict[str, float]


def read_corpus(folder: Path) -> list[Sample]:
    """Return every variant of every image with one of the eight classes, in the manifest's order."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as manifest:
        rows = [row for row in csv.DictReader(manifest) if row["class"] in (PHOTO, *OTHERS)]
    jobs = [(folder / row["path"], row["class"], row["source_repo"]) for row in rows]
    with ProcessPoolExecutor(2) as pool:
        return [sample for samples in pool.map(_samples_of, jobs, chunksize=4) for sample in samples]


def fit_document(
    samples: Sequence[Sample], *, ridge: float = RIDGE, without: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the content model of these samples, as it is stored.

    Args:
        samples: what to learn from.
        ridge: penalty on the squares of standardised coefficients, > 0.
        without: statistics to leave out, for comparisons.
    """
    names = [name for name in samples[0].statistics if name not in without]
    raw = np.array([[sample.statistics[name] for name in names] for sample in samples])
    mean, scale = raw.mean(axis=0), raw.std(axis=0) + 1e-6
    standard = np.clip((raw - mean) / scale, -4, 4)
    classes = np.array([sample.content_class for sample in samples])
    text = [index for index, name in enumerate(names) if name in TEXT_STATISTICS]
    is_other, has_text_label = classes != PHOTO, np.isin(classes, (*TEXT_HEAVY, *NOT_TEXT_HEAVY))
    return {
        "statistics": names,
        "mean": _digits(mean),
        "scale": _digits(scale),
        "photograph": _against(standard, classes == PHOTO, ridge, list(range(len(names)))),
        "other_classes": _linear(OTHERS, *_softmax_fit(standard[is_other], classes[is_other], OTHERS, ridge)),
        "text_heavy": _against(
            standard[has_text_label], np.isin(classes[has_text_label], TEXT_HEAVY), ridge, text
        ),
    }


def to_bytes(document: dict[str, Any]) -> bytes:
    """Return a model document as it lies in the package."""
    return (json.dumps(document, indent=1) + "\n").encode()


def _samples_of(job: tuple[Path, str, str]) -> list[Sample]:
    path, content_class, source = job
    samples = []
    for variant, content in _variants(path.read_bytes()):
        reading = decode(content, TechnicalLimits())
        if not isinstance(reading, Ingested):
            raise TypeError(f"{path.name} ({variant}) was rejected: {reading.reasons}")
        with Image.open(io.BytesIO(reading.model_grid.content)) as grid:
            pixels = np.asarray(grid.convert("RGB"))
        technical = asdict(reading.facts)
        samples.append(
            Sample(
                content_class=content_class,
                source=source,
                variant=variant,
                image=ScorableImage(pixels=pixels, native=technical["statistics"]),
                technical=technical,
                has_camera=reading.exif.make is not None and variant == AS_IS,
                statistics=content_statistics(at_common_size(pixels)),
            )
        )
    return samples


def _variants(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the file as it is, then from the decoded preview what a messenger or a web site makes of it."""
    yield AS_IS, content
    reading = decode(content, TechnicalLimits())
    if not isinstance(reading, Ingested):
        return
    picture = Image.open(io.BytesIO(reading.preview.content)).convert("RGB")
    yield "JPEG quality 60", _jpeg(picture, quality=60)
    half = (max(64, picture.width // 2), max(64, picture.height // 2))
    yield "half size", _jpeg(picture.resize(half, Image.Resampling.LANCZOS), quality=85)


def _jpeg(picture: Image.Image, *, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _against(
    standard: Matrix, is_it: npt.NDArray[np.bool_], ridge: float, columns: list[int]
) -> dict[str, Any]:
    """Return one score for yes against no, from some columns; the others get weight 0."""
    answers = np.where(is_it, "yes", "no")
    weights, biases = _softmax_fit(standard[:, columns], answers, ("yes", "no"), ridge)
    spread = np.zeros((1, standard.shape[1]))
    spread[0, columns] = weights[0] - weights[1]
    return _linear(("yes",), spread, biases[:1] - biases[1:])


def _softmax_fit(
    standard: Matrix, answers: npt.NDArray[np.str_], labels: tuple[str, ...], ridge: float
) -> tuple[Matrix, Matrix]:
    """Return weights [labels, statistics] and biases [labels] of a ridge softmax regression, by Newton.

    Labels weigh the same however many samples they have; three variants of a file count as one sample.
    """
    design = np.c_[standard, np.ones(len(standard))]
    target = (answers[:, None] == np.array(labels)).astype(float)
    importance = (target / target.sum(axis=0)).sum(axis=1) * len(standard) / len(labels) / 3
    penalty = np.tile(np.r_[np.full(standard.shape[1], ridge), 1e-3], len(labels))
    theta = np.zeros((len(labels), design.shape[1]))
    for _ in range(40):
        scores = design @ theta.T
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        gradient = (importance[:, None] * (p - target)).T @ design
        flows = (p[:, :, None] * design[:, None, :]).reshape(len(design), -1)
        curvature = -(importance[:, None] * flows).T @ flows
        for rank in range(len(labels)):
            block = slice(rank * design.shape[1], (rank + 1) * design.shape[1])
            curvature[block, block] += ((importance * p[:, rank])[:, None] * design).T @ design
        step = np.linalg.solve(curvature + np.diag(penalty), gradient.ravel() + penalty * theta.ravel())
        theta -= step.reshape(theta.shape)
        if np.abs(step).max() < 1e-7:  # noqa: PLR2004 - below the digits that are stored
            break
    return theta[:, :-1], theta[:, -1]


def _linear(labels: tuple[str, ...], weights: Matrix, biases: Matrix) -> dict[str, Any]:
    return {"labels": list(labels), "weights": [_digits(row) for row in weights], "biases": _digits(biases)}


def _digits(values: Matrix) -> list[float]:
    return [round(float(value), 6) for value in values]
