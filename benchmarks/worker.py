"""What the worker costs besides its engine: images per second and core, with an engine that is free.

    python -m benchmarks.worker [--images 2000] [--endpoint] [--profile]

Everything but the engine's arithmetic is real: messages, rows, facts, previews of a 24-megapixel photo as
ingestion stores them, decoding, decisions by the shipped policy, results and heads. The image comes from its
preview at the model's grid; from its 1536-px preview, for want of that; or from the original, decoded in
another process. Over fakes it is the worker's own cost; with `--endpoint` boto3 is in it too, against a local
AWS process on the same machine, whose own time is left out.

With `--profile` the runs are repeated under a profiler, which slows them down: its shares are whose code the
CPU time goes to, the standard library's charged to its callers. Memory: `benchmarks.worker_memory`.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]  # it publishes no types

from benchmarks.free_engine import free_scorer
from benchmarks.ingest import pictures
from benchmarks.results import Plot, Results, open_results, parser
from benchmarks.thread_profile import profiled_threads, seconds_by_owner
from benchmarks.worker_surroundings import Photo, Source, Surroundings, surrounded
from gpu_worker.drain import DrainReport, drain
from gpu_worker.limits import worker_limits
from parjanya_dagster.control.platform import Platform

COST: Final = "host overhead per image"
OWNERS: Final = "whose code the CPU time goes to, % of the worker's own"
PHOTO: Final = "24 MP, clean, q85"
_REPOSITORY: Final = Path(__file__).parents[1]
_OF_BOTO3: Final = ("boto3", "botocore", "s3transfer", "urllib3", "jmespath")
_FEWER: Final = {Source.MODEL_GRID: 1, Source.DISPLAY: 4, Source.ORIGINAL: 40}
_FEWER_ON_ENDPOINT: Final = 5
_DEADLINE_S: Final = 600


def main() -> None:
    """Measure every source over the fakes, those that are usual over the endpoint, then profile."""
    options = _options()
    results = open_results(
        "worker",
        plot=Plot(table=COST, label="image from", value="images/s per core", series="over", is_log=True),
        packages=["boto3", "pillow", "numpy", "polars"],
        out=options.out,
    )
    photo = Photo.of(pictures()[PHOTO])
    runs = [(Surroundings.FAKES, source) for source in Source]
    if options.endpoint:
        runs += [(Surroundings.ENDPOINT, source) for source in (Source.MODEL_GRID, Source.DISPLAY)]
    for by, source in runs:
        count = options.images // _FEWER[source] // (_FEWER_ON_ENDPOINT if by is Surroundings.ENDPOINT else 1)
        with surrounded(by, photo, source, images=count) as platform:
            measure(results, platform, by, source, count)
    if options.profile:
        profile(
            results, photo, [by for by, source in runs if source is Source.MODEL_GRID], options.images // 5
        )


def measure(results: Results, platform: Platform, by: Surroundings, source: Source, count: int) -> None:
    """Drain the images and add what that cost this process and its decoder."""
    began_s = cpu_s(by)
    report, ended_s = drained(platform, count, lambda: cpu_s(by))
    spent_s = ended_s - began_s
    results.add(
        COST,
        {
            "image from": source,
            "over": by,
            "images": count,
            "CPU ms per image": 1000 * spent_s / count,
            "images/s per core": count / spent_s,
            "images/s": count / report.active_s,
        },
    )


def drained(platform: Platform, count: int, clock: Callable[[], float]) -> tuple[DrainReport, float]:
    """Return the report of a worker that settled everything, and what the clock said when it had.

    Raises:
        RuntimeError: it did not.
    """
    done_at: list[float] = []

    def note(report: DrainReport) -> None:
        if len(report.settled) >= count and not done_at:
            done_at.append(clock())

    report = drain(
        platform,
        free_scorer(),
        scored_by="headless:bench",
        until=lambda: bool(done_at),
        progress=note,
        deadline_s=_DEADLINE_S,
        limits=worker_limits(platform.limits),
    )
    if not done_at or report.outcomes.get("completed") != count:
        raise RuntimeError(f"{count} images became {dict(report.outcomes)}")
    return report, done_at[0]


def cpu_s(by: Surroundings) -> float:
    """Return the CPU seconds of this process so far, and of its decoder."""
    # over the endpoint the only child is the local AWS process, which is no part of a worker
    decoders = psutil.Process().children() if by is Surroundings.FAKES else []
    return time.process_time() + sum(sum(child.cpu_times()[:2]) for child in decoders)


def profile(results: Results, photo: Photo, surroundings: Sequence[Surroundings], count: int) -> None:
    """Add whose code the time goes to, a column for each of the surroundings."""
    shares: dict[str, dict[str, float]] = {}
    for by in surroundings:
        with surrounded(by, photo, Source.MODEL_GRID, images=count) as platform:
            with profiled_threads() as profiles:
                drained(platform, count, time.process_time)
            seconds = seconds_by_owner(profiles, owner_of)
        for owner, own_s in seconds.items():
            shares.setdefault(owner, {})[by] = 100 * own_s / sum(seconds.values())
    for owner, percent in sorted(shares.items(), key=lambda item: -max(item[1].values())):
        if max(percent.values()) >= 1:
            results.add(OWNERS, {"code of": owner} | {by: percent.get(by) for by in surroundings})


def owner_of(file: str) -> str | None:
    """Return whose a source file is; None for the standard library and built-in functions."""
    if "/site-packages/" in file:
        package = file.rpartition("/site-packages/")[2].partition("/")[0]
        return "boto3 and what it uses" if package in _OF_BOTO3 else package
    path = Path(file)
    if not path.is_relative_to(_REPOSITORY):
        return None
    part = path.relative_to(_REPOSITORY).parts
    return ".".join(part[:2] if part[0] == "parjanya_dagster" else part[:1])


def _options() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--images", type=int, default=2000, help="fewer where one costs more (2000)")
    made.add_argument("--endpoint", action="store_true", help="also against a local AWS process")
    made.add_argument("--profile", action="store_true", help="also say whose code the time goes to")
    return made.parse_args()


if __name__ == "__main__":
    main()
