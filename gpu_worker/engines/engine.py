"""The interface of engines: pixels and questions in, label distributions out.

The worker knows nothing else of an engine, so that a language model on a GPU and a table of coefficients on a
laptop take the same path. Engines are imported only when named: torch must not be needed to not use it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, Protocol, cast

import numpy as np
import numpy.typing as npt

from gpu_worker.prompts.pack import PromptPack
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.execution.fingerprint import FingerprintParts
from parjanya_dagster.core.truth.answers import Answers

DECODE_PATH: Final = "ingest-model-grid-1"
"""How pixels came about: ingest's model-grid preview, first version. Ingest changes it ⇒ change this."""

_FACTORIES: Final[Mapping[str, str]] = {
    "cpu": "gpu_worker.engines.cpu:cpu_engine",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorableImage:
    """One image as an engine sees it.

    Args:
        pixels: uint8 [height, width, 3], sRGB, upright, at the model's grid.
        native: ingest's statistics of the original's own pixels, by their bare names
            (`NativeStatistics`); empty where they are unknown.
        facts: further numbers about the original, e.g. its stored width and height.
    """

    pixels: npt.NDArray[np.uint8]
    native: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)


class Engine(Protocol):
    """Something that answers a prompt pack about images. Not thread-safe unless it says so."""

    @property
    def name(self) -> str:
        """The name it is registered under."""

    def fingerprint_parts(self, pack: PromptPack) -> FingerprintParts:
        """Return everything that its answers to a pack depend on besides the image."""

    def fingerprint(self, pack: PromptPack) -> str:
        """Return the digest of `fingerprint_parts`."""

    def answer(self, images: Sequence[ScorableImage], pack: PromptPack) -> list[Answers]:
        """Return the answers to all of a pack's questions, one per image and in their order.

        An image's answers do not depend on its mates.

        Raises:
            ConfigError: the pack asks something that this engine cannot answer.
        """


def engine_named(name: str) -> Engine:
    """Return a new engine; whatever it must load is loaded here.

    Raises:
        ConfigError: there is no such engine, or its libraries are not installed.
    """
    if name not in _FACTORIES:
        raise ConfigError(f"there is no engine '{name}'; choose one of {', '.join(sorted(_FACTORIES))}")
    module, _, factory = _FACTORIES[name].partition(":")
    try:
        make = cast("Callable[[], Engine]", getattr(import_module(module), factory))
    except ImportError as error:
        raise ConfigError(f"engine '{name}' needs a library that is not installed: {error}") from error
    return make()
