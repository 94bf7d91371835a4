"""The supervisor: owns an instance's queue, protection and departure, and one warm child per GPU.

It is one thread with short waits, in a process of its own: a step that holds the GIL for minutes, or crashes
the interpreter, cannot stop the heartbeat from telling the truth about it.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from parjanya_dagster.asg_executor.aws_edge import attempted
from parjanya_dagster.asg_executor.boot_hook import BootHook
from parjanya_dagster.asg_executor.errors import DeniedError, EdgeError, InvalidStepMessageError
from parjanya_dagster.asg_executor.instance import FleetMember, Pulse, Standing
from parjanya_dagster.asg_executor.lease_table import LeaseTable
from parjanya_dagster.asg_executor.notes import NoteKind
from parjanya_dagster.asg_executor.notices import Departure
from parjanya_dagster.asg_executor.posture import Posture, Situation, next_posture
from parjanya_dagster.asg_executor.slot import Slot, facts_of
from parjanya_dagster.asg_executor.step_queue import ReceivedStep, StepQueue
from parjanya_dagster.asg_executor.warm_child import wait_for_notes

log = logging.getLogger("asg_executor.agent")

_RELEASE_DELAY_S = 10
_FAULT_PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
_LOOK_S = 0.2


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
    """Runs one instance until it must leave.

    Args:
        slots: one per warm child, all of them free.
        owner: what the leases of this agent carry.
    """

    def __init__(
        self,
        *,
        queue: StepQueue,
        leases: LeaseTable,
        member: FleetMember,
        boot_hook: BootHook,
        pulse: Pulse,
        slots: Sequence[Slot],
        limits: AgentLimits,
        owner: str,
        departure: Departure,
    ) -> None:
        self._queue = queue
        self._leases = leases
        self._member = member
        self._boot_hook = boot_hook
        self._pulse = pulse
        self._slots = slots
        self._limits = limits
        self._owner = owner
        self._departure = departure
        self._posture = Posture.BOOTING
        self._standing = Standing.BOOTING
        self._is_protected = False
        self._served_at = time.monotonic()
        self._pulsed_at = 0.0
        self._looked_at = 0.0
        self._work_waits = False
        self._faults = 0
        self._exit = AgentExit.LEFT

    def run(self) -> AgentExit:
        """Serve until a departure; return the exit status."""
        self._boot_hook.begin()
        for slot in self._slots:
            slot.start()
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
        wait_s = self._receive_wait_s()
        self._listen(0.0 if wait_s else self._patience_s())
        for slot in self._slots:
            if slot.child.has_died:
                self._replace(slot)
        self._beat_pulse()
        self._decide()
        if self._posture is Posture.SERVING and any(slot.is_free for slot in self._slots):
            self._receive(wait_s=wait_s)

    def _receive_wait_s(self) -> int:
        """How long to poll the queue: not so long that a lease beside it is renewed late; 0: do not wait."""
        if self._posture is not Posture.SERVING or not any(slot.is_free for slot in self._slots):
            return 0
        return min([self._limits.receive_wait_s, *(int(beat_s / 2) for beat_s in self._beats_s())])

    def _patience_s(self) -> float:
        """How long to listen to the children when nothing else waits."""
        return min([_LOOK_S, *(beat_s / 2 for beat_s in self._beats_s())])

    def _beats_s(self) -> list[float]:
        return [slot.beat_every_s for slot in self._slots if slot.beat_every_s is not None]

    def _listen(self, timeout_s: float) -> None:
        wait_for_notes([slot.child for slot in self._slots], timeout_s)
        for slot in self._slots:
            slot.listen()

    def _receive(self, *, wait_s: int) -> None:
        received = self._queue.receive(wait_s=wait_s)
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
            free = [slot for slot in self._slots if slot.is_free]
            min(free, key=lambda slot: slot.runs_background).hand_over(message)
        self._queue.delete(received.receipt)
        log.info("step_claimed" if lease is not None else "step_not_claimed", extra=facts_of(message))

    def _refuse(self, received: ReceivedStep) -> None:
        """Leave the step to an agent of its code version, and this instance to be deployed again."""
        wanted = received.message.code_version
        refusal = f"{self._owner} runs code {self._limits.code_version}, the step wants {wanted}"
        log.error("step_refused", extra={**facts_of(received.message), "refusal": refusal})
        self._queue.release(received.receipt, delay_s=_RELEASE_DELAY_S)
        self._leases.refuse(received.message.lease_id, refusal=refusal)
        self._exit = AgentExit.WRONG_CODE
        self._posture = Posture.LEAVING

    def _decide(self) -> None:
        now = time.monotonic()
        if self._is_looking and now - self._looked_at >= self._limits.watch_every_s:
            self._looked_at = now
            self._look_around()
        active_at = max([self._served_at, *(slot.active_at for slot in self._slots)])
        situation = Situation(
            is_busy=any(slot.is_busy for slot in self._slots),
            is_in_service=self._standing is Standing.IN_SERVICE,
            idle_s=now - active_at,
            work_waits=self._posture is Posture.WATCHING and self._work_waits,
            departure=self._departure.reason(),
            is_at_risk=self._departure.is_at_risk,
        )
        posture = next_posture(self._posture, situation, idle_after_s=self._limits.idle_after_s)
        if posture is not self._posture:
            self._turn_to(posture)
        elif posture is Posture.WATCHING and self._is_protected and self._all_watch:
            # Only now: each child has confirmed that nothing runs, and this loop receives nothing any more.
            self._unprotect()

    @property
    def _all_watch(self) -> bool:
        return all(slot.is_watching for slot in self._slots)

    @property
    def _is_looking(self) -> bool:
        """While nothing protects it: as it watches, and between its boot and its service."""
        is_booted = self._posture is Posture.BOOTING and all(slot.child.is_ready for slot in self._slots)
        return is_booted or self._posture is Posture.WATCHING

    def _look_around(self) -> None:
        """What does the group want of this instance, and does work wait?"""
        self._standing = self._boot_hook.look()
        if self._standing is Standing.LEAVING:
            self._departure.announce("its group is terminating it")
        elif self._posture is Posture.BOOTING:
            self._boot_hook.answer()
        else:
            wanted = any(slot.wants_background for slot in self._slots)
            self._work_waits = wanted or self._queue.depth() > 0

    def _turn_to(self, posture: Posture) -> None:
        log.info("posture_changed", extra={"posture": posture, "departure": self._departure.reason() or ""})
        if posture is Posture.SERVING and not self._enter_service():
            return
        if posture in (Posture.WATCHING, Posture.DRAINING, Posture.SERVING):
            role = NoteKind.SERVE if posture is Posture.SERVING else NoteKind.WATCH
            for slot in self._slots:
                slot.take_role(role)
        self._work_waits = False
        self._posture = posture

    def _enter_service(self) -> bool:
        """Protect the instance from scale-in; False, and the posture to take, if its group refuses."""
        try:
            self._protect()
        except DeniedError as error:
            log.warning("protection_refused", extra={"error": str(error)})
            self._standing = self._boot_hook.look()
            if self._standing is not Standing.IN_SERVICE:
                is_leaving = self._standing is Standing.LEAVING
                self._posture = Posture.LEAVING if is_leaving else Posture.BOOTING
                return False
        self._served_at = time.monotonic()
        return True

    def _replace(self, slot: Slot) -> None:
        slot.bury()
        has_failed_boot = self._posture is Posture.BOOTING and self._boot_hook.abandon()
        if has_failed_boot or slot.is_spent:
            self._exit = AgentExit.CHILD_KEEPS_DYING
            self._posture = Posture.LEAVING
            return
        slot.start()

    def _beat_pulse(self) -> None:
        if time.monotonic() - self._pulsed_at < self._limits.heartbeat_s:
            return
        self._pulsed_at = time.monotonic()
        activities = [slot.activity for slot in self._slots if slot.activity]
        activity = "; ".join(activities) or str(self._posture)
        attempted("pulse", lambda: self._pulse.write(activity=activity, now=time.time()))

    def _leave(self) -> AgentExit:
        """Stop receiving (it has), let steps finish within the grace, give up protection, exit."""
        deadline = time.monotonic() + self._limits.grace_s
        for slot in self._slots:
            slot.child.send(NoteKind.STOP)
        # A child that is still loading has nothing to finish.
        while any(slot.is_ending for slot in self._slots) and time.monotonic() < deadline:
            attempted("listen", lambda: self._listen(_LOOK_S))
        for slot in self._slots:
            slot.interrupt(self._departure.reason() or "the agent is leaving")
        for slot in self._slots:
            slot.end()
        attempted("unprotect", self._unprotect)
        log.info("agent_left", extra={"exit": self._exit.name})
        return self._exit

    def _protect(self) -> None:
        self._member.protect()
        self._is_protected = True

    def _unprotect(self) -> None:
        self._member.unprotect()
        self._is_protected = False

    def _back_off(self, error: EdgeError) -> None:
        pause_s = _FAULT_PAUSES_S[min(self._faults, len(_FAULT_PAUSES_S) - 1)]
        if any(slot.has_step for slot in self._slots):
            pause_s = min(pause_s, self._limits.heartbeat_s)
        self._faults += 1
        log.warning("aws_unavailable", extra={"error": str(error), "retry_in_s": pause_s})
        time.sleep(pause_s)
        if self._departure.reason() is not None:
            self._posture = Posture.LEAVING
