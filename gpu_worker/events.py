"""Events: what happened, told to the worker's machine by the threads that feed it.

A receipt that the machine no longer holds makes an event meaningless, never wrong: threads may be late.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from parjanya_dagster.core.execution.outcome import Outcome
from parjanya_dagster.core.ports import Received
from parjanya_dagster.core.truth.row import ImageRow


class Dependency(StrEnum):
    """What a worker cannot do without: while one fails, it receives nothing."""

    QUEUE = "queue"
    ROWS = "rows"
    OBJECTS = "objects"
    ENGINE = "engine"
    POLICY = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesReceived:
    """A receive ended, possibly with nothing."""

    messages: tuple[Received, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveFailed:
    """The queue did not answer a receive.

    Args:
        detail: what it said, for the log.
    """

    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsRead:
    """Heads were read consistently; by receipt, None where there is no row."""

    rows: Mapping[str, ImageRow | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An image lies decoded in memory.

    Args:
        size_bytes: of its pixels.
        bucket: what its pass costs, by its own grid; only images of one bucket share a micro-batch.
        decode_s: of the seconds since it was asked for, those that decoding took.
    """

    receipt: str
    size_bytes: int
    bucket: str
    decode_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalNeeded:
    """Neither preview of an image can be used: its original must be read and decoded."""

    receipt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchConcluded:
    """There is nothing to score, and why."""

    receipt: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecorded:
    """The head says that a suspect is about to be scored alone."""

    receipt: str
    row: ImageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRefused:
    """The head had moved on when the attempt was to be recorded."""

    receipt: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchScored:
    """The engine answered and the policy decided; by receipt."""

    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFailed:
    """The engine raised.

    Args:
        error: what it said.
        engine_is_sound: it still answers about a plain image, so the batch is to blame.
    """

    receipts: tuple[str, ...]
    error: str
    engine_is_sound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTooLarge:
    """The engine had no room for a micro-batch; it is sound, and so are the images.

    Args:
        error: what it said.
    """

    receipts: tuple[str, ...]
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Outcomes are durable, or turned into what the lost write showed; by receipt."""

    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasesExtended:
    """Leases were renewed.

    Args:
        held: receipts that were renewed.
        lost: receipts that somebody else may hold by now.
    """

    held: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyFailed:
    """A call to the outside failed.

    Args:
        receipts: messages whose work it was; they are returned.
        detail: what it said, for the log.
    """

    dependency: Dependency
    receipts: tuple[str, ...]
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested:
    """Receive no more; finish or return what is held."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """The thread that scores was interrupted: what it had is not scored and will not be."""


Event = (
    MessagesReceived
    | ReceiveFailed
    | RowsRead
    | Fetched
    | OriginalNeeded
    | FetchConcluded
    | AttemptRecorded
    | AttemptRefused
    | BatchScored
    | BatchFailed
    | BatchTooLarge
    | Settled
    | LeasesExtended
    | DependencyFailed
    | Tick
    | StopRequested
    | Interrupted
)
