"""A worker on a simulated instance: the product's machine and performing code, with actors for threads.

The engine is scripted; everything between the queue and Truth, the turns of draining and watching, and what
the worker says of itself are the product's.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from gpu_worker.drain import DrainReport
from gpu_worker.effects import Candidate, Effect, Exit, Forget, ReportAttempt, Score
from gpu_worker.engines.engine import ScorableImage
from gpu_worker.events import (
    BatchFailed,
    BatchScored,
    BatchTooLarge,
    Dependency,
    DependencyFailed,
    Event,
    StopRequested,
    Tick,
)
from gpu_worker.headless import serve
from gpu_worker.journal import outcome_name
from gpu_worker.limits import worker_limits
from gpu_worker.perform import Performer, Threaded
from gpu_worker.state import State
from gpu_worker.vitals import PULSE_EVERY_S, Vitals
from gpu_worker.worker import advance
from parjanya_dagster.asg_executor.errors import DeniedError as MembershipDeniedError
from parjanya_dagster.asg_executor.errors import UnavailableError as MembershipUnavailableError
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import PolicyInForce
from parjanya_dagster.core.belief.boot import BootStage
from parjanya_dagster.core.errors import DeniedError, EdgeError
from parjanya_dagster.core.execution.outcome import Completed, Outcome, TerminalFailure
from parjanya_dagster.core.truth.identity import ImageKey, new_image_id
from parjanya_dagster.core.truth.result import Result
from parjanya_dagster.core.truth.row import Decision, Verdict
from parjanya_dagster.simulation.faults import Fault
from parjanya_dagster.simulation.kernel import Crashed, Kernel, Process
from parjanya_dagster.simulation.policies import ANSWERS

_TICK_S: Final = 5.0
_WATCH_S: Final = 20.0
_IDLE_S: Final = 20.0
_IMAGE_S: Final = 0.25
_MICRO_BATCH: Final = 4
_PIXEL_BUDGETS: Final = (400, 100)


class Worker:
    """One worker process; when it dies and its instance lives, the instance starts another.

    Args:
        label: of the process.
        nature: what an image does to the engine; None for nothing unusual.
        set_protection: changes the instance's protection.
        on_outcome: told how each attempt concluded.
    """

    def __init__(
        self,
        kernel: Kernel,
        platform: Platform,
        *,
        label: str,
        instance_id: str,
        nature: Callable[[ImageKey], Fault | None],
        set_protection: Callable[[bool], None],
        on_outcome: Callable[[str], None],
    ) -> None:
        self.process = Process(label, "worker")
        self._kernel = kernel
        self._platform = platform
        self._policy = PolicyInForce(platform)
        self._nature = nature
        self._set_protection = set_protection
        self._on_outcome = on_outcome
        self._leaving: str | None = None
        limits = worker_limits(platform.limits, micro_batch=_MICRO_BATCH)
        self._limits = replace(
            limits, receive_pause=timedelta(seconds=2), receive_wait_s=0, pixel_budgets=_PIXEL_BUDGETS
        )
        self._state = State(limits=self._limits)
        self._performer = self._new_performer()
        self._vitals = Vitals(platform, instance_id=instance_id)
        self._settled: list[str] = []
        self._concluded: Counter[str] = Counter()
        kernel.spawn(self.process, label, self._live)

    def leave(self, reason: str) -> None:
        """See `Occupant`."""
        self._leaving = reason
        self._kernel.spawn(self.process, f"{self.process.label}/leave", self._stop)

    def die(self) -> None:
        """See `Occupant`."""
        self.process.kill()

    def protect(self) -> None:
        """See `Member`."""
        self._change_protection(is_protected=True)

    def unprotect(self) -> None:
        """See `Member`."""
        self._change_protection(is_protected=False)

    def _change_protection(self, *, is_protected: bool) -> None:
        try:
            self._set_protection(is_protected)
        except DeniedError as error:
            raise MembershipDeniedError("changing protection", str(error)) from error
        except EdgeError as error:
            raise MembershipUnavailableError("changing protection", str(error)) from error

    def _live(self) -> None:
        with self._vitals.booting():
            for stage in (BootStage.VERIFYING, BootStage.LOADING, BootStage.READY):
                self._vitals.reach(stage)
        self._kernel.spawn(self.process, f"{self.process.label}/pulse", self._beat)
        serve(
            self._platform,
            self._drain,
            member=self,
            vitals=self._vitals,
            should_leave=self._should_leave,
            pause=self._kernel.sleep,
            watch_every_s=_WATCH_S,
        )
        self.process.kill()

    def _beat(self) -> None:
        while True:
            self._vitals.beat()
            self._kernel.sleep(PULSE_EVERY_S)

    def _should_leave(self) -> bool:
        return self._leaving is not None

    def _drain(self) -> DrainReport:
        """Do what `gpu_worker.drain.drain` does, its threads apart."""
        self._state = State(limits=self._limits)
        self._performer = self._new_performer()
        self._settled, self._concluded = [], Counter()
        self._feed(Tick())
        while not self._state.is_finished:
            self._kernel.sleep(_TICK_S)
            since = self._state.idle_since
            if since is not None and (self._platform.clock() - since).total_seconds() >= _IDLE_S:
                self._feed(StopRequested(reason="idle"))
            self._feed(Tick())
            self._vitals.follow(self._report())
        return self._report()

    def _report(self) -> DrainReport:
        return DrainReport(
            outcomes=dict(self._concluded),
            settled=tuple(self._settled),
            held=len(self._state.held),
            stop_reason=self._state.stop_reason,
        )

    def _stop(self) -> None:
        self._feed(StopRequested(reason=self._leaving or "asked"))

    def _new_performer(self) -> Performer:
        return Performer(
            self._platform,
            scored_by=f"headless:{self.process.label}",
            bucket_of=_bucket_of,
            launch=self._launch,
            feed=self._feed,
            is_held=lambda receipt: receipt in self._state.held,
            on_defect=self._note_defect,
        )

    def _feed(self, event: Event) -> None:
        if not self.process.alive:
            raise Crashed
        self._state, effects = advance(self._state, event, self._platform.clock())
        for effect in effects:
            self._begin(effect)

    def _begin(self, effect: Effect) -> None:
        match effect:
            case Score():
                self._spawn(effect, partial(self._score, effect))
            case ReportAttempt(job=job, outcome=outcome):
                name = outcome_name(outcome)
                self._concluded[name] += 1
                if job is not None and isinstance(outcome, Completed | TerminalFailure):
                    self._settled.append(str(job.key))
                self._on_outcome(name)
            case Exit():
                self.process.kill()
                raise Crashed
            case _:
                self._performer.start(effect)

    def _launch(self, effect: Threaded, perform: Callable[[], None]) -> None:
        if isinstance(effect, Forget):
            perform()
        else:
            self._spawn(effect, perform)

    def _spawn(self, effect: Effect, body: Callable[[], object]) -> None:
        self._kernel.spawn(self.process, f"{self.process.label}/{type(effect).__name__}", body)

    def _note_defect(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            self._kernel.defects.append((self.process.label, error))
        self.process.kill()

    def _score(self, score: Score) -> None:
        batch = score.batch
        receipts = tuple(candidate.receipt for candidate in batch)
        try:
            version = self._policy.current().policy.version
        except EdgeError as error:
            self._feed(DependencyFailed(dependency=Dependency.POLICY, receipts=receipts, detail=str(error)))
            return
        self._kernel.sleep(_IMAGE_S * len(batch))
        natures = {self._nature(candidate.job.key) for candidate in batch}
        if Fault.ENGINE_KILLED in natures:
            self.process.kill()
            raise Crashed
        if Fault.ENGINE_RAISED in natures or (len(batch) > 1 and Fault.ENGINE_RAISED_IN_COMPANY in natures):
            self._feed(BatchFailed(receipts=receipts, error="scripted", engine_is_sound=True))
            return
        if _has_no_room(natures, len(batch), score.pixel_budget):
            self._feed(BatchTooLarge(receipts=receipts, error="scripted"))
            return
        lost = [receipt for receipt in receipts if receipt not in self._performer.images]
        if lost:
            raise AssertionError(f"{len(lost)} of {len(receipts)} images to score are not in memory")
        outcomes: dict[str, Outcome] = {
            candidate.receipt: self._completed(candidate, version) for candidate in batch
        }
        self._feed(BatchScored(outcomes=outcomes))

    def _completed(self, candidate: Candidate, version: str) -> Completed:
        now = self._platform.clock()
        return Completed(
            result=Result(
                result_id=f"{candidate.job.generation}-{new_image_id(now, self._platform.entropy(10))}",
                generation=candidate.job.generation,
                answers=ANSWERS,
                fingerprint="scripted",
                decision=Decision(verdict=Verdict.ACCEPT, reason_codes=(), policy_version=version),
                scored_by=self.process.label,
                at=now,
            )
        )


def _has_no_room(natures: set[Fault | None], images: int, pixel_budget: int | None) -> bool:
    """Whether the engine runs out of memory: by what is large in a batch, its mates, and its pixels."""
    is_large = Fault.ENGINE_OUT_OF_MEMORY in natures and (images > 1 or pixel_budget is None)
    return is_large or Fault.IMAGE_TOO_LARGE in natures


def _bucket_of(image: ScorableImage) -> str:
    return f"{image.pixels.shape[0]}x{image.pixels.shape[1]}"
