"""An engine that a test scripts: it answers at once, and breaks where it is told to."""

from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
from PIL import Image

from gpu_worker.engines.engine import ScorableImage
from gpu_worker.prompts.pack import PromptPack, shipped_pack
from gpu_worker.score import Scorer
from parjanya_dagster.core.execution.fingerprint import FingerprintParts
from parjanya_dagster.core.truth.answers import Answer, Answers

POISON = 13
"""Pixels of this value break the engine."""


class ScriptedEngine:
    """Gives every label of a question the same probability.

    Args:
        before: called with each batch before it is answered; what it raises, the engine raises.
    """

    name = "scripted"
    pixel_budgets: tuple[int, ...] = ()

    def __init__(self, before: Callable[[Sequence[ScorableImage]], None] = lambda _images: None) -> None:
        self.batches: list[int] = []
        self._before = before

    def bucket_of(self, image: ScorableImage) -> str:
        """See `Engine`."""
        return f"{image.pixels.shape[0]}x{image.pixels.shape[1]}"

    def fingerprint_parts(self, pack: PromptPack, *, pixel_budget: int | None = None) -> FingerprintParts:
        """See `Engine`."""
        return FingerprintParts(
            weights="none",
            prompt_pack=pack.fingerprint_part,
            decode_path="test",
            bucket=f"pixels={pixel_budget}",
            dtype="test",
            engine=self.name,
            hardware="cpu",
        )

    def fingerprint(self, pack: PromptPack, *, pixel_budget: int | None = None) -> str:
        """See `Engine`."""
        return self.fingerprint_parts(pack, pixel_budget=pixel_budget).digest

    def answer(
        self, images: Sequence[ScorableImage], pack: PromptPack, *, pixel_budget: int | None = None
    ) -> list[Answers]:
        """See `Engine`."""
        self.batches.append(len(images))
        self._before(images)
        if any(image.pixels.flat[0] == POISON for image in images):
            raise RuntimeError("poisoned")
        answers = [
            Answer.from_probabilities(
                question.id,
                {label: 1 / len(question.labels) for label in question.label_names},
                values=question.values,
            )
            for question in pack.questions
        ]
        return [
            Answers.of(*answers, fingerprint=self.fingerprint(pack, pixel_budget=pixel_budget))
            for _ in images
        ]


def a_scorer(engine: ScriptedEngine | None = None) -> Scorer:
    """Return a scorer that asks the house's questions."""
    return Scorer(engine=engine or ScriptedEngine(), pack=shipped_pack())


def a_preview(level: int = 200) -> bytes:
    """Return a PNG of one grey level."""
    buffer = BytesIO()
    Image.fromarray(np.full((32, 64, 3), level, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
