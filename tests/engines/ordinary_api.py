"""The reference: one prompt per question through the model's ordinary interface, as its documentation shows.

Nothing here knows of packing, buckets, caches or our own preprocessing. What is shared with the product are the
texts of the questions and the size that an image is resized to.
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


class OrdinaryApi:
    """A checkpoint as anybody would load it: `from_pretrained`, image processor, chat template."""

    def __init__(self, folder: Path) -> None:
        """Load all of it."""
        self.model = Qwen3VLForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="sdpa"
        ).eval()
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        self.images = Qwen2VLImageProcessorPil.from_pretrained(folder)

    def probabilities(self, pixels: npt.NDArray[np.uint8], pack: PromptPack) -> list[torch.Tensor]:
        """Return per question the probabilities of its labels: float32 [labels]."""
        return [self.logits(pixels, pack.preamble, each).softmax(-1) for each in pack.questions]

    @torch.no_grad()
    def logits(self, pixels: npt.NDArray[np.uint8], preamble: str, question: Question) -> torch.Tensor:
        """Return the logits of one question's labels: float32 [labels]."""
        last = self.last_logits(pixels, self.rendered(preamble, question))
        return last[[self._first_token(label.token) for label in question.labels]]

    def last_logits(self, pixels: npt.NDArray[np.uint8], prompt: str) -> torch.Tensor:
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

    def seen(self, pixels: npt.NDArray[np.uint8]) -> Any:  # noqa: ANN401 - the library's own batch
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

    def _first_token(self, text: str) -> int:
        return self.tokenizer.encode(text, add_special_tokens=False)[0]


def noise(rows: int, columns: int, *, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return an image of so many visual tokens, each different from every other."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (rows * MERGED_PX, columns * MERGED_PX, 3), dtype=np.uint8)


def worst(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> float:
    """Return the largest difference between two lists of tensors."""
    return max(
        float((one - other).abs().max()) for one, other in zip(found, expected, strict=True)
    )
