"""Golden answers: what a known-good engine said about a few images, said again before the first receive.

They catch what no hash can: another library, driver, kernel or GPU that computes something else from the very
same files. They belong to one model by its content hash, and lie beside it: `golden.json` and `golden/*.png`.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from gpu_worker.boot.failures import BootFailedError
from gpu_worker.boot.golden_images import Pixels, as_png, from_png
from gpu_worker.boot.whole_file import write_whole
from gpu_worker.engines.engine import Engine, ScorableImage
from gpu_worker.prompts.pack import PromptPack
from parjanya_dagster.core.belief.boot import BootFailure

GOLDEN: Final = "golden.json"
GOLDEN_IMAGES: Final = "golden"
TOLERANCES: Final[Mapping[str, float]] = {"float32": 1e-4}
_COARSE: Final = 0.02
"""Greatest difference of a probability in 16-bit arithmetic; source: shared notes on Qwen3-VL, section 6."""
_SLACK: Final = 1e-9
"""Binary fractions: 0.3 - 0.2999 is a little more than 0.0001."""

Said = dict[str, dict[str, dict[str, float]]]
"""Image → question → label → probability."""


class Golden(BaseModel):
    """Golden answers of one model.

    Args:
        model: content hash of the manifest that they belong to.
        tolerance: greatest difference of a probability that is no difference.
        images: sha256 of each image's file.
        answers: by `PromptPack.fingerprint_part`.
        dtype, engine, hardware: what they were computed with; see `FingerprintParts`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(default=1, ge=1, le=1)
    made_at: AwareDatetime
    model: str
    dtype: str
    engine: str
    hardware: str
    tolerance: float = Field(gt=0, lt=1)
    images: dict[str, str] = Field(min_length=1)
    answers: dict[str, Said]


def tolerance_of(dtype: str) -> float:
    """Return how far a probability may be off in this arithmetic."""
    return TOLERANCES.get(dtype, _COARSE)


def said_by(engine: Engine, pack: PromptPack, images: Mapping[str, Pixels]) -> Said:
    """Return what an engine answers about images.

    Raises:
        Exception: whatever the engine raises.
    """
    scorable = [ScorableImage(pixels=pixels) for pixels in images.values()]
    answered = engine.answer(scorable, pack)
    return {
        name: {question: dict(answer.probabilities) for question, answer in answers.by_question.items()}
        for name, answers in zip(images, answered, strict=True)
    }


def read_golden(folder: Path, *, model: str, pack: PromptPack) -> Golden:
    """Return the golden answers of a model folder.

    Args:
        model: content hash of the folder's manifest.
        pack: that they must answer.

    Raises:
        BootFailedError: `golden_missing`: there are none, they cannot be read, or they are another model's or
            to other questions.
    """
    path = folder / GOLDEN
    if not path.is_file():
        raise BootFailedError(BootFailure.GOLDEN_MISSING, GOLDEN, "the folder has none")
    try:
        golden = Golden.model_validate_json(path.read_bytes())
    except ValidationError as error:
        what = f"it is none: {error.errors(include_url=False)[0]['msg']}"
        raise BootFailedError(BootFailure.GOLDEN_MISSING, GOLDEN, what) from error
    if golden.model != model:
        what = f"it is for the files with hash {golden.model[:12]}; the manifest lists {model[:12]}"
        raise BootFailedError(BootFailure.GOLDEN_MISSING, GOLDEN, what)
    if pack.fingerprint_part not in golden.answers:
        what = f"it has no answers to prompt pack {pack.id} as it is here"
        raise BootFailedError(BootFailure.GOLDEN_MISSING, GOLDEN, what)
    return golden


def read_images(folder: Path, golden: Golden) -> dict[str, Pixels]:
    """Return the images that golden answers are about.

    Raises:
        BootFailedError: `golden_missing` or `hash_differs`.
    """
    images = {}
    for name, sha256 in golden.images.items():
        path = folder / GOLDEN_IMAGES / name
        if not path.is_file():
            raise BootFailedError(BootFailure.GOLDEN_MISSING, f"{GOLDEN_IMAGES}/{name}", "it is not there")
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            what = f"its sha256 is not the one in {GOLDEN}"
            raise BootFailedError(BootFailure.HASH_DIFFERS, f"{GOLDEN_IMAGES}/{name}", what)
        images[name] = from_png(content)
    return images


def require_golden(golden: Golden, said: Said, pack: PromptPack, *, dtype: str) -> str:
    """Demand the golden answers; return how near they are.

    Args:
        said: by the engine that boots.
        pack: that both answer.
        dtype: that it computes in; the coarser of the two arithmetics decides what is a difference.

    Raises:
        BootFailedError: `golden_differs`, with the greatest difference.
    """
    wanted, found = _flat(golden.answers[pack.fingerprint_part]), _flat(said)
    if wanted.keys() != found.keys():
        first = "/".join(min(wanted.keys() ^ found.keys()))
        raise BootFailedError(BootFailure.GOLDEN_DIFFERS, first, "only one side has an answer")
    tolerance = max(golden.tolerance, tolerance_of(dtype))
    worst = max(wanted, key=lambda at: abs(found[at] - wanted[at]))
    difference = abs(found[worst] - wanted[worst])
    if difference > tolerance + _SLACK:
        what = (
            f"probability {found[worst]:.5f}, golden {wanted[worst]:.5f}: {difference:.5f} apart, "
            f"{tolerance} allowed (made on {golden.hardware} in {golden.dtype})"
        )
        raise BootFailedError(BootFailure.GOLDEN_DIFFERS, "/".join(worst), what)
    return f"{len(said)} images, at most {difference:.1e} off, {tolerance} allowed"


def write_golden(folder: Path, golden: Golden, images: Mapping[str, bytes]) -> None:
    """Write golden answers and their images; the answers last, so that they never name what is not there.

    Args:
        images: PNG files by name.
    """
    (folder / GOLDEN_IMAGES).mkdir(exist_ok=True)
    for name, content in images.items():
        write_whole(folder / GOLDEN_IMAGES / name, content)
    write_whole(folder / GOLDEN, (golden.model_dump_json(indent=1) + "\n").encode())


def encoded(images: Mapping[str, Pixels]) -> dict[str, bytes]:
    """Return images as PNG files by name."""
    return {name: as_png(pixels) for name, pixels in images.items()}


def _flat(said: Said) -> dict[tuple[str, str, str], float]:
    return {
        (image, question, label): p
        for image, questions in said.items()
        for question, labels in questions.items()
        for label, p in labels.items()
    }
