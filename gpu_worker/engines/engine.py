"""The interface of engines: pixels and questions in, label distributions out.

The worker knows nothing else of an engine, so that a language model on a GPU and a table of coefficients on a
laptop take the same path. Engines are imported only when named: torch must not be needed to not use it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

import numpy as np
import numpy.typing as npt

from gpu_worker.prompts.pack import PromptPack
from parjanya_dagster.core.errors import ConfigError, ParjanyaError
from parjanya_dagster.core.execution.fingerprint import FingerprintParts
from parjanya_dagster.core.truth.answers import Answers

DECODE_PATH: Final = "ingest-model-grid-1"
"""How pixels came about: ingest's model-grid preview, first version. Ingest changes it ⇒ change this."""

_FACTORIES: Final[Mapping[str, str]] = {
    "cpu": "gpu_worker.engines.cpu:cpu_engine",
    "qwen3_vl": "gpu_worker.engines.qwen3_vl.engine:qwen3_vl_engine",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What an engine is made from; each takes what concerns it.

    Args:
        model: folder of a checkpoint; None for an engine that came with the package.
        device: `cpu`, `cuda:0`, ...; `auto` for the first GPU, or the CPU where there is none.
        micro_batch: images per pass, ≥ 1; shapes that never change make answers repeatable bit by bit.
    """

    model: Path | None = None
    device: str = "auto"
    micro_batch: int = 8


class EngineOutOfMemoryError(ParjanyaError):
    """The device has no room for these images at once; the engine is sound, and so are the images."""


class Engine(Protocol):
    """Something that answers a prompt pack about images. Not thread-safe unless it says so."""

    @property
    def name(self) -> str:
        """The name it is registered under."""

    @property
    def pixel_budgets(self) -> tuple[int, ...]:
        """Pixels per image that it can do with, the usual first, then fewer; empty if memory is no matter."""

    def bucket_of(self, image: ScorableImage) -> str:
        """Return what an image's pass costs, by its own size alone: images of one bucket go together."""

    def fingerprint_parts(self, pack: PromptPack, *, pixel_budget: int | None = None) -> FingerprintParts:
        """Return everything that its answers to a pack depend on besides the image.

        Args:
            pixel_budget: one of `pixel_budgets`; the usual if None.
        """

    def fingerprint(self, pack: PromptPack, *, pixel_budget: int | None = None) -> str:
        """Return the digest of `fingerprint_parts`."""

    def answer(
        self, images: Sequence[ScorableImage], pack: PromptPack, *, pixel_budget: int | None = None
    ) -> list[Answers]:
        """Return the answers to all of a pack's questions, one per image and in their order.

        An image's answers do not depend on its mates. They carry the fingerprint of what produced them.

        Args:
            images: of any buckets, any number.
            pixel_budget: one of `pixel_budgets`, for want of memory; the usual if None.

        Raises:
            ConfigError: the pack asks something that this engine cannot answer.
            EngineOutOfMemoryError: fewer images at once, or fewer pixels each, might do.
        """


def engine_named(name: str, options: EngineOptions | None = None) -> Engine:
    """Return a new engine; whatever it must load is loaded here.

    Raises:
        ConfigError: there is no such engine, or its libraries are not installed.
    """
    if name not in _FACTORIES:
        raise ConfigError(f"there is no engine '{name}'; choose one of {', '.join(sorted(_FACTORIES))}")
    module, _, factory = _FACTORIES[name].partition(":")
    try:
        make = cast("Callable[[EngineOptions], Engine]", getattr(import_module(module), factory))
    except ImportError as error:
        raise ConfigError(f"engine '{name}' needs a library that is not installed: {error}") from error
    return make(options or EngineOptions())
