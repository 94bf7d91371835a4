"""The worker's own limits: how much it holds, how long anything may take, and when it gives up.

They are one value inside the machine's state, so that a test or the simulator says what it wants.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from parjanya_dagster.core.reconcile.limits import Limits


class Stage(StrEnum):
    """Where a held message stands in this process."""

    READING = "reading"
    QUEUED = "queued"
    FETCHING = "fetching"
    READY = "ready"
    RECORDING = "recording"
    SCORING = "scoring"
    SETTLING = "settling"


def _stage_deadlines() -> dict[Stage, timedelta]:
    seconds = {
        Stage.READING: 60,
        Stage.QUEUED: 600,
        Stage.FETCHING: 120,
        Stage.READY: 600,
        Stage.RECORDING: 60,
        Stage.SCORING: 120,
        Stage.SETTLING: 120,
    }
    return {stage: timedelta(seconds=each) for stage, each in seconds.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """The numbers of one worker.

    Args:
        max_held: messages held at once, in whatever stage, ≥ 1.
        max_bytes: decoded pixels, and files being decoded, held at once.
        image_bytes: what one image may cost until its size is known: a preview and its decoded pixels.
        original_bytes: what an original whose size nobody wrote down may cost on top of that.
        micro_batch: images per call of the engine, ≥ 1.
        pixel_budgets: pixels per image that the engine can do with, the usual first, then fewer.
        max_fetching: images being fetched and decoded at once.
        max_originals: originals among those: one in the decoder and one on its way; none lies waiting.
        linger: how long a partly filled micro-batch waits for company while the engine has nothing to do.
        longest_wait: how long full micro-batches of other buckets may go before an image.
        place: where this worker runs, for whoever must find a larger machine.
        visibility: the queue's visibility timeout; a lease is renewed every third of it.
        receive_wait_s: long poll, 0..20.
        receive_pause: pause after a receive that brought nothing.
        unreadable_delay_s: how long a message that is no job is hidden; it dead-letters by being received.
        stage_deadlines: the longest a message may stay in each stage; after that the process must exit.
        first_backoff: pause after the first failure of a dependency; doubles with every further one.
        longest_backoff: upper bound of that pause.
        suspect_from: deliveries from which an image is scored alone.
        max_attempts: recorded attempts without an outcome after which the image is what crashes us.
        max_engine_failures: failures of the engine in a row after which the process must exit.
    """

    max_held: int = 32
    max_bytes: int = 256 * 1024 * 1024
    image_bytes: int = 8_000_000
    original_bytes: int = 64_000_000
    micro_batch: int = 8
    pixel_budgets: tuple[int, ...] = ()
    max_fetching: int = 16
    max_originals: int = 2
    linger: timedelta = timedelta(milliseconds=100)
    longest_wait: timedelta = timedelta(seconds=10)
    place: str = "this worker"
    visibility: timedelta = timedelta(seconds=180)
    receive_wait_s: int = 2
    receive_pause: timedelta = timedelta(milliseconds=200)
    unreadable_delay_s: int = 60
    stage_deadlines: Mapping[Stage, timedelta] = field(default_factory=_stage_deadlines)
    first_backoff: timedelta = timedelta(seconds=1)
    longest_backoff: timedelta = timedelta(seconds=60)
    suspect_from: int = 2
    max_attempts: int = 2
    max_engine_failures: int = 3

    def fewer_pixels(self, budget: int | None) -> int | None:
        """Return the engine's next smaller pixel budget; None where there is none.

        Args:
            budget: what had no room; the usual if None.
        """
        at = 0 if budget is None else self.pixel_budgets.index(budget)
        return next(iter(self.pixel_budgets[at + 1 :]), None)

    @property
    def receive_from(self) -> int:
        """Free places from which a receive is worth a call: SQS hands out ten at a time."""
        return min(10, max(1, self.max_held // 2))


def worker_limits(limits: Limits, *, micro_batch: int = 8) -> WorkerLimits:
    """Return the limits of a worker of a platform with these limits."""
    deadlines = _stage_deadlines() | {Stage.SCORING: 2 * limits.longest_micro_batch}
    return WorkerLimits(
        max_held=4 * micro_batch,
        micro_batch=micro_batch,
        visibility=limits.visibility,
        stage_deadlines=deadlines,
    )
