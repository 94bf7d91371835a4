"""A worker whose engine has no room for a photo, unless its machine belongs to an extra fleet."""

import os
import sys
from collections.abc import Sequence

from gpu_worker import main
from gpu_worker.engines import engine
from gpu_worker.engines.content_model import shipped_content_model
from gpu_worker.engines.cpu import CpuEngine
from gpu_worker.engines.engine import EngineOptions, EngineOutOfMemoryError, ScorableImage
from gpu_worker.prompts.pack import PromptPack
from parjanya_dagster.core.truth.answers import Answers

_ROOM = 300_000
"""Pixels of an image that always fits: the golden images of a boot do, photos do not."""


class SmallEngine(CpuEngine):
    """The embedded engine on a machine that may be too small."""

    @property
    def pixel_budgets(self) -> tuple[int, ...]:
        """See `Engine`."""
        return (400_000, 100_000)

    def answer(
        self, images: Sequence[ScorableImage], pack: PromptPack, *, pixel_budget: int | None = None
    ) -> list[Answers]:
        """See `Engine`."""
        has_room = "PARJANYA_FLEET" in os.environ
        if not has_room and any(image.pixels[..., 0].size > _ROOM for image in images):
            raise EngineOutOfMemoryError(f"no room for {len(images)} images of {pixel_budget} pixels")
        return super().answer(images, pack)


def small_engine(options: EngineOptions) -> SmallEngine:
    """Return the engine; see `engine_named`."""
    del options
    return SmallEngine(shipped_content_model())


if __name__ == "__main__":
    engine._FACTORIES["small"] = "tests.end_to_end.small_gpu:small_engine"  # type: ignore[index]  # for this process
    sys.exit(main.main(["headless"]))
