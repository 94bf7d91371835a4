"""Effects: what the worker's machine wants done. Each says everything its performer needs to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from parjanya_dagster.core.execution.outcome import Outcome
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Receive:
    """Receive up to `limit` messages; answered by `MessagesReceived`."""

    limit: int
    wait_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRows:
    """Read heads consistently, by receipt; answered by `RowsRead`."""

    keys: dict[str, ImageKey]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Fetch and decode one image; answered by `Fetched`, `OriginalNeeded` or `FetchConcluded`.

    Args:
        from_original: its previews cannot be used; the original is read by the decoder that can be lost.
    """

    receipt: str
    job: Job
    receive_count: int
    from_original: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAttempt:
    """Write to the head that this image is about to be scored; `AttemptRecorded` or `AttemptRefused`."""

    receipt: str
    job: Job
    row: ImageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An image of a micro-batch."""

    receipt: str
    job: Job
    row: ImageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Score a micro-batch on the main thread; answered by `BatchScored`, `BatchFailed` or `BatchTooLarge`.

    Args:
        batch: of one bucket.
        pixel_budget: of the engine's; the usual if None.
    """

    batch: tuple[Candidate, ...]
    pixel_budget: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """One outcome to make durable.

    Args:
        row: the head as last read, which the write is conditional on.
        has_recorded_attempt: this process wrote an attempt to the head that a `Retry` must take back.
    """

    receipt: str
    job: Job
    row: ImageRow
    outcome: Outcome
    has_recorded_attempt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Make outcomes durable; answered by `Settled`."""

    settlements: tuple[Settlement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendLeases:
    """Renew leases; answered by `LeasesExtended`."""

    receipts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMessages:
    """Delete messages whose outcome is durable."""

    receipts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseMessages:
    """Return messages, to be delivered again after `delay_s` seconds."""

    receipts: tuple[str, ...]
    delay_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Drop what is in memory of messages that somebody else may hold by now."""

    receipts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAttempt:
    """An attempt concluded: for the log and the counts.

    Args:
        job: None for a message that is no job; `outcome` then names it.
        bucket: of its image; empty if it was never decoded.
        seconds: what its image spent where, by the names of `Phase`.
    """

    job: Job | None
    receive_count: int
    outcome: Outcome
    bucket: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """End the process now: something hangs, and a lease renewed for ever would hide it."""

    reason: str


Effect = (
    Receive
    | ReadRows
    | Fetch
    | RecordAttempt
    | Score
    | Settle
    | ExtendLeases
    | DeleteMessages
    | ReleaseMessages
    | Forget
    | ReportAttempt
    | Exit
)
