"""A platform of fakes with images that wait to be scored, for tests that let the worker run for real."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gpu_worker.limits import WorkerLimits
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import publish_policy
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.policies.shipped import shipped_policy
from parjanya_dagster.simulation.fakes.images import FakeImageStore
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from parjanya_dagster.simulation.fakes.queue import FakeIntentQueue
from tests.builders import a_job, a_row, some_facts
from tests.unit.gpu_worker.scripted_engine import a_preview

QUICK = WorkerLimits(
    max_held=12, micro_batch=4, receive_wait_s=0, receive_pause=timedelta(milliseconds=20), max_fetching=4
)


def utc_now() -> datetime:
    """Return the time: threads wait for real, so here the fakes' clock passes for real."""
    return datetime.now(tz=UTC)


class Line:
    """Fakes that share a running clock, and what waits on them."""

    def __init__(self, *, visibility_s: int = 180) -> None:
        fakes = a_fake_platform(plane="worker")
        self.calls = fakes.calls
        self.images = FakeImageStore(utc_now, fakes.calls)
        self.queue = FakeIntentQueue(utc_now, fakes.calls, visibility_s=visibility_s, idle_s=0.01)
        self.objects = fakes.objects
        self.platform: Platform = replace(
            fakes.platform(), images=self.images, queue=self.queue, clock=utc_now
        )
        publish_policy(self.platform, shipped_policy().canonical)

    def add(self, number: int, *, level: int = 200, sent: bool = True, **changes: Any) -> ImageRow:  # noqa: ANN401 - any field
        """Put one image that waits, with its facts, preview and stamped job."""
        row = a_row(number, **changes)
        if sent:
            row = replace(row, intent_at=utc_now(), intent_id=f"intent-{number}", emissions=1)
        self.images.add(row)
        self.images.put_facts(row.key, some_facts())
        if row.previews and row.original:
            self.objects.add(row.original.bucket, row.previews.model_key, a_preview(level))
            self.objects.add(row.original.bucket, row.original.key, b"original")
        self.queue.send([a_job(row, intent_id=f"intent-{number}", now=utc_now())])
        return row

    def add_many(self, count: int) -> list[ImageRow]:
        """Put `count` images that wait."""
        return [self.add(number) for number in range(1, count + 1)]

    def row(self, key: ImageKey) -> ImageRow:
        """Return the head as it is now."""
        row = self.images.get(key)
        assert row is not None
        return row

    def all_are(self, status: Status) -> bool:
        """Whether every row stands there."""
        return all(row.status is status for row in self.images.rows.values())
