"""An engine that costs nothing, so that what a worker costs besides can be measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from gpu_worker.engines.engine import ScorableImage
from gpu_worker.prompts.pack import PromptPack, shipped_pack
from gpu_worker.score import Scorer
from parjanya_dagster.core.execution.fingerprint import FingerprintParts
from parjanya_dagster.core.truth.answers import Answer, Answers


@dataclass(frozen=True, slots=True)
class FreeEngine:
    """Answers every image with one stored answer."""

    answers: Answers
    name: str = "free"

    @property
    def pixel_budgets(self) -> tuple[int, ...]:
        """See `Engine`."""
        return ()

    def bucket_of(self, image: ScorableImage) -> str:
        """See `Engine`."""
        return f"{image.pixels.shape[0]}x{image.pixels.shape[1]}"

    def fingerprint_parts(self, pack: PromptPack, *, pixel_budget: int | None = None) -> FingerprintParts:
        """See `Engine`."""
        del pixel_budget
        raise NotImplementedError(f"{pack.id} is not weighed here")

    def fingerprint(self, pack: PromptPack, *, pixel_budget: int | None = None) -> str:
        """See `Engine`."""
        del pixel_budget
        return f"free:{pack.id}"

    def answer(
        self, images: Sequence[ScorableImage], pack: PromptPack, *, pixel_budget: int | None = None
    ) -> list[Answers]:
        """See `Engine`."""
        del pack, pixel_budget
        return [self.answers] * len(images)


def free_scorer() -> Scorer:
    """Return a scorer whose engine costs nothing."""
    pack = shipped_pack()
    answers = [
        Answer.from_probabilities(
            question.id,
            {label: 1 / len(question.labels) for label in question.label_names},
            values=question.values,
        )
        for question in pack.questions
    ]
    return Scorer(engine=FreeEngine(Answers.of(*answers, fingerprint="free")), pack=pack)
