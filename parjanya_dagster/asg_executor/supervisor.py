"""The supervisor: owns an instance's queue, leases, protection and departure, and one warm child.

It is one thread with short waits, in a process of its own: a step that holds the GIL for minutes, or crashes
the interpreter, cannot stop the heartbeat from telling the truth about it.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from parjanya_dagster.asg_executor.boot_hook import BootHook
from parjanya_dagster.asg_executor.errors import DeniedError, EdgeError, InvalidStepMessageError
from parjanya_dagster.asg_executor.instance import FleetMember, Pulse, Standing
from parjanya_dagster.asg_executor.lease import StepOutcome
from parjanya_dagster.asg_executor.lease_table import LeaseTable
from parjanya_dagster.asg_executor.notes import Note, NoteKind
from parjanya_dagster.asg_executor.posture import Posture, Situation, next_posture
from parjanya_dagster.asg_executor.step_queue import ReceivedStep, StepMessage, StepQueue
from parjanya_dagster.asg_executor.step_watch import StepWatch
from parjanya_dagster.asg_executor.warm_child import WarmChild

log = logging.getLogger("asg_executor.agent")

_MAX_CHILD_STARTS = 3
_RELEASE_DELAY_S = 10
_FAULT_PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)


class AgentExit(IntEnum):
    """The agent's exit status, for whoever restarts or replaces it."""

    LEFT = 0
    WRONG_CODE = 3
    CHILD_KEEPS_DYING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLimits:
    """The agent's times, in seconds, and the code it runs.

    Attributes:
        code_version: steps stamped with another one are refused; "" accepts every step.
    """

    heartbeat_s: float
    idle_after_s: float
    grace_s: float
    receive_wait_s: int
    watch_every_s: float
    code_version: str


