"""The embedded default engine: measured statistics instead of a model, on any machine, always the same.

It is a baseline and says so in its fingerprint. It tells photographs from composed images and good exposures
from bad ones; it knows nothing of what a photograph shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import comb
from typing import Final

from PIL import Image

from gpu_worker.engines.content_model import ContentModel, shipped_content_model
from gpu_worker.engines.engine import DECODE_PATH, Engine, EngineOptions, ScorableImage
from gpu_worker.engines.image_quality import quality_scores
from gpu_worker.engines.image_statistics import at_common_size, content_statistics
from gpu_worker.prompts.pack import PromptPack, Question, QuestionKind
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.execution.fingerprint import FingerprintParts
from parjanya_dagster.core.truth.answers import Answer, Answers
from parjanya_dagster.imaging.native import measure

_VERSION: Final = "cpu-1"
"""Raised with every change of a formula, so that answers from before are not taken for answers from after."""

_BUCKET: Final = "any"
_SCORED: Final = ("sharpness", "exposure", "noise", "colourfulness", "contrast", "overall_quality")
_NEEDED: Final = (
    *("sharpness_max", "sharpness_p90", "detail_ratio", "noise_sigma"),
    *("luma_contrast", "luma_mean", "luma_p99", "clipped_highlights", "clipped_shadows"),
)


class CpuEngine:
    """Answers by measuring. Thread-safe: it keeps nothing between images."""

    def __init__(self, model: ContentModel) -> None:
        """Take the coefficients to judge content with."""
        self._model = model

    @property
    def name(self) -> str:
        """The name it is registered under."""
        return "cpu"

    @property
    def pixel_budgets(self) -> tuple[int, ...]:
        """None: it needs no memory worth mentioning."""
        return ()

    def bucket_of(self, image: ScorableImage) -> str:
        """Return the one bucket there is: no image is dearer than another."""
        del image
        return _BUCKET

    def fingerprint_parts(self, pack: PromptPack, *, pixel_budget: int | None = None) -> FingerprintParts:
        """Return everything that its answers depend on; hardware does not change the stored digits."""
        del pixel_budget
        return FingerprintParts(
            weights=self._model.content_hash,
            prompt_pack=pack.fingerprint_part,
            decode_path=DECODE_PATH,
            bucket=_BUCKET,
            dtype="float32",
            engine=_VERSION,
            hardware="cpu",
        )

    def fingerprint(self, pack: PromptPack, *, pixel_budget: int | None = None) -> str:
        """Return the digest of `fingerprint_parts`."""
        del pixel_budget
        return self.fingerprint_parts(pack).digest

    def answer(
        self, images: Sequence[ScorableImage], pack: PromptPack, *, pixel_budget: int | None = None
    ) -> list[Answers]:
        """Return the answers to all of a pack's questions, one per image and in their order.

        Raises:
            ConfigError: the pack asks something that can't be measured.
        """
        del pixel_budget
        for question in pack.questions:
            _require_measurable(question, self._model)
        fingerprint = self.fingerprint(pack)
        return [self._answers(image, pack, fingerprint) for image in images]

    def _answers(self, image: ScorableImage, pack: PromptPack, fingerprint: str) -> Answers:
        small = at_common_size(image.pixels)
        content = self._model.probabilities(content_statistics(small))
        scores = quality_scores(_native_of(image), small)
        answers = (
            Answer.from_probabilities(
                question.id,
                _rating(scores[question.id], question)
                if question.kind is QuestionKind.ORDINAL
                else content[question.id],
                values=question.values,
            )
            for question in pack.questions
        )
        return Answers.of(*answers, fingerprint=fingerprint)


def cpu_engine(options: EngineOptions) -> Engine:
    """Return the engine with the coefficients that came with the package; it has no options."""
    del options
    return CpuEngine(shipped_content_model())


def _native_of(image: ScorableImage) -> Mapping[str, float]:
    """Return ingest's statistics of the original; of the grid's pixels where those are not known."""
    if all(name in image.native for name in _NEEDED):
        return image.native
    return asdict(measure(Image.fromarray(image.pixels)))


def _rating(score: float, question: Question) -> dict[str, float]:
    """Return a binomial distribution over the labels, worst to best: its mean is the score exactly.

    A measurement knows no more than its score; the binomial's spread is an honest width for that.
    """
    steps = len(question.labels) - 1
    return {
        label: comb(steps, rank) * score**rank * (1 - score) ** (steps - rank)
        for rank, label in enumerate(question.label_names)
    }


def _require_measurable(question: Question, model: ContentModel) -> None:
    if question.kind is QuestionKind.ORDINAL:
        if question.id in _SCORED:
            return
        raise ConfigError(f"engine cpu can't score '{question.id}'; it measures {', '.join(_SCORED)}")
    labels: dict[str, set[str]] = {
        "photograph": {"yes", "no"},
        "text_heavy": {"yes", "no"},
        "content_class": {"photo", *model.other_classes.labels},
    }
    if labels.get(question.id) != set(question.label_names):
        known = "; ".join(f"{name}: {', '.join(sorted(names))}" for name, names in labels.items())
        raise ConfigError(f"engine cpu can't answer '{question.id}' with these labels; it knows {known}")
