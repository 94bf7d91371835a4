"""A Qwen3-VL of a few hundred thousand random weights, on disk in the form that the real one is published in.

Everything that loads, checks, hashes or corrupts a checkpoint is tested on it: real shards, a real index, a
real byte-level tokenizer; no download, and no file in the repository.
"""

import json
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3VLConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration

from gpu_worker.prompts.pack import pack_from_json

CONTROL_TOKENS: Final = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
)
CHAT_TEMPLATE: Final = (
    "{%- for message in messages -%}<|im_start|>{{ message.role }}\n"
    "{%- if message.content is string -%}{{ '\n' }}{{ message.content }}"
    "{%- else -%}{{ '\n' }}{%- for part in message.content -%}"
    "{%- if part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>"
    "{%- else -%}{{ part.text }}{%- endif -%}{%- endfor -%}{%- endif -%}<|im_end|>{{ '\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|im_start|>assistant{{ '\n' }}{%- endif -%}"
)
"""What Qwen's own template comes to for a system message and one image with text."""

_SPREAD: Final = 0.15  # of the random weights: the usual 0.02 leaves every label equally likely at this width
_VOCABULARY: Final = 1024  # more than there are tokens, as in the real checkpoint
_SHARD_BYTES: Final = 800_000  # three shards


def tiny_checkpoint(directory: Path, *, seed: int = 0, tied: bool = False) -> Path:
    """Write a checkpoint into a folder, made if need be, and return the folder.

    Args:
        seed: of the weights; the same seed gives the same files.
        tied: leave out the head and use the embeddings for it, as Qwen's small models do.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = tiny_tokenizer(label_words())
    model = tiny_model(tokenizer, seed=seed, tied=tied)
    model.generation_config = GenerationConfig(do_sample=False)
    model.save_pretrained(directory, max_shard_size=_SHARD_BYTES)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", chat_template=CHAT_TEMPLATE
    ).save_pretrained(directory)
    (directory / "preprocessor_config.json").write_text(json.dumps(_PREPROCESSOR, indent=2))
    return directory


def tiny_model(tokenizer: Tokenizer, *, seed: int = 0, tied: bool = False) -> Qwen3VLForConditionalGeneration:
    """Return the random model alone, in float32 on the CPU, its attention as `sdpa`."""
    config = Qwen3VLConfig(
        text_config=_TEXT | {"vocab_size": _VOCABULARY, "tie_word_embeddings": tied},
        vision_config=_VISION,
        tie_word_embeddings=tied,
        image_token_id=tokenizer.token_to_id("<|image_pad|>"),
        video_token_id=tokenizer.token_to_id("<|video_pad|>"),
        vision_start_token_id=tokenizer.token_to_id("<|vision_start|>"),
        vision_end_token_id=tokenizer.token_to_id("<|vision_end|>"),
        attn_implementation="sdpa",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Qwen3VLForConditionalGeneration(config).eval()


def tiny_tokenizer(words: Collection[str], control: Collection[str] = CONTROL_TOKENS) -> Tokenizer:
    """Return a byte-level BPE in which each of these words is one token, and so is each of its beginnings.

    Args:
        words: as in running text: most begin with their space.
        control: tokens that text cannot spell.
    """
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    vocabulary = {symbol: rank for rank, symbol in enumerate(sorted(alphabet))}
    merges: list[tuple[str, str]] = []
    for word in sorted(set(words)):
        written = word.replace(" ", "Ġ")  # how byte-level vocabularies write a space
        for end in range(1, len(written)):
            if written[: end + 1] not in vocabulary:
                vocabulary[written[: end + 1]] = len(vocabulary)
                merges.append((written[:end], written[end]))
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in control])
    assert all(len(tokenizer.encode(word).ids) == 1 for word in words), "a merge of one word splits another"
    return tokenizer


def label_words() -> set[str]:
    """Return the tokens of all labels of all prompt packs that came with the package."""
    packs = (
        pack_from_json(entry.read_text(encoding="utf-8"))
        for entry in files("gpu_worker.prompts").iterdir()
        if entry.name.endswith(".json")
    )
    return {label.token for pack in packs for question in pack.questions for label in question.labels}


_TEXT: Final[dict[str, Any]] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 4096,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 5_000_000.0,
        "mrope_section": [4, 2, 2],  # half the head's width, as [24, 20, 20] is half of 128
        "mrope_interleaved": True,
    },
    "initializer_range": _SPREAD,
    "pad_token_id": None,
}
_VISION: Final[dict[str, Any]] = {
    "depth": 4,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_heads": 2,
    "out_hidden_size": 64,
    "num_position_embeddings": 144,
    "deepstack_visual_indexes": [0, 1, 2],
    "initializer_range": _SPREAD,
}
_PREPROCESSOR: Final[dict[str, Any]] = {
    "size": {"shortest_edge": 65_536, "longest_edge": 16_777_216},
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "Qwen3VLProcessor",
    "image_processor_type": "Qwen2VLImageProcessorFast",
}
