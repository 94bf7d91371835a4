"""What boot asks about a model folder before anything is loaded; engines that have a folder answer it.

A seam like that of engines: by name, imported when asked, without assuming which library loads the weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

from gpu_worker.boot.failures import BootFailedError
from gpu_worker.boot.shards import TensorForm
from gpu_worker.prompts.pack import PromptPack
from parjanya_dagster.core.belief.boot import BootFailure
from parjanya_dagster.core.errors import ConfigError

LabelTokens = dict[str, dict[str, int]]
"""Question → label → token id."""


class Inspection(Protocol):
    """A module that knows an engine's model folders; what it raises blames them, `ConfigError` apart."""

    def expected_tensors(self, folder: Path) -> Mapping[str, tuple[str | None, tuple[int, ...]]]:
        """Return safetensors type (None for any) and shape of every tensor that `config.json` asks for."""

    def label_tokens(self, folder: Path, pack: PromptPack) -> LabelTokens:
        """Return where a pack's answers are read, by the folder's tokenizer."""

    def require_device(self, device: str) -> str:
        """Return the device that a setting comes to; `ConfigError` if this machine has none such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The models that an engine loads.

    Args:
        model_type: as their `config.json` names it.
        module: an `Inspection`.
    """

    model_type: str
    module: str

    def inspection(self) -> Inspection:
        """Return the engine's own knowledge of its folders; its libraries are imported now.

        Raises:
            ConfigError: they are not installed.
        """
        try:
            return cast("Inspection", import_module(self.module))
        except ImportError as error:
            raise ConfigError(f"{self.module} needs a library that is not installed: {error}") from error


FAMILIES: Final[Mapping[str, Family]] = {
    "qwen3_vl": Family(model_type="qwen3_vl", module="gpu_worker.engines.qwen3_vl.inspection"),
}
"""By engine. An engine that is not here came with the package and has no folder."""


def expected_forms(inspection: Inspection, folder: Path) -> dict[str, TensorForm]:
    """Return every tensor of the model that a folder configures.

    Raises:
        BootFailedError: `config_invalid`.
    """
    try:
        tensors = inspection.expected_tensors(folder)
    except Exception as error:  # whatever the library makes of a wrong configuration
        raise BootFailedError(BootFailure.CONFIG_INVALID, "config.json", repr(error)) from error
    return {name: TensorForm(dtype=dtype, shape=tuple(shape)) for name, (dtype, shape) in tensors.items()}


def found_label_tokens(inspection: Inspection, folder: Path, pack: PromptPack) -> LabelTokens:
    """Return where a pack's answers are read in a folder.

    Raises:
        BootFailedError: `label_tokens_differ`: the tokenizer cannot tell labels apart, or is none.
    """
    try:
        return inspection.label_tokens(folder, pack)
    except Exception as error:  # whatever the library makes of a wrong tokenizer
        raise BootFailedError(BootFailure.LABEL_TOKENS_DIFFER, "tokenizer.json", str(error)) from error


def require_label_tokens(wanted: LabelTokens, found: LabelTokens) -> None:
    """Demand the label tokens of the manifest.

    Raises:
        BootFailedError: `label_tokens_differ`, with the first that does.
    """
    for question, labels in found.items():
        for label, token in labels.items():
            noted = wanted.get(question, {}).get(label)
            if token != noted:
                where, what = f"label '{label}' of '{question}'", f"token {token}; the manifest says {noted}"
                raise BootFailedError(BootFailure.LABEL_TOKENS_DIFFER, where, what)