class Supervisor:
    """Runs one instance until it must leave."""

    def __init__(
        self,
        *,
        queue: StepQueue,
        leases: LeaseTable,
        member: FleetMember,
        boot_hook: BootHook,
        pulse: Pulse,
        child: WarmChild,
        limits: AgentLimits,
        owner: str,
        departure: Callable[[], str | None],
    ) -> None:
        self._queue = queue
        self._leases = leases
        self._member = member
        self._boot_hook = boot_hook
        self._pulse = pulse
        self._child = child
        self._limits = limits
        self._owner = owner
        self._departure = departure
        self._posture = Posture.BOOTING
        self._standing = Standing.BOOTING
        self._watch: StepWatch | None = None
        self._background_running = False
        self._background_wanted = False
        self._is_watching = False
        self._is_protected = False
        self._active_at = time.monotonic()
        self._pulsed_at = 0.0
        self._looked_at = 0.0
        self._work_waits = False
        self._dismissal: str | None = None
        self._starts = 0
        self._faults = 0
        self._exit = AgentExit.LEFT

    def run(self) -> AgentExit:
        """Serve until a departure; return the exit status."""
        self._boot_hook.begin()
        self._start_child()
        while self._posture is not Posture.LEAVING:
            try:
                self._cycle()
                self._faults = 0
            except InvalidStepMessageError:
                log.exception("step_message_dropped")
            except EdgeError as error:
                self._back_off(error)
        return self._leave()

    def _cycle(self) -> None:
        self._hear_child(timeout_s=self._patience_s())
        if self._child.has_died:
            self._replace_child()
        self._beat_pulse()
        self._decide()
        if self._posture is Posture.SERVING and self._watch is None and self._child.is_ready:
            self._receive()

    def _patience_s(self) -> float:
        """How long to listen to the child: while it works there is nothing else to do."""
        if self._watch is not None:
            return min(self._watch.beat_every_s, 1.0) / 2
        if self._posture is Posture.SERVING and self._child.is_ready:
            return 0.0
        return 0.2

    def _hear_child(self, *, timeout_s: float) -> None:
        for note in self._child.wait(timeout_s):
            self._note_child(note)
        if self._watch is not None and self._watch.tend(now=time.time()):
            self._child.kill()

    def _note_child(self, note: Note) -> None:
        if note.kind is NoteKind.READY:
            self._starts = 0
            self._active_at = time.monotonic()
            log.info("child_ready", extra={"pid": self._child.pid})
            if self._posture is Posture.SERVING:
                self._child.send(NoteKind.SERVE)
        elif note.kind is NoteKind.STEP_ENDED and self._watch is not None:
            self._end_step(StepOutcome(note.outcome), note.detail)
        elif note.kind is NoteKind.BACKGROUND_STARTED:
            self._background_running = True
        elif note.kind is NoteKind.BACKGROUND_ENDED:
            self._background_running = False
            if note.flag:
                self._active_at = time.monotonic()
        elif note.kind is NoteKind.WATCHING:
            self._is_watching = True
        elif note.kind is NoteKind.WANTED:
            self._background_wanted = note.flag

    def _receive(self) -> None:
        received = self._queue.receive(wait_s=self._limits.receive_wait_s)
        if received is None:
            return
        message = received.message
        if self._limits.code_version and message.code_version not in ("", self._limits.code_version):
            self._refuse(received)
            return
        lease = self._leases.claim(
            message.lease_id,
            launch_id=message.launch_id,
            owner=self._owner,
            now=time.time(),
        )
        if lease is not None:
            self._hand_over(message)
        self._queue.delete(received.receipt)
        log.info("step_claimed" if lease is not None else "step_not_claimed", extra=_facts_of(message))

    def _hand_over(self, message: StepMessage) -> None:
        self._watch = StepWatch(
            self._leases,
            self._child.interrupt,
            message=message,
            owner=self._owner,
            heartbeat_s=self._limits.heartbeat_s,
        )
        self._child.send(NoteKind.STEP, body=message.model_dump_json(), lease_id=message.lease_id)

    def _refuse(self, received: ReceivedStep) -> None:
        """Leave the step to an agent of its code version, and this instance to be deployed again."""
        wanted = received.message.code_version
        refusal = f"{self._owner} runs code {self._limits.code_version}, the step wants {wanted}"
        log.error("step_refused", extra={**_facts_of(received.message), "refusal": refusal})
        self._queue.release(received.receipt, delay_s=_RELEASE_DELAY_S)
        self._leases.refuse(received.message.lease_id, refusal=refusal)
        self._exit = AgentExit.WRONG_CODE
        self._posture = Posture.LEAVING

    def _end_step(self, outcome: StepOutcome, detail: str) -> None:
        """Close the lease. If AWS does not answer, it falls silent, which the executor notices by itself."""
        if self._watch is None:
            return
        watch, self._watch = self._watch, None
        self._active_at = time.monotonic()
        held = self._attempt("finish_lease", lambda: watch.finish(outcome, detail, now=time.time()))
        log.info(
            "step_ended",
            extra={**_facts_of(watch.message), "outcome": outcome, "detail": detail, "held": held},
        )

    def _decide(self) -> None:
        now = time.monotonic()
        if self._is_looking and now - self._looked_at >= self._limits.watch_every_s:
            self._looked_at = now
            self._look_around()
        situation = Situation(
            is_busy=self._watch is not None or self._background_running or not self._child.is_ready,
            is_in_service=self._standing is Standing.IN_SERVICE,
            idle_s=now - self._active_at,
            work_waits=self._posture is Posture.WATCHING and self._work_waits,
            departure=self._departure() or self._dismissal,
        )
        posture = next_posture(self._posture, situation, idle_after_s=self._limits.idle_after_s)
        if posture is not self._posture:
            self._turn_to(posture, situation)
        elif posture is Posture.WATCHING and self._is_watching and self._is_protected:
            # Only now: the child has confirmed that nothing runs, and this loop receives nothing any more.
            self._unprotect()

    @property
    def _is_looking(self) -> bool:
        """While nothing protects it: as it watches, and between its boot and its service."""
        is_booted = self._posture is Posture.BOOTING and self._child.is_ready
        return is_booted or self._posture is Posture.WATCHING

    def _look_around(self) -> None:
        """What does the group want of this instance, and does work wait?"""
        self._standing = self._boot_hook.look()
        if self._standing is Standing.LEAVING:
            self._dismissal = "its group is terminating it"
        elif self._posture is Posture.BOOTING:
            self._boot_hook.answer()
        else:
            self._work_waits = self._background_wanted or self._queue.depth() > 0

    def _turn_to(self, posture: Posture, situation: Situation) -> None:
        log.info("posture_changed", extra={"posture": posture, "departure": situation.departure or ""})
        if posture is Posture.WATCHING:
            self._is_watching = self._background_wanted = self._work_waits = False
            self._child.send(NoteKind.WATCH)
        if posture is Posture.SERVING:
            try:
                self._protect()
            except DeniedError as error:
                log.warning("protection_refused", extra={"error": str(error)})
                self._standing = self._boot_hook.look()
                if self._standing is not Standing.IN_SERVICE:
                    is_leaving = self._standing is Standing.LEAVING
                    self._posture = Posture.LEAVING if is_leaving else Posture.BOOTING
                    return
            self._active_at = time.monotonic()
            self._child.send(NoteKind.SERVE)
        self._posture = posture

    def _start_child(self) -> None:
        self._starts += 1
        self._child.start()
        self._background_running = False
        log.info("child_started", extra={"pid": self._child.pid, "start": self._starts})

    def _replace_child(self) -> None:
        status = self._child.kill()
        log.error(
            "child_died",
            extra={"exit_status": status, "lease_id": self._watch.message.lease_id if self._watch else ""},
        )
        self._end_step(StepOutcome.WORKER_DIED, f"the worker process ended with status {status}")
        has_failed_boot = self._posture is Posture.BOOTING and self._boot_hook.abandon()
        if has_failed_boot or self._starts >= _MAX_CHILD_STARTS:
            self._exit = AgentExit.CHILD_KEEPS_DYING
            self._posture = Posture.LEAVING
            return
        self._start_child()
        if self._posture is Posture.WATCHING:
            self._child.send(NoteKind.WATCH)

    def _beat_pulse(self) -> None:
        if time.monotonic() - self._pulsed_at < self._limits.heartbeat_s:
            return
        self._pulsed_at = time.monotonic()
        self._attempt("pulse", lambda: self._pulse.write(activity=self._activity(), now=time.time()))

    def _activity(self) -> str:
        if self._watch is not None:
            return f"step {self._watch.message.step_key} of run {self._watch.message.run_id}"
        if not self._child.is_ready:
            return "loading"
        if self._background_running:
            return "background work"
        return str(self._posture)

    def _leave(self) -> AgentExit:
        """Stop receiving (it has), let the step finish within the grace, give up protection, exit."""
        # A child that is still loading has nothing to finish.
        deadline = time.monotonic() + (self._limits.grace_s if self._child.is_ready else 0.0)
        self._child.send(NoteKind.STOP)
        while not self._child.has_died and time.monotonic() < deadline:
            self._attempt("hear_child", lambda: self._hear_child(timeout_s=0.2))
        if self._watch is not None and not self._child.has_died:
            # The lease first: the step is then interrupted and may clean up, but its result is refused, so
            # the executor sees an interrupted attempt that it retries and not a failed one.
            self._end_step(StepOutcome.INTERRUPTED, self._departure() or "the agent is leaving")
            self._child.interrupt()
            self._child.reap(2.0)
        self._end_step(StepOutcome.WORKER_DIED, "the worker process ended while the agent was leaving")
        self._child.kill()
        self._attempt("unprotect", self._unprotect)
        log.info("agent_left", extra={"exit": self._exit.name})
        return self._exit

    def _protect(self) -> None:
        self._member.protect()
        self._is_protected = True

    def _unprotect(self) -> None:
        self._member.unprotect()
        self._is_protected = False

    def _attempt(self, name: str, call: Callable[[], object]) -> object:
        """Make a call that the agent can do without; say so when it fails."""
        try:
            return call()
        except EdgeError as error:
            log.warning("call_failed", extra={"call": name, "error": str(error)})
            return None

    def _back_off(self, error: EdgeError) -> None:
        pause_s = _FAULT_PAUSES_S[min(self._faults, len(_FAULT_PAUSES_S) - 1)]
        if self._watch is not None:
            pause_s = min(pause_s, self._limits.heartbeat_s)
        self._faults += 1
        log.warning("aws_unavailable", extra={"error": str(error), "retry_in_s": pause_s})
        time.sleep(pause_s)
        if self._departure() is not None:
            self._posture = Posture.LEAVING


def _facts_of(message: StepMessage) -> dict[str, str | int]:
    return {
        "lease_id": message.lease_id,
        "run_id": message.run_id,
        "step_key": message.step_key,
        "attempt": message.attempt,
    }
