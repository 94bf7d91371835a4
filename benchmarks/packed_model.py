"""Random models of Qwen3-VL's architecture, and prompts and images for them.

Speed depends on shapes, not on what the weights know, so a model is built where it computes: no download,
and no copy of 17 GB through the host.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from transformers import Qwen3VLConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration

from gpu_worker.engines.packing import PackTokens, TokenGrid
from gpu_worker.engines.qwen3_vl.patches import MERGE, PATCH_PX, Patches, patches_of
from gpu_worker.engines.qwen3_vl.weights import new_model

LABELS: Final = 5
_CONTROL_TOKENS: Final = 4  # the last of the vocabulary: image, video, start and end of vision

TEXT: Final[dict[str, dict[str, Any]]] = {
    "8b": {
        "vocab_size": 151_936,
        "hidden_size": 4096,
        "intermediate_size": 12_288,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
    },
    "small": {
        "vocab_size": 151_936,
        "hidden_size": 512,
        "intermediate_size": 1536,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 64,
    },
    "tiny": {
        "vocab_size": 512,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
    },
}
VISION: Final[dict[str, dict[str, Any]]] = {
    "8b": {
        "depth": 27,
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_heads": 16,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [8, 16, 24],
    },
    "small": {
        "depth": 6,
        "hidden_size": 256,
        "intermediate_size": 1024,
        "num_heads": 4,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [1, 2, 3],
    },
    "tiny": {
        "depth": 4,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "num_position_embeddings": 144,
        "deepstack_visual_indexes": [0, 1, 2],
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What a random model is asked: tokens that mean nothing.

    Args:
        tokens: as the product packs them.
        labels: per question the token ids of its labels, distinct.
        request: what follows an image where an answer is generated: all questions as one text.
    """

    tokens: PackTokens
    labels: tuple[tuple[int, ...], ...]
    request: tuple[int, ...]

    @property
    def request_tokens(self) -> int:
        """Tokens of text, before and after the image, where an answer is generated."""
        return len(self.tokens.preamble) + len(self.tokens.shared) + len(self.request)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Image:
    """Noise at the model's grid: its patches, and what it is to the language model."""

    patches: Patches
    grid: TokenGrid


def random_model(size: str, device: torch.device, dtype: torch.dtype) -> Qwen3VLForConditionalGeneration:
    """Return a model of one of the sizes in `TEXT`, built on the device.

    Its logits spread by about 1, whatever its width: answers differ, so that comparing them means something.
    """
    text, vision = TEXT[size], VISION[size]
    spread = text["hidden_size"] ** -0.5
    half, vocabulary = text["head_dim"] // 2, text["vocab_size"]
    rope = {
        "rope_type": "default",
        "rope_theta": 5_000_000.0,
        "mrope_interleaved": True,
        "mrope_section": [half - 2 * (half * 5 // 16), half * 5 // 16, half * 5 // 16],  # 24, 20, 20 of 64
    }
    config = Qwen3VLConfig(
        text_config=text
        | {"rope_parameters": rope, "max_position_embeddings": 16_384, "initializer_range": spread},
        vision_config=vision | {"out_hidden_size": text["hidden_size"], "initializer_range": spread},
        tie_word_embeddings=False,
        image_token_id=vocabulary - 1,
        video_token_id=vocabulary - 2,
        vision_start_token_id=vocabulary - 3,
        vision_end_token_id=vocabulary - 4,
    )
    torch.manual_seed(7)
    return new_model(config, device, dtype)


def random_questions(
    vocabulary: int, *, count: int, suffix: int, preamble: int = 40, request: int = 110
) -> Questions:
    """Return questions of these lengths in tokens; one token more follows the image, before any question."""
    random = np.random.default_rng(7)

    def text(length: int) -> tuple[int, ...]:
        return tuple(random.integers(0, vocabulary - _CONTROL_TOKENS, length).tolist())

    def labels() -> tuple[int, ...]:
        return tuple(random.choice(vocabulary - _CONTROL_TOKENS, LABELS, replace=False).tolist())

    tokens = PackTokens(
        preamble=text(preamble), shared=text(1), suffixes=tuple(text(suffix) for _ in range(count))
    )
    return Questions(tokens=tokens, labels=tuple(labels() for _ in range(count)), request=text(request))


def random_images(grids: Sequence[TokenGrid], *, seed: int) -> list[Image]:
    """Return one image per grid."""
    random = np.random.default_rng(seed)
    token_px = PATCH_PX * MERGE

    def pixels(grid: TokenGrid) -> Patches:
        shape = (grid.rows * token_px, grid.columns * token_px, 3)
        return patches_of(random.integers(0, 256, shape, dtype=np.uint8))

    return [Image(patches=pixels(grid), grid=grid) for grid in grids]
