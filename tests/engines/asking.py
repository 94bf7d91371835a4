"""Packs of a given size, scorers and images for tests of exactness."""

from dataclasses import replace

from torch import Tensor

from gpu_worker.engines.packing import TokenGrid
from gpu_worker.engines.qwen3_vl.loading import LoadedModel
from gpu_worker.engines.qwen3_vl.patches import patches_of
from gpu_worker.engines.qwen3_vl.prompt import prompt_of
from gpu_worker.engines.qwen3_vl.scorer import PackedScorer
from gpu_worker.prompts.pack import PromptPack, shipped_pack
from tests.engines.ordinary_api import MERGED_PX, Pixels

WHOLE = shipped_pack()


def a_pack(questions: int) -> PromptPack:
    """Return the first so many questions of the shipped pack."""
    return replace(WHOLE, questions=WHOLE.questions[:questions])


def a_scorer(loaded: LoadedModel, pack: PromptPack = WHOLE, *, caches_preamble: bool = True) -> PackedScorer:
    """Return what asks a pack's questions."""
    prompt = prompt_of(pack, loaded.tokenizer)
    return PackedScorer(loaded.model, prompt.tokens, prompt.labels, caches_preamble=caches_preamble)


def numbers(scorer: PackedScorer, *images: Pixels, visual_tokens: int = 128) -> Tensor:
    """Return probabilities and mass of images in one pass: float32 [images, questions, labels + 1]."""
    grids = [
        TokenGrid(rows=image.shape[0] // MERGED_PX, columns=image.shape[1] // MERGED_PX) for image in images
    ]
    return scorer.answer([patches_of(image) for image in images], grids, visual_tokens)


def log_probabilities(found: Tensor, pack: PromptPack) -> list[Tensor]:
    """Return per question the logarithms of its labels' probabilities, of one image's numbers."""
    return [row[: len(each.labels)].log() for row, each in zip(found, pack.questions, strict=True)]
