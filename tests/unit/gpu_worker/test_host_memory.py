"""Host memory: what a drain holds at most, and what running out of it costs."""

from dataclasses import replace
from threading import Lock

import pytest

from gpu_worker.drain import drain
from gpu_worker.fetch import Scorable, from_previews
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.ports import ObjectStore
from parjanya_dagster.core.reading import Readable
from parjanya_dagster.core.truth.exif import Exif
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.core.truth.technical import TechnicalFacts
from tests.unit.gpu_worker.line import QUICK, Line
from tests.unit.gpu_worker.scripted_engine import a_preview, a_scorer

BY = "headless:test"


def test_originals_when_many_have_no_preview_do_not_wait_in_memory() -> None:
    """A flood of large files costs what one decoder can take, whatever the backlog and the threads."""
    line = Line()
    for number in range(1, 13):
        row = line.add(number)
        assert row.previews is not None
        assert row.original is not None
        line.objects.lose(row.original.bucket, row.previews.model_key)
    store = Counting(line.platform.objects)

    report = drain(
        replace(line.platform, objects=store, reader=store),  # type: ignore[arg-type]  # the rest is the fake's
        a_scorer(),
        scored_by=BY,
        until=lambda: not line.queue.jobs,
        deadline_s=20,
        limits=QUICK,
    )

    assert report.outcomes == {"completed": 12}
    assert store.most <= QUICK.max_originals < QUICK.max_fetching


def test_decoding_that_runs_out_of_memory_costs_its_image_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's memory is nobody's fault: the image comes back later, without blame."""
    line = Line()
    line.add_many(3)
    tried: list[object] = []

    def short_of_memory(platform: Platform, job: Job) -> Scorable | None:
        tried.append(job)
        if len(tried) == 1:
            raise MemoryError
        return from_previews(platform, job)

    monkeypatch.setattr("gpu_worker.perform.from_previews", short_of_memory)

    report = drain(
        line.platform,
        a_scorer(),
        scored_by=BY,
        until=lambda: len(tried) >= 3 and len(line.queue.jobs) == 1,
        deadline_s=20,
        limits=QUICK,
    )

    assert report.outcomes == {"completed": 2, "retry": 1}
    assert all(row.attempts == 0 for row in line.images.rows.values())
    assert sum(row.status is Status.PENDING_VLM_ENRICHMENT for row in line.images.rows.values()) == 1


class Counting:
    """A store and a decoder that count the originals between them."""

    def __init__(self, store: ObjectStore) -> None:
        self.most = 0
        self._store = store
        self._now = 0
        self._lock = Lock()

    def get(self, bucket: str, key: str, *, version_id: str | None = None) -> bytes | None:
        """See `ObjectStore`."""
        found = self._store.get(bucket, key, version_id=version_id)
        if found == b"original":
            with self._lock:
                self._now += 1
                self.most = max(self.most, self._now)
        return found

    def read(self, data: bytes) -> Readable:
        """See `ImageReader`."""
        assert data == b"original"
        with self._lock:
            self._now -= 1
        return Readable(technical=TechnicalFacts(size_bytes=8), exif=Exif(), display=b"", model=a_preview())
