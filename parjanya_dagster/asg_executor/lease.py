"""A lease: who executes one attempt of one step, and since when. Pure values.

One lease exists per (run, step, attempt). It is what makes the executor's handler stateless, a duplicate
message harmless and a zombie's late result refusable.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class LeaseState(StrEnum):
    """Where an attempt stands. Only `QUEUED` can be claimed, only `RUNNING` can be renewed."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FENCED = "fenced"
    CANCELLED = "cancelled"


LIVE_STATES = frozenset({LeaseState.QUEUED, LeaseState.RUNNING})


class StepOutcome(StrEnum):
    """What became of an attempt, as the worker saw it. The step's own result is in Dagster's event log."""

    FINISHED = "finished"
    ERROR = "error"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    WORKER_DIED = "worker_died"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAttempt:
    """One attempt of one step of one run: the executor's only key.

    Attributes:
        attempt: retries before this one, ≥ 0.
    """

    run_id: str
    step_key: str
    attempt: int

    @property
    def lease_id(self) -> str:
        """The key of this attempt's lease; step keys are hashed since dynamic ones hold any text."""
        digest = hashlib.sha256(self.step_key.encode()).hexdigest()[:12]
        return f"{self.run_id}/{digest}/{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The state of one attempt as last read. Times are epoch seconds by the writer's clock.

    Attributes:
        launch_id: changes when a resumed run launches the attempt again; an old message then claims nothing.
        owner: the agent process that claimed it.
        beat_at: when the owner last renewed it.
        detail: why it is done or fenced, for a person.
        refusal: the last agent that saw the message and would not take it, and why.
    """

    lease_id: str
    launch_id: str
    state: LeaseState
    queued_at: float
    owner: str | None = None
    claimed_at: float | None = None
    beat_at: float | None = None
    ended_at: float | None = None
    outcome: StepOutcome | None = None
    detail: str = ""
    cancel_requested: bool = False
    refusal: str = ""

    @property
    def is_live(self) -> bool:
        """Whether the attempt is still waiting for a worker or being executed."""
        return self.state in LIVE_STATES
