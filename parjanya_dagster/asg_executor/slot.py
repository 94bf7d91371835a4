"""One place for a step on an instance: a warm child with its device, and the step it executes.

An instance has one per GPU. The supervisor decides for the whole instance; what concerns one child and one
lease is here, so that the death of one costs the others nothing.
"""

import logging
import time

from parjanya_dagster.asg_executor.aws_edge import attempted
from parjanya_dagster.asg_executor.lease import StepOutcome
from parjanya_dagster.asg_executor.lease_table import LeaseTable
from parjanya_dagster.asg_executor.notes import Note, NoteKind
from parjanya_dagster.asg_executor.step_queue import StepMessage
from parjanya_dagster.asg_executor.step_watch import StepWatch
from parjanya_dagster.asg_executor.warm_child import WarmChild

log = logging.getLogger("asg_executor.agent")

_MAX_STARTS = 3
_REAP_WITHIN_S = 2.0


class Slot:
    """A warm child and its step.

    Attributes:
        active_at: monotonic seconds when it last became ready, ended a step, or did background work.
        is_watching: the child has confirmed that it runs nothing between steps.
        wants_background: the child would have background work; known while it watches.
    """

    def __init__(self, child: WarmChild, leases: LeaseTable, *, owner: str, heartbeat_s: float) -> None:
        self.child = child
        self._leases = leases
        self._owner = owner
        self._heartbeat_s = heartbeat_s
        self._watch: StepWatch | None = None
        self._role: NoteKind | None = None
        self._starts = 0
        self.runs_background = False
        self.is_watching = False
        self.wants_background = False
        self.active_at = time.monotonic()

    @property
    def has_step(self) -> bool:
        """Whether a step is under way."""
        return self._watch is not None

    @property
    def is_free(self) -> bool:
        """Whether a step can be handed over: background work yields to it."""
        return self._watch is None and self.child.is_ready

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way, loading included."""
        return self._watch is not None or self.runs_background or not self.child.is_ready

    @property
    def is_ending(self) -> bool:
        """Whether a child that was told to stop has something to finish; one that is loading has nothing."""
        return self.child.is_ready and not self.child.has_died

    @property
    def is_spent(self) -> bool:
        """Whether the child died too often without ever having become ready."""
        return self._starts >= _MAX_STARTS

    @property
    def beat_every_s(self) -> float | None:
        """Seconds between two renewals of the step's lease; None without a step."""
        return self._watch.beat_every_s if self._watch else None

    @property
    def activity(self) -> str:
        """What is going on, for a person; "" if nothing is."""
        if self._watch is not None:
            return f"step {self._watch.message.step_key} of run {self._watch.message.run_id}"
        if not self.child.is_ready:
            return "loading"
        return "background work" if self.runs_background else ""

    def start(self) -> None:
        """Start a child."""
        self._starts += 1
        self.runs_background = self.is_watching = False
        self.child.start()
        log.info("child_started", extra={**self._name(), "pid": self.child.pid, "start": self._starts})

    def take_role(self, role: NoteKind) -> None:
        """Tell the child, and each that replaces it, to SERVE or only to WATCH."""
        self._role = role
        self.is_watching = self.wants_background = False
        self.child.send(role)

    def listen(self) -> None:
        """Act on what the child has said, without waiting, and renew the lease if it is time.

        Raises:
            EdgeError: the lease could not be renewed; it may still stand.
        """
        for note in self.child.heard():
            self._take_note(note)
        if self.child.has_died or self._watch is None:
            return
        if self._watch.tend(now=time.time()):
            self.child.kill()

    def hand_over(self, message: StepMessage) -> None:
        """Let the child execute a step whose lease has been claimed."""
        self._watch = StepWatch(
            self._leases,
            self.child.interrupt,
            message=message,
            owner=self._owner,
            heartbeat_s=self._heartbeat_s,
        )
        self.child.send(NoteKind.STEP, body=message.model_dump_json(), lease_id=message.lease_id)

    def bury(self) -> None:
        """Close what a dead child left."""
        status = self.child.kill()
        lease_id = self._watch.message.lease_id if self._watch else ""
        log.error("child_died", extra={**self._name(), "exit_status": status, "lease_id": lease_id})
        self._end_step(StepOutcome.WORKER_DIED, f"the worker process ended with status {status}")

    def interrupt(self, why: str) -> None:
        """Interrupt a step that may not go on.

        Its lease ends first: the step may clean up, but its result is refused, so the executor sees an
        interrupted attempt that it retries and not a failed one.
        """
        if self._watch is not None and not self.child.has_died:
            self._end_step(StepOutcome.INTERRUPTED, why)
            self.child.interrupt()
            self.child.reap(_REAP_WITHIN_S)

    def end(self) -> None:
        """End the child for good."""
        self._end_step(StepOutcome.WORKER_DIED, "the worker process ended while the agent was leaving")
        self.child.kill()

    def _take_note(self, note: Note) -> None:
        match note.kind:
            case NoteKind.READY:
                self._starts = 0
                self.active_at = time.monotonic()
                log.info("child_ready", extra={**self._name(), "pid": self.child.pid})
                if self._role is not None:
                    self.child.send(self._role)
            case NoteKind.STEP_ENDED:
                self._end_step(StepOutcome(note.outcome), note.detail)
            case NoteKind.BACKGROUND_STARTED:
                self.runs_background = True
            case NoteKind.BACKGROUND_ENDED:
                self.runs_background = False
                if note.flag:
                    self.active_at = time.monotonic()
            case NoteKind.WATCHING:
                self.is_watching = True
            case NoteKind.WANTED:
                self.wants_background = note.flag
            case _:
                log.warning("note_not_understood", extra={**self._name(), "kind": note.kind})

    def _end_step(self, outcome: StepOutcome, detail: str) -> None:
        """Close the lease. If AWS does not answer, it falls silent, which the executor notices by itself."""
        if self._watch is None:
            return
        watch, self._watch = self._watch, None
        self.active_at = time.monotonic()
        held = attempted("finish_lease", lambda: watch.finish(outcome, detail, now=time.time()))
        facts = {**facts_of(watch.message), "outcome": outcome, "detail": detail, "held": held}
        log.info("step_ended", extra={**self._name(), **facts})

    def _name(self) -> dict[str, str | int]:
        return {"child": self.child.number, "device": self.child.device}


def facts_of(message: StepMessage) -> dict[str, str | int]:
    """Return what every log line about a step carries."""
    return {
        "lease_id": message.lease_id,
        "run_id": message.run_id,
        "step_key": message.step_key,
        "attempt": message.attempt,
    }
