"""Loading a checkpoint, and refusing one that would load and then answer nonsense.

Most of what can be wrong with a checkpoint goes unnoticed by the libraries that load it: here each has a
name. What only its bytes can tell is left to the manifest, and what only its answers can, to golden images.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from tokenizers import Tokenizer
from transformers import Qwen3VLConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration

from gpu_worker.engines.checkpoint import CheckpointError, CheckpointFault
from gpu_worker.engines.qwen3_vl.identity import weights_identity
from gpu_worker.engines.qwen3_vl.patches import FRAMES, MERGE, PATCH_PX
from gpu_worker.engines.qwen3_vl.prompt import published_label_tokens, require_label_tokens
from gpu_worker.engines.qwen3_vl.weights import load_weights, new_model
from parjanya_dagster.core.errors import ConfigError

_MODEL_TYPE: Final = "qwen3_vl"
_PREPROCESSING: Final = {
    "patch_size": PATCH_PX,
    "temporal_patch_size": FRAMES,
    "merge_size": MERGE,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
"""What `patches` computes; a model that was trained on something else would see badly and say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedModel:
    """A model that may score.

    Args:
        model: in evaluation mode, on its device.
        tokenizer: its own.
        weights: identity of the weights, for the fingerprint.
    """

    model: Qwen3VLForConditionalGeneration
    tokenizer: Tokenizer
    weights: str

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return torch.device(self.model.device)

    @property
    def dtype(self) -> str:
        """Its arithmetic, e.g. `bfloat16`."""
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def hardware(self) -> str:
        """The architecture that computes, e.g. `sm_89`; `cpu`."""
        if self.device.type != "cuda":
            return self.device.type
        major, minor = torch.cuda.get_device_capability(self.device)
        return f"sm_{major}{minor}"

    @property
    def libraries(self) -> str:
        """What computes besides our own code, with versions."""
        return f"transformers-{transformers.__version__} torch-{torch.__version__}"


def device_named(name: str) -> torch.device:
    """Return the device of a setting: `auto` is the first GPU, or the CPU where there is none.

    Raises:
        ConfigError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"'{name}' is no device; write auto, cpu or cuda:0") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"there is no device {name} here; torch sees {torch.cuda.device_count()} GPU(s)")
    return device


def load_checkpoint(
    folder: Path,
    device: torch.device,
    *,
    dtype: torch.dtype | None = None,
    label_tokens: Mapping[str, int] | None = None,
) -> LoadedModel:
    """Return the model of a checkpoint folder, shard by shard straight onto its device.

    Args:
        folder: as published; nothing is fetched from anywhere and no code in it is run.
        dtype: bfloat16 on a GPU and float32 on the CPU if None.
        label_tokens: text → the one token id that it must be; if None and the vocabulary is Qwen's, the
            published ones.

    Raises:
        CheckpointError: the checkpoint must not score; `fault` says why.
    """
    _require_plain_config(_document(folder / "config.json"))
    _require_preprocessing(_document(folder / "preprocessor_config.json"))
    tokenizer = _tokenizer(folder / "tokenizer.json")
    expected = published_label_tokens(tokenizer) if label_tokens is None else label_tokens
    require_label_tokens(tokenizer, expected)
    usual = torch.float32 if device.type == "cpu" else torch.bfloat16
    model = new_model(_config(folder), device, dtype or usual, is_random=False)
    load_weights(model, folder)
    return LoadedModel(model=model, tokenizer=tokenizer, weights=weights_identity(folder))


def _config(folder: Path) -> Qwen3VLConfig:
    try:
        return Qwen3VLConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(
            CheckpointFault.UNREADABLE, f"config.json is no {_MODEL_TYPE}'s: {error}"
        ) from error


def _tokenizer(path: Path) -> Tokenizer:
    if not path.is_file():
        raise CheckpointError(CheckpointFault.MISSING_FILE, f"{path} is missing")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise CheckpointError(CheckpointFault.UNREADABLE, f"{path} is no tokenizer: {error}") from error


def _document(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(CheckpointFault.MISSING_FILE, f"{path} is missing") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(CheckpointFault.UNREADABLE, f"{path} is unreadable: {error}") from error
    if not isinstance(document, dict):
        raise CheckpointError(CheckpointFault.UNREADABLE, f"{path} holds no JSON object")
    return document


def _require_plain_config(config: Mapping[str, Any]) -> None:
    if "auto_map" in config:
        raise CheckpointError(
            CheckpointFault.REMOTE_CODE, "config.json has an auto_map: it wants code of its own to be run"
        )
    if config.get("model_type") != _MODEL_TYPE:
        raise CheckpointError(
            CheckpointFault.WRONG_MODEL,
            f"config.json is of a '{config.get('model_type')}', not {_MODEL_TYPE}",
        )
    vision = config.get("vision_config", {})
    sizes = (vision.get("patch_size"), vision.get("temporal_patch_size"), vision.get("spatial_merge_size"))
    if sizes != (PATCH_PX, FRAMES, MERGE):
        raise CheckpointError(
            CheckpointFault.WRONG_PREPROCESSING,
            f"config.json: patch, frames and merge are {sizes}, not {(PATCH_PX, FRAMES, MERGE)}",
        )


def _require_preprocessing(preprocessor: Mapping[str, Any]) -> None:
    if wrong := {
        name: preprocessor.get(name)
        for name in _PREPROCESSING
        if preprocessor.get(name) != _PREPROCESSING[name]
    }:
        raise CheckpointError(
            CheckpointFault.WRONG_PREPROCESSING, f"preprocessor_config.json has {wrong}, not {_PREPROCESSING}"
        )
