"""Ways to have one model answer N questions about images, ours and the others.

    packed               the product's own scorer: one pass over the image and all questions
    a prompt a question  N ordinary passes, as anybody writes it with the library's own `forward`
    vision once          the same N passes, with the vision tower's features kept from the first
    generate             the library's `generate`, so many tokens of text

All share one model, and with it the product's patch embedding, without which the others would be slower.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration

from benchmarks.packed_model import Image, Questions
from gpu_worker.engines.batching import bucket_of
from gpu_worker.engines.qwen3_vl.patches import MERGE, normalised, to_device
from gpu_worker.engines.qwen3_vl.scorer import PackedScorer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bench:
    """A model and its questions, asked in every way.

    All ways return probabilities float32 [images, questions, labels] on the device.
    """

    model: Qwen3VLForConditionalGeneration
    questions: Questions
    scorer: PackedScorer

    @classmethod
    def of(cls, model: Qwen3VLForConditionalGeneration, questions: Questions) -> "Bench":
        """Return the bench of a model; its scorer is the product's, set up as in the product."""
        return cls(
            model=model,
            questions=questions,
            scorer=PackedScorer(model, questions.tokens, questions.labels),
        )

    def packed(self, images: Sequence[Image]) -> Tensor:
        """Ask everything in one pass."""
        grids = [image.grid for image in images]
        answers = self.scorer.answer([image.patches for image in images], grids, bucket_of(grids[0]))
        return answers[..., :-1]  # the last is the label mass

    @torch.inference_mode()
    def separate(self, images: Sequence[Image]) -> Tensor:
        """Ask one prompt per question; images of one grid go together."""
        return self._ask_each(images, self._pixels(images))

    @torch.inference_mode()
    def vision_once(self, images: Sequence[Image]) -> Tensor:
        """Ask one prompt per question, and look at the images for the first alone."""
        pixels = self._pixels(images)
        seen = self.model.model.get_image_features(**pixels, return_dict=True)
        with self._having_seen(seen):
            return self._ask_each(images, pixels)

    @torch.inference_mode()
    def generate(self, images: Sequence[Image], *, new_tokens: int) -> Tensor:
        """Return token ids int64 [images, all tokens]: the prompt, and exactly so many more."""
        generate: Any = self.model.generate  # its stub knows no model's own arguments
        made: Tensor = generate(
            **self._prompt(images, self.questions.request),
            **self._pixels(images),
            max_new_tokens=new_tokens,
            min_new_tokens=new_tokens,
            do_sample=False,
            pad_token_id=0,
        )
        return made

    def _ask_each(self, images: Sequence[Image], pixels: Mapping[str, Tensor]) -> Tensor:
        asked = zip(self.questions.tokens.suffixes, self.questions.labels, strict=True)
        answers = []
        for suffix, labels in asked:
            prompt = self._prompt(images, suffix)
            logits = self.model(**prompt, **pixels, logits_to_keep=1, use_cache=False).logits[:, -1]
            answers.append(logits[:, list(labels)].float().softmax(-1))
        return torch.stack(answers, dim=1)

    def _prompt(self, images: Sequence[Image], text: Sequence[int]) -> dict[str, Tensor]:
        """Return what the library's `forward` takes for images of one grid, each followed by a text."""
        tokens, placeholder = self.questions.tokens, self.model.config.image_token_id
        row = [*tokens.preamble, *[placeholder] * images[0].grid.tokens, *tokens.shared, *text]
        ids = torch.tensor([row] * len(images), device=self.model.device)
        kinds = (ids == placeholder).int()
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": kinds}

    def _pixels(self, images: Sequence[Image]) -> dict[str, Tensor]:
        """Return what the library's vision tower takes."""
        device = self.model.device
        patches = to_device(np.concatenate([image.patches for image in images]), device)
        sizes = [[1, image.grid.rows * MERGE, image.grid.columns * MERGE] for image in images]
        return {
            "pixel_values": normalised(patches).to(self.model.dtype),
            "image_grid_thw": torch.tensor(sizes, device=device),
        }

    @contextmanager
    def _having_seen(self, features: object) -> Iterator[None]:
        """Let the model find these features instead of looking at the images again."""
        inner = self.model.model
        inner.get_image_features = lambda *_, **__: features
        try:
            yield
        finally:
            del inner.get_image_features  # the class has the real one
