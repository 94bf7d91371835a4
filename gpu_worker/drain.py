"""Draining: the shell around the worker's machine, shared by the Dagster step and the headless process.

The engine runs on the calling thread, which in a Dagster step is the only one that a signal can interrupt.
Leases are renewed by a thread of their own, so that neither the engine nor a slow store lets them run out.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import RLock, Thread
from typing import Final

from gpu_worker.effects import Exit, ReportAttempt, Score
from gpu_worker.events import (
    Event,
    Interrupted,
    StopRequested,
    Tick,
)
from gpu_worker.journal import log_attempt, log_fault
from gpu_worker.limits import WorkerLimits, worker_limits
from gpu_worker.meter import Meter
from gpu_worker.perform import Performer
from gpu_worker.score import Scorer, score_batch
from gpu_worker.state import State
from gpu_worker.threads import Threads
from gpu_worker.worker import advance
from parjanya_dagster.control.capacity import learn_throughput
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import PolicyInForce
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.core.names import USUAL_FLEET

EXIT_OVERDUE: Final = 70
_TICK_S: Final = 0.2
_ASK_S: Final = 0.5
_CLOSING_S: Final = 30.0

log = logging.getLogger("gpu_worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainReport:
    """What a drain did so far.

    Args:
        outcomes: attempts by outcome: completed, terminal_failure, retry, superseded.
        settled: `tenant#image` of every image that this drain gave a durable outcome.
        seconds: wall time.
        active_s: from the beginning to the last of them.
        engine_s: time in the engine and the policy.
        phases: seconds of all images together, by phase; see `gpu_worker.phases`.
        held: messages in hand.
        stop_reason: why it ended; None while it has not.
    """

    outcomes: Mapping[str, int] = field(default_factory=dict)
    settled: tuple[str, ...] = ()
    seconds: float = 0.0
    active_s: float = 0.0
    engine_s: float = 0.0
    phases: Mapping[str, float] = field(default_factory=dict)
    held: int = 0
    stop_reason: str | None = None

    @property
    def images_per_s(self) -> float:
        """Images settled per second of wall time."""
        return len(self.settled) / self.seconds if self.seconds else 0.0


def never() -> bool:
    """Return False: the default of conditions that end a drain."""
    return False


def exit_process(_reason: str) -> None:
    """End the process at once: a thread hangs, so nothing orderly is left to do."""
    os._exit(EXIT_OVERDUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    until: Callable[[], bool]
    should_stop: Callable[[], bool]
    idle_after_s: float | None
    deadline_s: float | None


def drain(
    platform: Platform,
    scorer: Scorer,
    *,
    scored_by: str,
    until: Callable[[], bool] = never,
    should_stop: Callable[[], bool] = never,
    idle_after_s: float | None = None,
    deadline_s: float | None = None,
    progress: Callable[[DrainReport], None] = lambda _report: None,
    limits: WorkerLimits | None = None,
    exit_process: Callable[[str], None] = exit_process,
) -> DrainReport:
    """Score what the queue holds until something ends it; call it on the main thread.

    Messages held at the end are finished or returned, whatever ended it: an exception raised in this
    thread (an interrupted Dagster step) included.

    Args:
        scored_by: `dagster:<run>:<step>` or `headless:<instance>`.
        until: whether everything that was asked for is done; asked about twice a second.
        should_stop: whether to leave now; asked several times a second.
        idle_after_s: end after holding nothing for this long; None to wait for ever.
        deadline_s: end after this many seconds; None for no deadline.
        progress: told about twice a second and at the end, on this thread.
        limits: the worker's own; from the platform's limits if None.
        exit_process: ends the process when a thread hangs; must not return.
    """
    ending = _Ending(until=until, should_stop=should_stop, idle_after_s=idle_after_s, deadline_s=deadline_s)
    run = _Drain(platform, scorer, scored_by, limits or worker_limits(platform.limits), exit_process)
    try:
        run.serve(ending, progress)
    except BaseException:
        run.feed(Interrupted())
        raise
    finally:
        run.close()
    report = run.report()
    progress(report)
    _learn(platform, report)
    return report


class _Drain:
    """One drain: the machine's state, the threads that feed it, and the engine's turn."""

    def __init__(
        self,
        platform: Platform,
        scorer: Scorer,
        scored_by: str,
        limits: WorkerLimits,
        exit_process: Callable[[str], None],
    ) -> None:
        self._platform = platform
        self._scorer = scorer
        self._policy = PolicyInForce(platform)
        self._scored_by = scored_by
        self._exit_process = exit_process
        fleet = platform.fleet_name or USUAL_FLEET
        limits = replace(limits, pixel_budgets=scorer.engine.pixel_budgets, place=f"fleet {fleet}")
        self._state = State(limits=limits, micro_batches=dict(scorer.micro_batches))
        self._lock = RLock()
        self._scores: SimpleQueue[Score | None] = SimpleQueue()
        self._meter = Meter(platform, engine=scorer.engine.name)
        self._defect: BaseException | None = None
        self._closed = Flag()
        self._engine_s = 0.0
        self._started_at = time.monotonic()
        self._threads = Threads(fetchers=limits.max_fetching)
        self._performer = Performer(
            platform,
            scored_by=scored_by,
            bucket_of=scorer.engine.bucket_of,
            launch=self._threads.launch,
            feed=self.feed,
            is_held=lambda receipt: receipt in self._state.held,
            on_defect=self._note_defect,
        )
        Thread(target=self._tick, name="leases", daemon=True).start()

    def serve(self, ending: _Ending, progress: Callable[[DrainReport], None]) -> None:
        """Give the engine its turns until nothing is held any more after a stop."""
        asked_at = self._started_at
        while not self._state.is_finished:
            if self._defect is not None:
                raise self._defect
            if ending.should_stop():
                self.feed(StopRequested(reason="asked"))
            if time.monotonic() - asked_at >= _ASK_S:
                asked_at = time.monotonic()
                self._stop_if_ended(ending)
                self._meter.write()
                progress(self.report())
            self._score_next()

    def feed(self, event: Event) -> None:
        """Advance the machine, and start what it asks for."""
        log_fault(event)
        with self._lock:
            self._state, effects = advance(self._state, event, self._platform.clock())
            is_finished = self._state.is_finished
        for effect in effects:
            match effect:
                case Score():
                    self._scores.put(effect)
                case ReportAttempt():
                    self._meter.note(effect)
                    log_attempt(effect)
                case Exit(reason=reason):
                    log.critical("worker_overdue", extra={"reason": reason})
                    self._exit_process(reason)
                case _:
                    self._performer.start(effect)
        if is_finished:
            self._scores.put(None)

    def report(self) -> DrainReport:
        """Return what was done so far."""
        totals, state = self._meter.totals(), self._state
        return DrainReport(
            outcomes=totals.outcomes,
            settled=totals.settled,
            seconds=time.monotonic() - self._started_at,
            active_s=totals.settled_at - self._started_at,
            engine_s=self._engine_s,
            phases=totals.phases,
            held=len(state.held),
            stop_reason=state.stop_reason,
        )

    def close(self) -> None:
        """Wait until what is held is finished or returned; whatever hangs is returned by its lease."""
        self.feed(StopRequested(reason="closed"))
        give_up_at = time.monotonic() + _CLOSING_S
        while not self._state.is_finished and self._defect is None and time.monotonic() < give_up_at:
            self._closed.wait(_TICK_S / 4)
        self._closed.set()
        self._threads.close()
        self._meter.write(is_last=True)
        self._scorer.micro_batches.update(self._state.micro_batches)
        left = tuple(self._state.held)
        if left:
            log.error("messages_left_to_their_leases", extra={"count": len(left)})

    def _stop_if_ended(self, ending: _Ending) -> None:
        idle_since = self._state.idle_since
        idle_s = (self._platform.clock() - idle_since).total_seconds() if idle_since else 0.0
        if _is_done(ending.until):
            self.feed(StopRequested(reason="done"))
        elif ending.idle_after_s is not None and idle_since and idle_s >= ending.idle_after_s:
            self.feed(StopRequested(reason="idle"))
        elif ending.deadline_s is not None and time.monotonic() - self._started_at >= ending.deadline_s:
            self.feed(StopRequested(reason="deadline"))

    def _score_next(self) -> None:
        try:
            score = self._scores.get(timeout=_TICK_S)
        except Empty:
            return
        if score is None:
            return
        began_at = time.monotonic()
        images = [self._performer.images[candidate.receipt] for candidate in score.batch]
        event = score_batch(
            self._platform,
            self._scorer,
            self._policy,
            score.batch,
            images,
            scored_by=self._scored_by,
            pixel_budget=score.pixel_budget,
        )
        self._engine_s += time.monotonic() - began_at
        self.feed(event)

    def _tick(self) -> None:
        try:
            while not self._closed.wait(_TICK_S):
                self.feed(Tick())
        except BaseException as error:  # noqa: BLE001 -- without this thread leases run out: the drain must end
            self._note_defect(error)

    def _note_defect(self, error: BaseException) -> None:
        self._defect = self._defect or error
        self._scores.put(None)


def _learn(platform: Platform, report: DrainReport) -> None:
    """Tell Truth how fast it was: the next plan of capacity counts with it."""
    try:
        learn_throughput(platform, images=len(report.settled), seconds=report.active_s)
    except EdgeError as error:
        log.warning("throughput_not_remembered", extra={"error": str(error)})


def _is_done(until: Callable[[], bool]) -> bool:
    try:
        return until()
    except EdgeError as error:
        log.warning("end_of_drain_unreadable", extra={"error": str(error)})
        return False
