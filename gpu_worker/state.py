"""The state of the worker's machine: what is held, where each message stands, and what fails."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gpu_worker.events import Dependency
from gpu_worker.limits import Stage, WorkerLimits
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.truth.row import ImageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One message that this process holds.

    Args:
        since: when it entered its stage.
        leased_at: when its lease was last renewed.
        spent: the stages it has left, and the seconds it stood in each.
        decode_s: of the seconds of fetching, those of decoding.
        row: the head as last read; None until it was.
        size_bytes: of its decoded pixels, or what is reserved for them while it is fetched.
        needs_original: its previews turned out to be of no use.
        bucket: what its pass costs; empty until it is decoded.
        pixel_budget: what it is scored with for want of memory; None is the usual.
        is_suspect: it may be what breaks the engine, so it is scored alone.
        has_recorded_attempt: this process wrote an attempt to its head.
    """

    receipt: str
    job: Job
    receive_count: int
    stage: Stage
    since: datetime
    leased_at: datetime
    spent: tuple[tuple[Stage, float], ...] = ()
    decode_s: float = 0.0
    row: ImageRow | None = None
    size_bytes: int = 0
    needs_original: bool = False
    bucket: str = ""
    pixel_budget: int | None = None
    is_suspect: bool = False
    has_recorded_attempt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """A dependency that failed `failures` times in a row; it is left alone until `until`."""

    failures: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything the machine knows.

    Args:
        held: messages by receipt, in the order they came.
        is_receiving: a receive is under way.
        receive_after: no receive before this time.
        idle_since: since when nothing is held; None while something is.
        backoffs: what fails; a dependency leaves when it works again.
        micro_batches: images per pass, by bucket, where the engine had no room for more.
        stop_reason: why it receives no more; None while it does.
        is_exiting: the process was told to end.
    """

    limits: WorkerLimits
    held: Mapping[str, Held] = field(default_factory=dict)
    is_receiving: bool = False
    receive_after: datetime | None = None
    idle_since: datetime | None = None
    backoffs: Mapping[Dependency, Backoff] = field(default_factory=dict)
    micro_batches: Mapping[str, int] = field(default_factory=dict)
    stop_reason: str | None = None
    is_exiting: bool = False

    @property
    def is_finished(self) -> bool:
        """It was asked to stop and holds nothing any more."""
        return self.stop_reason is not None and not self.held and not self.is_receiving
