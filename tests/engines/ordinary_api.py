"""The reference: one prompt per question through the model's ordinary interface, as its documentation shows.

Nothing here knows of packing, buckets, caches or our own preprocessing. What it shares with the product is
the text of the questions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration

from gpu_worker.prompts.pack import PromptPack, Question

MERGED_PX = 32

Pixels = npt.NDArray[np.uint8]  # [height, width, 3], sRGB


class OrdinaryApi:
    """A checkpoint as anybody would load it: `from_pretrained`, image processor, chat template."""

    def __init__(self, folder: Path) -> None:
        """Load all of it."""
        self.model = Qwen3VLForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="sdpa"
        ).eval()
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        self.images = Qwen2VLImageProcessorPil.from_pretrained(folder)

    def log_probabilities(self, pixels: Pixels, pack: PromptPack) -> list[torch.Tensor]:
        """Return per question the logarithms of its labels' probabilities: float32 [labels]."""
        return [
            self.last_logits(pixels, self.rendered(pack.preamble, question))[
                self.label_ids(question)
            ].log_softmax(-1)
            for question in pack.questions
        ]

    @torch.no_grad()
    def last_logits(self, pixels: Pixels, prompt: str) -> torch.Tensor:
        """Return the logits after the prompt: float32 [vocabulary]."""
        seen = self.seen(pixels)
        grid = seen["image_grid_thw"][0]
        tokens = int(grid.prod()) // 4
        text = prompt.replace("<|image_pad|>", "<|image_pad|>" * tokens)
        ids = torch.tensor([self.tokenizer.encode(text, add_special_tokens=False)])
        is_image = (ids == self.model.config.image_token_id).int()
        out = self.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=is_image,
            pixel_values=seen["pixel_values"],
            image_grid_thw=seen["image_grid_thw"],
        )
        return out.logits[0, -1]

    def seen(self, pixels: Pixels) -> Any:  # noqa: ANN401 - the library's own batch
        """Return what the image processor makes of an image."""
        size = {"shortest_edge": 1024, "longest_edge": pixels.shape[0] * pixels.shape[1]}
        return self.images(images=[Image.fromarray(pixels)], size=size, return_tensors="pt")

    def rendered(self, preamble: str, question: Question) -> str:
        """Return the chat template's text for a question, its answer begun."""
        messages = [
            {"role": "system", "content": preamble},
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question.text}]},
        ]
        opened = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return f"{opened}{question.stem}"

    def label_ids(self, question: Question) -> list[int]:
        """Return the first token of each label."""
        return [self.tokenizer.encode(label.token, add_special_tokens=False)[0] for label in question.labels]


def noise(rows: int, columns: int, *, seed: int = 0) -> Pixels:
    """Return an image of so many visual tokens, each different from every other, of a tint by the seed."""
    rng = np.random.default_rng(seed)
    tint = rng.integers(0, 200, 3)
    texture = rng.integers(0, 56, (rows * MERGED_PX, columns * MERGED_PX, 3))
    return (tint + texture).astype(np.uint8)


def worst(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> float:
    """Return the largest difference between two lists of tensors."""
    return max(float((one - other).abs().max()) for one, other in zip(found, expected, strict=True))
