"""What boot asks about a checkpoint before any weight is read; see `gpu_worker.boot.inspection`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer
from transformers import Qwen3VLConfig

from gpu_worker.engines.qwen3_vl.loading import device_named
from gpu_worker.engines.qwen3_vl.prompt import prompt_of
from gpu_worker.engines.qwen3_vl.weights import new_model
from gpu_worker.prompts.pack import PromptPack

_SAFETENSORS_NAMES: Final[Mapping[str, str]] = {
    "torch.float32": "F32",
    "torch.bfloat16": "BF16",
    "torch.float16": "F16",
}
_TIED_HEAD: Final = "lm_head.weight"


def expected_tensors(folder: Path) -> dict[str, tuple[str | None, tuple[int, ...]]]:
    """Return safetensors type and shape of every tensor that the folder's configuration asks for.

    The model is built without memory for its weights. A configuration that names no type asks for any.

    Raises:
        Exception: the configuration describes no such model; whatever the library raises then.
    """
    config = Qwen3VLConfig.from_pretrained(folder, local_files_only=True)
    asked = config.dtype or config.get_text_config().dtype  # the published one names it for the text alone
    dtype = _SAFETENSORS_NAMES.get(str(asked))  # asked first: making a model writes its own type there
    model = new_model(config, torch.device("meta"), torch.float32, is_random=False)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    if config.tie_word_embeddings:
        shapes.pop(_TIED_HEAD, None)
    return {name: (dtype, shape) for name, shape in shapes.items()}


def label_tokens(folder: Path, pack: PromptPack) -> dict[str, dict[str, int]]:
    """Return question → label → the token id that its answer is read at.

    Raises:
        CheckpointError: the tokenizer cannot tell labels apart.
        Exception: it is no tokenizer; whatever the library raises then.
    """
    prompt = prompt_of(pack, Tokenizer.from_file(str(folder / "tokenizer.json")))
    return {
        question.id: dict(zip(question.label_names, tokens, strict=True))
        for question, tokens in zip(pack.questions, prompt.labels, strict=True)
    }


def require_device(device: str) -> str:
    """Return the device that a setting comes to.

    Raises:
        ConfigError: there is no such device here.
    """
    return str(device_named(device))
