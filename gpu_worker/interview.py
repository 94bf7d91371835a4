"""Asking an engine about images: whole answers, under the fingerprint that each image's really have.

An engine knows its own part of a fingerprint. How pixels came about is known here, and so is what a partial
replay may keep: only answers that this engine would give again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gpu_worker.engines.engine import DECODE_PATH, Engine
from gpu_worker.fetch import Scorable
from gpu_worker.prompts.pack import PromptPack
from parjanya_dagster.core.truth.answers import Answer, Answers, InvalidAnswerError
from parjanya_dagster.core.truth.row import ImageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Interview:
    """An engine, the questions it is asked, and how many pixels it looks at.

    Args:
        pixel_budget: of the engine's; the usual if None.
    """

    engine: Engine
    pack: PromptPack
    pixel_budget: int | None = None

    def fingerprint_of(self, image: Scorable) -> str:
        """Return what answers about an image are known by."""
        if image.decode_path == DECODE_PATH:
            return self._usual_fingerprint()
        parts = self.engine.fingerprint_parts(self.pack, pixel_budget=self.pixel_budget)
        return replace(parts, decode_path=image.decode_path).digest

    def carried_over(self, row: ImageRow, image: Scorable) -> dict[str, Answer]:
        """Return the answers that a partial replay keeps; none that would not be given again as they are."""
        if row.questions is None:
            return {}
        fingerprint = self.fingerprint_of(image)
        source = next((each for each in image.earlier if each.result_id == row.result_id), None)
        if source is None or source.fingerprint != fingerprint:
            return {}
        try:
            known = Answers.from_document(source.answers, fingerprint=fingerprint).by_question
        except InvalidAnswerError:
            return {}  # what cannot be read is asked again
        kept = {question.id for question in self.pack.questions} - set(row.questions)
        return {question: answer for question, answer in known.items() if question in kept}

    def whole_answers(
        self, images: Sequence[Scorable], carried: Sequence[Mapping[str, Answer]]
    ) -> list[Answers]:
        """Return answers to all questions, in the order of `images`; those that lack the same go together.

        Args:
            carried: what is known about each image already, by question.

        Raises:
            Exception: whatever the engine raises.
        """
        groups: dict[frozenset[str], list[int]] = {}
        for at, known in enumerate(carried):
            groups.setdefault(frozenset(known), []).append(at)
        whole: dict[int, Answers] = {}
        for known_questions, members in groups.items():
            asked = self.pack.without(known_questions)
            new = self._answers(asked, [images[at] for at in members])
            for at, answers in zip(members, new, strict=True):
                whole[at] = self._joined(images[at], carried[at], answers)
        return [whole[at] for at in range(len(images))]

    def _answers(self, asked: PromptPack, images: Sequence[Scorable]) -> list[Answers]:
        if not asked.questions:
            return [Answers.of(fingerprint=self._usual_fingerprint()) for _ in images]
        pixels = [each.image for each in images]
        return self.engine.answer(pixels, asked, pixel_budget=self.pixel_budget)

    def _joined(self, image: Scorable, carried: Mapping[str, Answer], new: Answers) -> Answers:
        """Return carried and new answers in the pack's order; all new where they cannot be compared."""
        usual = self._usual_fingerprint()
        if carried and new.fingerprint != usual:
            # The engine did as it had not announced: what is known is asked again, under whatever that is.
            (new,) = self._answers(self.pack, [image])
            carried = {}
        if carried:
            known = {**carried, **new.by_question}
            new = Answers.of(*(known[each.id] for each in self.pack.questions), fingerprint=usual)
        return replace(new, fingerprint=self.fingerprint_of(image)) if new.fingerprint == usual else new

    def _usual_fingerprint(self) -> str:
        return self.engine.fingerprint(self.pack, pixel_budget=self.pixel_budget)
