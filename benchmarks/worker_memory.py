"""What a flood of large originals takes of a worker's memory, whatever the backlog.

    python -m benchmarks.worker_memory [--images 160]

Generated 24-megapixel originals without any preview, and an engine that is free: the worker can do nothing
but fetch and decode. Every read of an original gives a fresh copy of its bytes, as S3 does. Resident memory
of the worker and its decoder is watched twenty times a second, above what both take when idle; beside it
stands the bound, which is the worker's budget of bytes and the memory that a decoder may have. The last row
lets as many originals as there are threads wait for the one decoder, which no worker lets them.
"""

import ctypes
from dataclasses import dataclass, replace
from typing import Final, cast

from benchmarks.free_engine import free_scorer
from benchmarks.ingest import pictures
from benchmarks.memory import peak_memory, resident_mib
from benchmarks.results import Plot, Results, open_results, parser
from benchmarks.worker_surroundings import Photo, Source, Surroundings, surrounded
from gpu_worker.drain import drain
from gpu_worker.limits import WorkerLimits
from parjanya_dagster.core.ports import ObjectStore
from parjanya_dagster.imaging.decoder import MEMORY_BYTES

FLOOD: Final = "memory under a flood of originals"
PHOTO: Final = "24 MP, clean, q85"
_MIB: Final = 2**20
_DEADLINE_S: Final = 300


@dataclass(frozen=True, slots=True)
class Copies:
    """A store that hands out a copy with every read; the rest is the store's own."""

    store: ObjectStore

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)

    def get(self, bucket: str, key: str, *, version_id: str | None = None) -> bytes | None:
        """See `ObjectStore`."""
        found = self.store.get(bucket, key, version_id=version_id)
        return None if found is None else bytes(bytearray(found))


def main() -> None:
    """Measure growing backlogs, then the largest without the worker's bound."""
    made = parser(__doc__)
    made.add_argument("--images", type=int, default=160, help="the largest backlog (160)")
    options = made.parse_args()
    results = open_results(
        "worker_memory",
        plot=Plot(table=FLOOD, label="backlog", value="most MiB above idle", series="originals at once"),
        packages=["pillow", "numpy"],
        out=options.out,
    )
    photo = Photo.of(pictures()[PHOTO])
    usual = WorkerLimits()
    for backlog in (options.images // 16, options.images // 4, options.images):
        measure(results, photo, backlog, usual)
    measure(results, photo, options.images, replace(usual, max_originals=usual.max_fetching))


def measure(results: Results, photo: Photo, backlog: int, limits: WorkerLimits) -> None:
    """Drain a backlog and add what that took at most."""
    with surrounded(Surroundings.FAKES, photo, Source.ORIGINAL, images=backlog) as stored:
        platform = replace(stored, objects=cast("ObjectStore", Copies(stored.objects)))
        ctypes.CDLL(None).malloc_trim(0)  # what making the picture took is not the worker's
        idle_mib = resident_mib()
        with peak_memory(every_s=0.05) as peak_mib:
            report = drain(
                platform,
                free_scorer(),
                scored_by="headless:bench",
                idle_after_s=0.5,
                deadline_s=_DEADLINE_S,
                limits=limits,
            )
    if report.outcomes != {"completed": backlog}:
        raise RuntimeError(f"{backlog} images became {dict(report.outcomes)}")
    results.add(
        FLOOD,
        {
            "backlog": backlog,
            "originals at once": limits.max_originals,
            "MB of originals": backlog * len(photo.content) / 1e6,
            "most MiB above idle": peak_mib() - idle_mib,
            "bound, MiB": (limits.max_bytes + MEMORY_BYTES) / _MIB,
            "images/s": backlog / report.active_s,
        },
    )


if __name__ == "__main__":
    main()
