"""One turn of the worker's machine: a state that is being changed, and the effects that come of it.

It lives for one call of `advance` and touches nothing outside itself. Every way a message can leave goes
through `conclude`, `keep_unreadable`, `release` or `forget`, so that none can be lost or deleted twice.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from gpu_worker.effects import (
    Candidate,
    DeleteMessages,
    Effect,
    Exit,
    Forget,
    ReadRows,
    ReleaseMessages,
    ReportAttempt,
    Score,
    Settle,
    Settlement,
)
from gpu_worker.events import Dependency
from gpu_worker.limits import Stage
from gpu_worker.phases import seconds_of
from gpu_worker.state import Backoff, Held, State
from parjanya_dagster.core.execution.outcome import Disposition, Outcome, Retry, disposition_of
from parjanya_dagster.core.ports import Received
from parjanya_dagster.core.truth.identity import ImageKey


class Turn:
    """A state under change at one moment."""

    def __init__(self, state: State, now: datetime) -> None:
        self.now = now
        self.limits = state.limits
        self.held = dict(state.held)
        self.is_receiving = state.is_receiving
        self.receive_after = state.receive_after
        self.backoffs = dict(state.backoffs)
        self.micro_batches = dict(state.micro_batches)
        self.stop_reason = state.stop_reason
        self.rows_to_read: dict[str, ImageKey] = {}
        self._state = state
        self._effects: list[Effect] = []
        self._settlements: list[Settlement] = []
        self._deleted: list[str] = []
        self._forgotten: list[str] = []
        self._released: dict[int, list[str]] = {}
        self._is_exiting = state.is_exiting

    def ended(self) -> tuple[State, tuple[Effect, ...]]:
        """Return the state that the turn arrived at, and its effects."""
        idle_since = None if self.held else self._state.idle_since or self.now
        state = State(
            limits=self.limits,
            held=self.held,
            is_receiving=self.is_receiving,
            receive_after=self.receive_after,
            idle_since=idle_since,
            backoffs=self.backoffs,
            micro_batches=self.micro_batches,
            stop_reason=self.stop_reason,
            is_exiting=self._is_exiting,
        )
        gathered: list[Effect] = []
        if self.rows_to_read:
            gathered.append(ReadRows(keys=self.rows_to_read))
        if self._settlements:
            gathered.append(Settle(settlements=tuple(self._settlements)))
        if self._deleted:
            gathered.append(DeleteMessages(receipts=tuple(self._deleted)))
        for delay_s, receipts in self._released.items():
            gathered.append(ReleaseMessages(receipts=tuple(receipts), delay_s=delay_s))
        if self._forgotten:
            gathered.append(Forget(receipts=tuple(self._forgotten)))
        return state, (*gathered, *self._effects)

    def do(self, effect: Effect) -> None:
        """Ask for an effect."""
        self._effects.append(effect)

    def at(self, receipt: str, stage: Stage) -> Held | None:
        """Return the message if it is held and in this stage."""
        held = self.held.get(receipt)
        return held if held is not None and held.stage is stage else None

    def move(self, receipt: str, stage: Stage, **changes: Any) -> None:  # noqa: ANN401 - any field of Held
        """Let a held message enter a stage."""
        held = self.held[receipt]
        spent = (*held.spent, (held.stage, (self.now - held.since).total_seconds()))
        self.held[receipt] = replace(held, stage=stage, since=self.now, spent=spent, **changes)

    def micro_batch_of(self, bucket: str) -> int:
        """Return how many images of a bucket the engine is given at once."""
        return self.micro_batches.get(bucket, self.limits.micro_batch)

    def renew(self, receipt: str) -> None:
        """Note that a lease was renewed."""
        if receipt in self.held:
            self.held[receipt] = replace(self.held[receipt], leased_at=self.now)

    def score(self, receipts: tuple[str, ...], *, pixel_budget: int | None = None) -> None:
        """Let held images be scored together.

        Args:
            pixel_budget: of the engine's; the usual if None.
        """
        for receipt in receipts:
            self.move(receipt, Stage.SCORING, pixel_budget=pixel_budget)
        held = [self.held[receipt] for receipt in receipts]
        batch = [Candidate(receipt=each.receipt, job=each.job, row=each.row) for each in held if each.row]
        self.do(Score(batch=tuple(batch), pixel_budget=pixel_budget))

    def settle(self, outcomes: Mapping[str, Outcome]) -> None:
        """Let outcomes of held messages, whose rows were read, become durable."""
        for receipt, outcome in outcomes.items():
            self.move(receipt, Stage.SETTLING)
            held = self.held[receipt]
            if held.row is None:
                raise AssertionError(f"{held.job.key}: an outcome before its row was read")
            self._settlements.append(
                Settlement(
                    receipt=receipt,
                    job=held.job,
                    row=held.row,
                    outcome=outcome,
                    has_recorded_attempt=held.has_recorded_attempt,
                )
            )

    def conclude(self, receipt: str, outcome: Outcome) -> None:
        """Let go of a message whose outcome is durable, or needs nothing durable."""
        held = self.held.pop(receipt, None)
        if held is None:
            return
        self.do(
            ReportAttempt(
                job=held.job,
                receive_count=held.receive_count,
                outcome=outcome,
                bucket=held.bucket,
                seconds=seconds_of(held, self.now),
            )
        )
        if disposition_of(outcome) is Disposition.DELETE:
            self._deleted.append(receipt)
        else:
            self.release(receipt, delay_s=outcome.delay_s if isinstance(outcome, Retry) else 0)

    def keep_unreadable(self, message: Received, why: str) -> None:
        """Leave a message that is no job to become a dead letter, with time between its deliveries."""
        outcome = Retry(reason=f"unreadable: {why}", delay_s=self.limits.unreadable_delay_s)
        self.do(ReportAttempt(job=None, receive_count=message.receive_count, outcome=outcome))
        self.release(message.receipt, delay_s=outcome.delay_s)

    def release(self, receipt: str, *, delay_s: int) -> None:
        """Return a message that is not held (any more)."""
        self._released.setdefault(delay_s, []).append(receipt)

    def forget(self, receipt: str) -> None:
        """Drop a message that somebody else may hold by now."""
        if self.held.pop(receipt, None) is not None:
            self._forgotten.append(receipt)

    def fail(self, dependency: Dependency) -> None:
        """Note a failure; those that come within one back-off count as one."""
        known = self.backoffs.get(dependency)
        if known is not None and self.now < known.until:
            return
        failures = known.failures + 1 if known else 1
        pause = min(self.limits.first_backoff * 2 ** min(failures - 1, 20), self.limits.longest_backoff)
        self.backoffs[dependency] = Backoff(failures=failures, until=self.now + pause)
        if dependency is Dependency.ENGINE and failures >= self.limits.max_engine_failures:
            self.exit(f"the engine failed {failures} times in a row")

    def recover(self, *dependencies: Dependency) -> None:
        """Note that dependencies work."""
        for dependency in dependencies:
            self.backoffs.pop(dependency, None)

    def retry_after(self, dependency: Dependency) -> Retry:
        """Return the outcome of work that a failing dependency prevented."""
        left: timedelta = self.backoffs[dependency].until - self.now
        return Retry(reason=f"{dependency}_failed", delay_s=max(1, ceil(left.total_seconds())))

    def exit(self, reason: str) -> None:
        """End the process, once."""
        if not self._is_exiting:
            self._is_exiting = True
            self.stop_reason = self.stop_reason or reason
            self.do(Exit(reason=reason))
