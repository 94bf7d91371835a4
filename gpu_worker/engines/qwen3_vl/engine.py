"""The engine `qwen3_vl`: Qwen3-VL asked all questions about many images in one pass.

It turns images into passes of a fixed shape and the passes' numbers into answers; what a pass computes is in
`scorer`.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import torch
from torch import Tensor

from gpu_worker.engines.batching import BUCKET_TOKENS, bucket_of, by_bucket, filled_up
from gpu_worker.engines.engine import (
    DECODE_PATH,
    Engine,
    EngineOptions,
    EngineOutOfMemoryError,
    ScorableImage,
)
from gpu_worker.engines.packing import TokenGrid
from gpu_worker.engines.qwen3_vl.loading import LoadedModel, device_named, load_checkpoint
from gpu_worker.engines.qwen3_vl.patches import fit_to, patches_of, token_grid
from gpu_worker.engines.qwen3_vl.prompt import prompt_of
from gpu_worker.engines.qwen3_vl.scorer import PackedScorer
from gpu_worker.prompts.pack import PromptPack, Question
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.execution.fingerprint import FingerprintParts
from parjanya_dagster.core.truth.answers import Answer, Answers
from parjanya_dagster.imaging.grid import Grid

_VERSION: Final = "qwen3_vl-1"
"""Raised with every change of layout, prompt or preprocessing, which no other part would show."""

_BUDGETS: Final = (589_824, 327_680, 131_072)
"""Pixels per image: 576, 320 and 128 visual tokens, all of them whole buckets."""

_CPU_OUT_OF_MEMORY: Final = "can't allocate memory"
_KEPT_SCORERS: Final = 16  # sets of questions; partial replays ask for a few, again and again


class Qwen3VlEngine:
    """Answers with a loaded model. Not thread-safe.

    A bucket that memory does not suffice for is taken in smaller micro-batches from then on, down to single
    images: only this engine knows that a pass costs the same however few images its caller has.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        micro_batch: int = 8,
        caches_preamble: bool = True,
        weighs_vocabulary: bool = True,
    ) -> None:
        """Take a model.

        Args:
            loaded: it, its tokenizer, and what its weights are called.
            micro_batch: images per pass, ≥ 1.
            caches_preamble: see `PackedScorer`.
            weighs_vocabulary: see `PackedScorer`.
        """
        self._loaded = loaded
        self._micro_batch = micro_batch
        self._caches_preamble = caches_preamble
        self._weighs_vocabulary = weighs_vocabulary
        self._smaller: dict[
            int, int
        ] = {}  # by visual tokens: images per pass, where there is no room for more
        self._scorers: dict[tuple[str, tuple[str, ...]], PackedScorer] = {}

    @property
    def name(self) -> str:
        """The name it is registered under."""
        return "qwen3_vl"

    @property
    def pixel_budgets(self) -> tuple[int, ...]:
        """Pixels per image, the usual first."""
        return _BUDGETS

    def bucket_of(self, image: ScorableImage) -> str:
        """Return how many tokens the image is padded to at the usual number of pixels."""
        return f"{bucket_of(_grid_of(image, _BUDGETS[0]))} tokens"

    def fingerprint_parts(self, pack: PromptPack, *, pixel_budget: int | None = None) -> FingerprintParts:
        """Return everything that its answers to a pack depend on besides the image.

        Raises:
            ConfigError: the pixel budget is none of `pixel_budgets`.
        """
        return FingerprintParts(
            weights=self._loaded.weights,
            prompt_pack=pack.fingerprint_part,
            decode_path=DECODE_PATH,
            bucket=f"{BUCKET_TOKENS} tokens apart, {_budget(pixel_budget)} pixels",
            dtype=self._loaded.dtype,
            engine=f"{_VERSION} {self._loaded.libraries}",
            hardware=self._loaded.hardware,
        )

    def fingerprint(self, pack: PromptPack, *, pixel_budget: int | None = None) -> str:
        """Return the digest of `fingerprint_parts`."""
        return self.fingerprint_parts(pack, pixel_budget=pixel_budget).digest

    def answer(
        self, images: Sequence[ScorableImage], pack: PromptPack, *, pixel_budget: int | None = None
    ) -> list[Answers]:
        """Return the answers to all of a pack's questions, one per image and in their order.

        Raises:
            ConfigError: the model's tokenizer cannot tell a question's labels apart.
            EngineOutOfMemoryError: not even one image at once fits; fewer pixels might.
        """
        fingerprint = self.fingerprint(pack, pixel_budget=pixel_budget)
        grids = [_grid_of(image, _budget(pixel_budget)) for image in images]
        scorer = self._scorer(pack)
        # Passes are read only when all are under way: a GPU computes one while the next is being prepared.
        under_way = list(self._passes(scorer, images, grids))
        found: dict[int, Answers] = {}
        for members, numbers in under_way:
            for member, row in zip(members, numbers.tolist(), strict=False):  # rows that fill up come last
                found[member] = _answers(pack.questions, row, fingerprint)
        return [found[index] for index in range(len(images))]

    def _passes(
        self, scorer: PackedScorer, images: Sequence[ScorableImage], grids: Sequence[TokenGrid]
    ) -> Iterator[tuple[tuple[int, ...], Tensor]]:
        """Yield whose images went through together, and their numbers."""
        for visual_tokens, bucket in by_bucket(grids).items():
            done = 0
            while done < len(bucket):
                rows = self._rows(visual_tokens)
                members = bucket[done : done + rows]
                numbers = self._through(scorer, filled_up(members, rows), images, grids, visual_tokens)
                if numbers is None:
                    self._take_less(visual_tokens)
                    continue
                yield members, numbers
                done += len(members)

    def _through(
        self,
        scorer: PackedScorer,
        members: Sequence[int],
        images: Sequence[ScorableImage],
        grids: Sequence[TokenGrid],
        visual_tokens: int,
    ) -> Tensor | None:
        """Return the numbers of a pass; None for want of memory, once the error lets go of what it had."""
        patches = {index: patches_of(fit_to(images[index].pixels, grids[index])) for index in members}
        try:
            return scorer.answer(
                [patches[index] for index in members], [grids[index] for index in members], visual_tokens
            )
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
        return None

    def _rows(self, visual_tokens: int) -> int:
        return self._smaller.get(visual_tokens, self._micro_batch)

    def _take_less(self, visual_tokens: int) -> None:
        """Halve a bucket's micro-batch."""
        if self._loaded.device.type == "cuda":
            torch.cuda.empty_cache()
        rows = self._rows(visual_tokens)
        if rows == 1:
            raise EngineOutOfMemoryError(
                f"{self._loaded.device} has no room for an image of {visual_tokens} tokens"
            )
        self._smaller[visual_tokens] = rows // 2

    def _scorer(self, pack: PromptPack) -> PackedScorer:
        """Return what asks these questions, kept from the last time they were asked."""
        key = (pack.fingerprint_part, tuple(question.id for question in pack.questions))
        if key not in self._scorers:
            for oldest in list(islice(self._scorers, max(0, len(self._scorers) - _KEPT_SCORERS + 1))):
                del self._scorers[oldest]
            prompt = prompt_of(pack, self._loaded.tokenizer)
            self._scorers[key] = PackedScorer(
                self._loaded.model,
                prompt.tokens,
                prompt.labels,
                caches_preamble=self._caches_preamble,
                weighs_vocabulary=self._weighs_vocabulary,
            )
        return self._scorers[key]


