"""From shards to a model: tensor by tensor straight onto the device, and every one accounted for.

`from_pretrained` gives a tensor that is missing random numbers and goes on, with a line in a log; and it
wants a further library, or the whole model in the host's memory first, which is smaller than the GPU's.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Final, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import AutoModelForImageTextToText, Qwen3VLConfig
from transformers.initialization import no_init_weights
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration

from gpu_worker.engines.checkpoint import CheckpointError, CheckpointFault

INDEX: Final = "model.safetensors.index.json"
ONLY_SHARD: Final = "model.safetensors"

_NAMED: Final = 5  # tensors that a message names of those that are wrong


def new_model(
    config: Qwen3VLConfig, device: torch.device, dtype: torch.dtype, *, is_random: bool = True
) -> Qwen3VLForConditionalGeneration:
    """Return a model that has learned nothing, made on its device.

    Args:
        is_random: initialise the weights; else they are whatever memory held.
    """
    with device, nullcontext() if is_random else no_init_weights():
        make = cast("Callable[..., Qwen3VLForConditionalGeneration]", AutoModelForImageTextToText.from_config)
        model = make(config, dtype=dtype, attn_implementation="sdpa")
    model.tie_weights()
    model.eval()  # type: ignore[no-untyped-call] # the library has no type for it
    return model


def load_weights(model: Qwen3VLForConditionalGeneration, folder: Path) -> None:
    """Fill the model from a folder's shards, its numbers converted to the model's.

    Raises:
        CheckpointError: a shard is missing or damaged, or the tensors are not exactly the model's.
    """
    wanted = dict(model.named_parameters())
    wrong: list[str] = []
    seen: set[str] = set()
    for name, found in _tensors(folder, model.device):
        parameter = wanted.get(name)
        if parameter is None:
            wrong.append(f"unexpected {name}")
        elif parameter.shape != found.shape:
            wrong.append(f"{name} is {list(found.shape)}, not {list(parameter.shape)}")
        else:
            parameter.data.copy_(found)
        seen.add(name)
    wrong += [f"missing {name}" for name in wanted if name not in seen]
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise CheckpointError(
            CheckpointFault.WRONG_TENSORS, f"{folder} is not this model: {', '.join(wrong[:_NAMED])}{more}"
        )


def shards_of(folder: Path) -> list[Path]:
    """Return the shards that the index names, or the only one.

    Raises:
        CheckpointError: one is missing, or the index is unreadable.
    """
    index = folder / INDEX
    if not index.is_file():
        shards = [folder / ONLY_SHARD]
    else:
        try:
            weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
            shards = [folder / name for name in sorted(set(weight_map.values()))]
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise CheckpointError(CheckpointFault.UNREADABLE, f"{index} is no index: {error!r}") from error
    for shard in shards:
        if not shard.is_file():
            raise CheckpointError(CheckpointFault.MISSING_FILE, f"{shard} is missing")
    return shards


def _tensors(folder: Path, device: torch.device) -> Iterator[tuple[str, Tensor]]:
    for shard in shards_of(folder):
        try:
            with safe_open(shard, framework="pt", device=str(device)) as file:
                for name in file.keys():  # noqa: SIM118 - the handle is no mapping
                    yield name, file.get_tensor(name)
        except SafetensorError as error:
            raise CheckpointError(CheckpointFault.UNREADABLE, f"{shard} is damaged: {error}") from error
