"""Climbing batches: memory and time end a way's climb, never the run."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the engine's libraries are an extra: install .[engine]")

from benchmarks.device import Device  # noqa: E402 - below the check
from benchmarks.ladder import BEST, SPEED, Ladder, Way  # noqa: E402 - below the check
from benchmarks.packed_model import Image  # noqa: E402 - below the check
from benchmarks.results import Plot, Results, open_results  # noqa: E402 - below the check
from gpu_worker.engines.packing import TokenGrid  # noqa: E402 - below the check

GRID = TokenGrid(rows=2, columns=2)
AN_HOUR_S = 3600.0


def _work(images: Sequence[Image]) -> None:
    """Take some time per batch and none per image: larger batches are faster."""
    del images
    sum(range(200_000))


def _with_room_for(most: int) -> Callable[[Sequence[Image]], None]:
    def work(images: Sequence[Image]) -> None:
        if len(images) > most:
            raise torch.OutOfMemoryError("tried to allocate more than there is")
        _work(images)

    return work


def _way(name: str, run: Callable[[Sequence[Image]], None] = _work, *, limit_s: float = 1e-6) -> Way:
    return Way(name=name, run=run, limit_s=lambda _visual, _batch: limit_s, batches=(1, 4, 8), rounds=2)


def _climbed(path: Path, *ways: Way, time_left_s: float = AN_HOUR_S) -> Results:
    results = open_results(
        "ladder", plot=Plot(table=BEST, label="way", value="images/s"), packages=[], out=path / "ladder.json"
    )
    device = Device(torch_device=torch.device("cpu"), dtype=torch.float32, name=None)
    ends_at_s = time.monotonic() + time_left_s
    Ladder(ways=ways, device=device, results=results, ends_at_s=ends_at_s).climb(GRID)
    return results


def test_way_that_runs_out_of_memory_ends_there_and_the_others_go_on(tmp_path: Path) -> None:
    """What fitted is kept and the limit is named: on a large GPU the last batch is meant to fail."""
    results = _climbed(tmp_path, _way("first", _with_room_for(4)), _way("second"))

    batches = [(row["way"], row["batch"]) for row in results.tables[SPEED]]
    assert batches == [("first", 1), ("first", 4), ("second", 1), ("second", 4), ("second", 8)]
    assert results.remarks == ["V=4, first, batch 8: out of memory"]


def test_way_that_would_not_end_in_time_is_left_out_and_named(tmp_path: Path) -> None:
    """A lent machine goes back on time, with everything that was measured until then."""
    results = _climbed(tmp_path, _way("quick"), _way("slow", limit_s=AN_HOUR_S), time_left_s=60)

    assert {row["way"] for row in results.tables[SPEED]} == {"quick"}
    assert len(results.remarks) == 1
    assert results.remarks[0].startswith("V=4, slow, batch 1: left out")


def test_best_batch_of_each_way_stands_beside_the_first_way(tmp_path: Path) -> None:
    """A way is judged by its best, and by how much the first is faster than that."""
    results = _climbed(tmp_path, _way("first"), _way("second", _with_room_for(1)))

    first, second = results.tables[BEST]
    assert (first["batch"], second["batch"]) == (8, 1)
    assert first["first is faster by"] == pytest.approx(1)
    assert float(second["first is faster by"] or 0) > 2
