"""What scoring an image costs on paper: floating-point operations of Qwen3-VL, and what hardware could do.

A multiply-add counts as two, as vendors count. Only useful work is counted: no padding, and of attention
only the pairs that the mask lets through. A share of the peak (MFU) computed from it therefore says what an
approach makes of the hardware, not how busy it keeps it.

Source: the configuration of Qwen3-VL-8B-Instruct; vendors' data sheets, dense.
"""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """The sizes of a Qwen3-VL model that its arithmetic depends on."""

    layers: int
    hidden: int
    mlp: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    vision_layers: int
    vision_hidden: int
    vision_mlp: int
    patch_values: int = 3 * 2 * 16 * 16
    patches_per_token: int = 4
    taps: int = 3

    @property
    def weights(self) -> int:
        """Weights of the language model's layers that every token is multiplied by."""
        attention = self.hidden * self.head_dim * 2 * (self.heads + self.kv_heads)
        return self.layers * (attention + 3 * self.hidden * self.mlp)

    @property
    def head_weights(self) -> int:
        """Weights of the language model's head."""
        return self.hidden * self.vocabulary

    @property
    def vision_weights(self) -> int:
        """Weights of the vision layers that every patch is multiplied by."""
        return self.vision_layers * (4 * self.vision_hidden**2 + 2 * self.vision_hidden * self.vision_mlp)

    @property
    def merger_weights(self) -> int:
        """Weights of all mergers, the last one's and the taps', that every visual token is multiplied by."""
        merged = self.vision_hidden * self.patches_per_token
        return (1 + self.taps) * merged * (merged + self.hidden)

    @property
    def cache_values(self) -> int:
        """Keys and values that generation keeps per token."""
        return 2 * self.layers * self.kv_heads * self.head_dim


QWEN3_VL_8B: Final = Geometry(
    layers=36,
    hidden=4096,
    mlp=12_288,
    heads=32,
    kv_heads=8,
    head_dim=128,
    vocabulary=151_936,
    vision_layers=27,
    vision_hidden=1152,
    vision_mlp=4304,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The lengths of a scored image's prompt, in tokens.

    Args:
        visual: V, tokens of the image.
        shared: other tokens that all questions share and every image pays for.
        questions: N.
        suffix: s, tokens of each question.
        kept: tokens before the image whose keys and values are computed once per process.
    """

    visual: int
    shared: int
    questions: int
    suffix: int
    kept: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """What a device could do.

    Args:
        flops: dense matrix products in bfloat16, per second.
        bytes_per_s: from its own memory.
    """

    flops: float
    bytes_per_s: float


PEAKS: Final = {
    "A10G": Peak(flops=70e12, bytes_per_s=600e9),
    "L40S": Peak(flops=362e12, bytes_per_s=864e9),
    "L4": Peak(flops=121e12, bytes_per_s=300e9),
    "H100": Peak(flops=989e12, bytes_per_s=3350e9),
    "H200": Peak(flops=989e12, bytes_per_s=4800e9),
}
"""By the part of a device's name that tells it; a longer name stands before the one it contains."""


def geometry_of(config: Any) -> Geometry:  # noqa: ANN401 -- transformers' configurations differ by version
    """Return the geometry of a transformers configuration of Qwen3-VL."""
    text, vision = config.text_config, config.vision_config
    return Geometry(
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        mlp=text.intermediate_size,
        heads=text.num_attention_heads,
        kv_heads=text.num_key_value_heads,
        head_dim=text.head_dim,
        vocabulary=text.vocab_size,
        vision_layers=vision.depth,
        vision_hidden=vision.hidden_size,
        vision_mlp=vision.intermediate_size,
        patch_values=3 * vision.temporal_patch_size * vision.patch_size**2,
        patches_per_token=vision.spatial_merge_size**2,
        taps=len(vision.deepstack_visual_indexes),
    )


def peak_of(device_name: str) -> Peak | None:
    """Return the data sheet's numbers of a device; None if it is not in the table."""
    return next((peak for name, peak in PEAKS.items() if name in device_name), None)


def vision_flops(geometry: Geometry, visual: int) -> float:
    """Return the operations of one image of `visual` tokens in the vision encoder."""
    patches = geometry.patches_per_token * visual
    linear = 2 * patches * (geometry.vision_weights + geometry.vision_hidden * geometry.patch_values)
    attention = 4 * geometry.vision_layers * geometry.vision_hidden * patches**2
    return linear + attention + 2 * visual * geometry.merger_weights


def text_flops(geometry: Geometry, tokens: int, *, pairs: float | None = None) -> float:
    """Return the operations of the language model's layers.

    Args:
        tokens: that pass through.
        pairs: of tokens that see one another; those of a causal mask if None.
    """
    seen = tokens**2 / 2 if pairs is None else pairs
    attention = 4 * geometry.layers * geometry.heads * geometry.head_dim * seen
    return 2 * geometry.weights * tokens + attention


def packed_flops(geometry: Geometry, prompt: Prompt) -> float:
    """Return the operations of all questions about one image in one pass, label rows of the head left out."""
    shared = prompt.visual + prompt.shared
    before = prompt.kept + shared
    pairs = prompt.kept * shared + shared**2 / 2
    pairs += prompt.questions * (prompt.suffix * before + prompt.suffix**2 / 2)
    tokens = shared + prompt.questions * prompt.suffix
    return vision_flops(geometry, prompt.visual) + text_flops(geometry, tokens, pairs=pairs)


def separate_flops(geometry: Geometry, prompt: Prompt, *, vision_passes: int) -> float:
    """Return the operations of one whole prompt per question, with as many passes through the encoder."""
    tokens = prompt.kept + prompt.shared + prompt.visual + prompt.suffix
    return vision_passes * vision_flops(geometry, prompt.visual) + prompt.questions * text_flops(
        geometry, tokens
    )


def generate_s(
    geometry: Geometry, prompt: Prompt, peak: Peak, *, new_tokens: int, batch: int, bytes_per_value: int = 2
) -> float:
    """Return the least seconds per image of generating text: each token reads all weights and the cache.

    Args:
        prompt: what precedes; its questions are asked at once, as one suffix each.
        batch: images that generate together, ≥ 1.
    """
    tokens = prompt.kept + prompt.shared + prompt.visual + prompt.questions * prompt.suffix
    prefill = vision_flops(geometry, prompt.visual) + text_flops(geometry, tokens)
    weights = geometry.weights + geometry.head_weights
    context = tokens + new_tokens / 2
    read_s = (weights + batch * context * geometry.cache_values) * bytes_per_value / peak.bytes_per_s
    step_s = max(read_s, batch * 2 * weights / peak.flops)
    return prefill / peak.flops + new_tokens * step_s / batch