def qwen3_vl_engine(options: EngineOptions) -> Engine:
    """Return the engine with the checkpoint in a folder.

    Raises:
        ConfigError: no folder is named, or there is no such device.
        CheckpointError: the checkpoint must not score.
    """
    if options.model is None:
        raise ConfigError("engine qwen3_vl needs a checkpoint's folder: PARJANYA_WORKER_MODEL, --model")
    loaded = load_checkpoint(options.model, device_named(options.device))
    return Qwen3VlEngine(loaded, micro_batch=options.micro_batch)


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or _CPU_OUT_OF_MEMORY in str(error)


def _budget(pixel_budget: int | None) -> int:
    if pixel_budget is None:
        return _BUDGETS[0]
    if pixel_budget not in _BUDGETS:
        raise ConfigError(f"{pixel_budget} pixels are none of {', '.join(map(str, _BUDGETS))}")
    return pixel_budget


def _grid_of(image: ScorableImage, budget: int) -> TokenGrid:
    height, width = image.pixels.shape[:2]
    return token_grid(height, width, Grid(max_pixels=budget))


def _answers(questions: Sequence[Question], numbers: Sequence[Sequence[float]], fingerprint: str) -> Answers:
    """Return the answers of one image: per question its labels' probabilities, then the label mass."""
    return Answers.of(
        *(
            Answer.from_probabilities(
                question.id,
                dict(zip(question.label_names, row, strict=False)),  # padded to the most labels
                values=question.values,
                label_mass=row[-1],
            )
            for question, row in zip(questions, numbers, strict=True)
        ),
        fingerprint=fingerprint,
    )
