"""Everything that was ever found wrong with a model folder, and what a worker calls it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpu_worker.boot.golden import GOLDEN, GOLDEN_IMAGES
from gpu_worker.boot.manifest import MANIFEST
from gpu_worker.boot.shards import INDEX
from parjanya_dagster.core.belief.boot import BootFailure
from tests.boot.folders import (
    SHARD,
    TENSOR,
    Damage,
    drop_tensor,
    edit,
    flip_a_bit,
    move_label_tokens,
    rebless,
    rewrite_header,
    shard_of,
    shift_golden,
    truncate,
)
from tests.engines.tiny_checkpoint import tiny_checkpoint


def _of_manifest(change: Callable[[dict[str, Any]], object]) -> Damage:
    return lambda folder: edit(folder / MANIFEST, change)


def _blessed(damage: Damage) -> Damage:
    """Return the damage of a folder whose manifest was made afterwards: only what reads deeper can see it."""

    def both(folder: Path) -> None:
        damage(folder)
        rebless(folder)

    return both


def _wants(change: Callable[[dict[str, Any]], object]) -> Damage:
    return _of_manifest(lambda document: change(document["compatible"]))


def _other_weights(folder: Path) -> None:
    other = tiny_checkpoint(folder.parent / "other", seed=1)
    for shard in folder.glob("*.safetensors"):
        shutil.copy(other / shard.name, shard)


def _grown(header: dict[str, Any]) -> None:
    header[TENSOR]["shape"] = [8, 8]


def _of_another_type(header: dict[str, Any]) -> None:
    header[TENSOR]["dtype"] = "I32"


DAMAGES: dict[str, tuple[Damage, BootFailure, str]] = {
    "no manifest": (
        lambda folder: (folder / MANIFEST).unlink(),
        BootFailure.MANIFEST_MISSING,
        MANIFEST,
    ),
    "half a manifest": (
        lambda folder: truncate(folder / MANIFEST),
        BootFailure.MANIFEST_INVALID,
        MANIFEST,
    ),
    "a manifest that was edited": (
        _of_manifest(lambda document: document["files"].popitem()),
        BootFailure.MANIFEST_INVALID,
        "content_hash",
    ),
    "a manifest that lists what is outside": (
        _of_manifest(lambda document: document["files"].update({"../x": document["files"][INDEX]})),
        BootFailure.MANIFEST_INVALID,
        "'../x'",
    ),
    "for another engine": (
        _wants(lambda wanted: wanted.update(engine="vllm")),
        BootFailure.INCOMPATIBLE,
        "engine vllm there, qwen3_vl here",
    ),
    "for another family": (
        _wants(lambda wanted: wanted.update(model_type="qwen2_vl")),
        BootFailure.INCOMPATIBLE,
        "model type qwen2_vl there, qwen3_vl here",
    ),
    "for a later library": (
        _wants(lambda wanted: wanted["libraries"]["transformers"].update(at_least="6.0", below="6.1")),
        BootFailure.INCOMPATIBLE,
        "transformers from 6.0 below 6.1 there",
    ),
    "for an earlier library": (
        _wants(lambda wanted: wanted["libraries"]["transformers"].update(at_least="4.57.0", below="5")),
        BootFailure.INCOMPATIBLE,
        "transformers from 4.57.0 below 5 there",
    ),
    "for other questions": (
        _wants(lambda wanted: wanted["packs"]["house-1"].update(content_hash="0" * 64)),
        BootFailure.INCOMPATIBLE,
        "content of prompt pack house-1 000000000000 there",
    ),
    "for another pack": (
        _wants(lambda wanted: wanted.update(packs={"house-0": wanted["packs"]["house-1"]})),
        BootFailure.INCOMPATIBLE,
        "prompt pack house-0 there, house-1 here",
    ),
    "a shard is missing": (
        lambda folder: (folder / SHARD).unlink(),
        BootFailure.FILE_MISSING,
        SHARD,
    ),
    "the tokenizer is missing": (
        lambda folder: (folder / "tokenizer.json").unlink(),
        BootFailure.TOKENIZER_MISSING,
        "tokenizer.json",
    ),
    "the tokenizer was never there": (
        _blessed(lambda folder: (folder / "tokenizer_config.json").unlink()),
        BootFailure.TOKENIZER_MISSING,
        "tokenizer_config.json",
    ),
    "a Python file was added": (
        lambda folder: (folder / "modeling.py").write_text("print('hello')"),  # type: ignore[func-returns-value]  # its count is of no interest
        BootFailure.FILE_UNLISTED,
        "modeling.py",
    ),
    "a Python file is listed": (
        _blessed(lambda folder: (folder / "modeling.py").write_text("print('hello')")),  # type: ignore[func-returns-value]  # same
        BootFailure.REMOTE_CODE,
        "modeling.py",
    ),
    "a Python file hides among golden images": (
        lambda folder: (folder / GOLDEN_IMAGES / "x.py").write_text("print('hello')"),  # type: ignore[func-returns-value]  # same
        BootFailure.FILE_UNLISTED,
        "golden/x.py",
    ),
    "a shard was cut": (
        lambda folder: truncate(folder / SHARD),
        BootFailure.SIZE_DIFFERS,
        SHARD,
    ),
    "a bit was flipped": (
        lambda folder: flip_a_bit(folder / SHARD),
        BootFailure.HASH_DIFFERS,
        SHARD,
    ),
    "a configuration asks for code": (
        _blessed(
            lambda folder: edit(
                folder / "config.json", lambda config: config.update(auto_map={"AutoModel": "x.Y"})
            )
        ),
        BootFailure.REMOTE_CODE,
        "config.json",
    ),
    "a tokenizer asks for code": (
        _blessed(
            lambda folder: edit(
                folder / "tokenizer_config.json", lambda config: config.update(x=[{"auto_map": {}}])
            )
        ),
        BootFailure.REMOTE_CODE,
        "tokenizer_config.json",
    ),
    "a configuration is no JSON": (
        _blessed(lambda folder: truncate(folder / "config.json")),
        BootFailure.CONFIG_INVALID,
        "config.json",
    ),
    "a configuration is of another model": (
        _blessed(
            lambda folder: edit(folder / "config.json", lambda config: config.update(model_type="gemma3"))
        ),
        BootFailure.INCOMPATIBLE,
        "'gemma3'",
    ),
    "a configuration describes no model": (
        _blessed(
            lambda folder: edit(
                folder / "config.json", lambda config: config["text_config"].update(num_hidden_layers="many")
            )
        ),
        BootFailure.CONFIG_INVALID,
        "config.json",
    ),
    "a shard was cut before it was listed": (
        _blessed(lambda folder: truncate(folder / SHARD)),
        BootFailure.SHARD_TRUNCATED,
        SHARD,
    ),
    "the index is missing": (
        _blessed(lambda folder: (folder / INDEX).unlink()),
        BootFailure.INDEX_INCOMPLETE,
        "3 shards and no index",
    ),
    "the index names what no shard has": (
        _blessed(
            lambda folder: edit(folder / INDEX, lambda index: index["weight_map"].update({"x.weight": SHARD}))
        ),
        BootFailure.INDEX_INCOMPLETE,
        "x.weight in the index and in no shard",
    ),
    "the index forgets a tensor": (
        _blessed(lambda folder: edit(folder / INDEX, lambda index: index["weight_map"].pop(TENSOR))),
        BootFailure.INDEX_INCOMPLETE,
        f"{TENSOR} in a shard and not in the index",
    ),
    "a tensor is missing": (
        _blessed(lambda folder: drop_tensor(folder, TENSOR)),
        BootFailure.LOAD_INCOMPLETE,
        f"{TENSOR} missing",
    ),
    "a tensor has another shape": (
        _blessed(lambda folder: rewrite_header(shard_of(folder, TENSOR), _grown)),
        BootFailure.DTYPE_OR_SHAPE_DIFFERS,
        "F32 [8, 8] there, F32 [64]",
    ),
    "a tensor has another type": (
        _blessed(lambda folder: rewrite_header(shard_of(folder, TENSOR), _of_another_type)),
        BootFailure.DTYPE_OR_SHAPE_DIFFERS,
        "I32 [64] there, F32 [64]",
    ),
    "label tokens moved": (
        _blessed(move_label_tokens),
        BootFailure.LABEL_TOKENS_DIFFER,
        "label 'yes' of 'photograph'",
    ),
    "the tokenizer is none": (
        _blessed(lambda folder: truncate(folder / "tokenizer.json")),
        BootFailure.LABEL_TOKENS_DIFFER,
        "tokenizer.json",
    ),
    "the preprocessor is another one": (
        _blessed(
            lambda folder: edit(
                folder / "preprocessor_config.json", lambda config: config.update(image_mean=[0.4, 0.4, 0.4])
            )
        ),
        BootFailure.CONFIG_INVALID,
        "preprocessor_config.json",
    ),
    "no golden answers": (
        lambda folder: (folder / GOLDEN).unlink(),
        BootFailure.GOLDEN_MISSING,
        GOLDEN,
    ),
    "golden answers of another model": (
        lambda folder: edit(folder / GOLDEN, lambda golden: golden.update(model="0" * 64)),
        BootFailure.GOLDEN_MISSING,
        "000000000000",
    ),
    "golden answers to other questions": (
        lambda folder: edit(folder / GOLDEN, lambda golden: golden.update(answers={"house-0@0": {}})),
        BootFailure.GOLDEN_MISSING,
        "house-1",
    ),
    "a golden image is missing": (
        lambda folder: next((folder / GOLDEN_IMAGES).iterdir()).unlink(),
        BootFailure.GOLDEN_MISSING,
        "golden/",
    ),
    "a golden image was changed": (
        lambda folder: flip_a_bit(next((folder / GOLDEN_IMAGES).iterdir())),
        BootFailure.HASH_DIFFERS,
        "golden/",
    ),
    "a golden answer is off": (
        lambda folder: shift_golden(folder, 2e-4),
        BootFailure.GOLDEN_DIFFERS,
        "0.00020 apart, 0.0001 allowed",
    ),
    "weights are another training's": (
        _blessed(_other_weights),
        BootFailure.GOLDEN_DIFFERS,
        "apart, 0.0001 allowed",
    ),
}
"""What is done to the folder, what it is called, and what the message names."""
