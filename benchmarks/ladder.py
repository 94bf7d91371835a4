"""Ways to score, climbed batch by batch within a time limit: what each reaches, and where memory ends it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import torch

from benchmarks.device import Device
from benchmarks.packed_model import Image, random_images
from benchmarks.results import Cell, Results
from gpu_worker.engines.packing import TokenGrid

SPEED: Final = "every way and batch"
BEST: Final = "images per second at each way's best batch"
_DISTINCT_IMAGES: Final = 8
_FIRST_SHARE: Final = 0.1
"""What the first way is expected to reach of its limit before anything was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to score.

    Args:
        run: scores images of one grid.
        warm_up: what is run before it is timed; `run` itself where None.
        limit_s: least seconds per image, by visual tokens and batch.
        batches: images at once, smallest first.
        rounds: how often each is timed.
    """

    name: str
    run: Callable[[Sequence[Image]], object]
    limit_s: Callable[[int, int], float]
    batches: tuple[int, ...]
    rounds: int
    warm_up: Callable[[Sequence[Image]], object] | None = None


@dataclass(slots=True, kw_only=True)
class Ladder:
    """One run over image sizes and ways.

    Args:
        ways: the first is the one that the others are compared with.
        ends_at_s: on the monotonic clock; what would not end by then is left out and named.
        shares: of its limit, as each way last reached: what the next step is expected to take.
    """

    ways: Sequence[Way]
    device: Device
    results: Results
    ends_at_s: float
    shares: dict[str, float] = field(default_factory=dict)

    def climb(self, grid: TokenGrid) -> None:
        """Add a row for each way and batch at one grid, then the best of each way."""
        images = random_images([grid] * _DISTINCT_IMAGES, seed=grid.tokens)
        best: dict[str, dict[str, Cell]] = {}
        for way in self.ways:
            for batch in way.batches:
                row = self._step(way, [images[at % len(images)] for at in range(batch)])
                if row is None:
                    break  # more images would fit even less
                if way.name not in best or _speed(row) > _speed(best[way.name]):
                    best[way.name] = row
        first = best.get(self.ways[0].name)
        for row in best.values():
            ahead = _speed(first) / _speed(row) if first else None
            results_row = {name: row[name] for name in ("way", "V", "batch", "images/s", "share of limit")}
            self.results.add(BEST, results_row | {f"{self.ways[0].name} is faster by": ahead})

    def _step(self, way: Way, images: Sequence[Image]) -> dict[str, Cell] | None:
        """Measure one batch of one way and add its row; None if there is no time or no memory for it."""
        visual, batch = images[0].grid.tokens, len(images)
        limit_s, where = way.limit_s(visual, batch), f"V={visual}, {way.name}, batch {batch}"
        # what was not measured yet may be half as good as the worst that was
        share = self.shares.get(way.name) or min(self.shares.values(), default=2 * _FIRST_SHARE) / 2
        expected_s = (way.rounds + 1) * batch * limit_s / share
        left_s = self.ends_at_s - time.monotonic()
        if expected_s > left_s:
            self.results.remark(f"{where}: left out, {left_s:.0f} s were left for about {expected_s:.0f} s")
            return None
        self.device.forget_peak_memory()
        try:
            (way.warm_up or way.run)(images)
            taken_s = min(self.device.seconds(lambda: way.run(images)) for _ in range(way.rounds)) / batch
        except torch.OutOfMemoryError:
            self.results.remark(f"{where}: out of memory")
            return None
        self.shares[way.name] = limit_s / taken_s
        row: dict[str, Cell] = {"V": visual, "way": way.name, "batch": batch, "ms per image": 1000 * taken_s}
        row |= {"images/s": 1 / taken_s, "share of limit": limit_s / taken_s}
        if (peak_gib := self.device.peak_memory_gib()) is not None:
            row["peak GiB"] = peak_gib
        self.results.add(SPEED, row)
        return row


def _speed(row: dict[str, Cell]) -> float:
    return float(row["images/s"] or 0)
