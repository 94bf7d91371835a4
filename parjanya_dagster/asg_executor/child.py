"""The warm child: one long-lived process whose main thread executes every step of its instance.

It imports Dagster once and keeps whatever the steps load (a model, above all) in its own modules, so a step
costs a tenth of a second and not a process start. Steps run on the main thread because only there can
a signal interrupt them; the heartbeat is the supervisor's, in another process, since a step may hold the GIL.
"""

import argparse
import faulthandler
import importlib
import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

import boto3
import dagster as dg

from parjanya_dagster.asg_executor import _dagster_private as private
from parjanya_dagster.asg_executor.aws_edge import CLIENT_CONFIG
from parjanya_dagster.asg_executor.background import BackgroundWork, load_background
from parjanya_dagster.asg_executor.devices import VISIBLE
from parjanya_dagster.asg_executor.errors import EdgeError
from parjanya_dagster.asg_executor.lease import StepOutcome
from parjanya_dagster.asg_executor.lease_table import LeaseTable
from parjanya_dagster.asg_executor.notes import Note, NoteChannel, NoteKind
from parjanya_dagster.asg_executor.step_queue import StepMessage, unpack_text

EXIT_ORPHANED = 70
EXIT_FENCED = 71
EXIT_UNSURE = 72

# Between two looks for background work that had none, and between two tries of one that raised.
_BACKGROUND_PAUSE_S = 1.0
_BACKGROUND_MAX_PAUSE_S = 60.0
# Tries, in seconds after one another, to learn whether the lease still stands before a result is written.
_CONFIRM_PAUSES_S = (0.0, 1.0, 2.0, 5.0, 10.0)

_LINE = "%(levelname)s %(name)s %(message)s"

log = logging.getLogger("asg_executor.child")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildIdentity:
    """On whose behalf this child works: the lease owner, and where a person finds its log."""

    owner: str
    instance_id: str
    log_location: str


class StepChild:
    """Executes steps, and background work between them, until told to stop."""

    def __init__(
        self,
        channel: NoteChannel,
        leases: LeaseTable,
        *,
        identity: ChildIdentity,
        background: BackgroundWork | None,
    ) -> None:
        self._channel = channel
        self._leases = leases
        self._identity = identity
        self._background = background
        self._inbox: queue.SimpleQueue[Note] = queue.SimpleQueue()
        self._instances: dict[str, dg.DagsterInstance] = {}
        self._current: StepMessage | None = None
        self._watching = False
        self._pause_s: float | None = None  # nothing between steps until it is told to serve or to watch

    def run(self) -> None:
        """Serve notes until STOP. Call on the main thread."""
        threading.Thread(target=self._listen, name="notes", daemon=True).start()
        self._channel.send(Note(kind=NoteKind.READY))
        while True:
            note = self._next_note()
            if note is None:
                self._between_steps()
            elif note.kind is NoteKind.STEP:
                self._execute(StepMessage.model_validate_json(note.body))
            elif note.kind is NoteKind.STOP:
                return
            else:
                self._watching = note.kind is NoteKind.WATCH
                self._pause_s = 0.0
                if self._watching:
                    self._channel.send(Note(kind=NoteKind.WATCHING))

    def _listen(self) -> None:
        """Feed the inbox. The supervisor's end closing means that nobody renews our lease: leave at once."""
        while not self._channel.closed:
            for note in self._channel.wait(None):
                self._inbox.put(note)
        os._exit(EXIT_ORPHANED)

    def _next_note(self) -> Note | None:
        try:
            return self._inbox.get(timeout=self._pause_s if self._background else None)
        except queue.Empty:
            return None

    def _between_steps(self) -> None:
        if self._background is None:
            return
        try:
            if self._watching:
                wanted = self._background.wanted()
                self._channel.send(Note(kind=NoteKind.WANTED, flag=wanted))
                self._pause_s = _BACKGROUND_PAUSE_S
                return
            self._channel.send(Note(kind=NoteKind.BACKGROUND_STARTED))
            worked = self._background.run(lambda: not self._inbox.empty())
            self._pause_s = 0.0 if worked else _BACKGROUND_PAUSE_S
            self._channel.send(Note(kind=NoteKind.BACKGROUND_ENDED, flag=worked))
        except Exception as error:
            # Whatever background work raises must not cost the instance its steps; the pause grows instead.
            self._pause_s = min(max(self._pause_s or 0.0, _BACKGROUND_PAUSE_S) * 2, _BACKGROUND_MAX_PAUSE_S)
            log.exception("background_work_failed", extra={"retry_in_s": self._pause_s})
            self._channel.send(Note(kind=NoteKind.BACKGROUND_ENDED, detail=repr(error)))

    def _execute(self, message: StepMessage) -> None:
        self._current = message
        outcome, detail = StepOutcome.FINISHED, ""
        try:
            with private.interrupts_captured():
                self._execute_step(message)
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            outcome, detail = StepOutcome.CANCELLED, "interrupted in the step"
        except BaseException as error:  # noqa: BLE001 -- SystemExit from user code must not end the warm process
            outcome, detail = StepOutcome.ERROR, repr(error)
        finally:
            take_signals_back()
            self._current = None
        self._channel.send(
            Note(kind=NoteKind.STEP_ENDED, lease_id=message.lease_id, outcome=outcome, detail=detail),
        )

    def _execute_step(self, message: StepMessage) -> None:
        args = private.step_args_from_text(unpack_text(message.packed_args))
        instance = self._instance_of(args)
        run = private.run_of(args, instance)
        private.report_step_location(
            instance,
            run,
            message.step_key,
            f"Executing on {self._identity.instance_id}.",
            {
                "instance_id": dg.MetadataValue.text(self._identity.instance_id),
                "task": dg.MetadataValue.text(message.lease_id),
                "pid": dg.MetadataValue.int(os.getpid()),
                "device": dg.MetadataValue.text(os.environ.get(VISIBLE, "")),
                "log": _linked(self._identity.log_location),
            },
        )
        for _ in private.execute_step(args, instance, run):
            pass

    def _instance_of(self, args: private.ExecuteStepArgs) -> dg.DagsterInstance:
        """Return the run's Dagster instance: opened once per distinct reference, so that steps stay warm."""
        if args.instance_ref is None:
            raise LookupError("the step names no Dagster instance: run storage must be shared")
        key = repr(args.instance_ref)
        if key not in self._instances:
            instance = private.open_instance(args.instance_ref)
            private.guard_step_results(instance, self._confirm_lease)
            self._instances[key] = instance
        return self._instances[key]

    def _confirm_lease(self, run_id: str, step_key: str) -> None:
        """Let a step's result be written only while the lease is ours; otherwise this process ends here.

        A worker that was paused and declared dead would else end the run while its successor is working.
        Raising is no way out: Dagster would write the error as the step's result.
        """
        message = self._current
        if message is None or (message.run_id, message.step_key) != (run_id, step_key):
            return
        for pause_s in _CONFIRM_PAUSES_S:
            time.sleep(pause_s)
            try:
                lease = self._leases.renew(
                    message.lease_id,
                    launch_id=message.launch_id,
                    owner=self._identity.owner,
                    now=time.time(),
                )
            except EdgeError as error:
                log.warning("lease_not_confirmed", extra={"lease_id": message.lease_id, "error": str(error)})
                continue
            if lease is None:
                log.error("late_result_fenced", extra={"lease_id": message.lease_id})
                os._exit(EXIT_FENCED)
            return
        os._exit(EXIT_UNSURE)


def take_signals_back() -> None:
    """Bind SIGINT and SIGTERM to nothing: between steps the supervisor decides what is to stop.

    A Python function rather than SIG_IGN: programs started by a step would inherit that one, and then ignore
    their own termination. Dagster leaves SIGTERM bound to SIGINT's handler after each step.
    """
    signal.signal(signal.SIGINT, _disregard)
    signal.signal(signal.SIGTERM, _disregard)


def _disregard(_signal: int, _frame: FrameType | None) -> None:
    return


def _speak_past_the_capture() -> None:
    """Log to the agent's own log: what is on stderr while a step runs belongs to the step's captured output.

    Some of it is said right before this process ends itself, or crashes; then nothing would copy it.
    """
    past = os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1)
    faulthandler.enable(past)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=_LINE)
    handler = logging.StreamHandler(past)
    handler.setFormatter(logging.Formatter(_LINE))
    own = logging.getLogger("asg_executor")
    own.addHandler(handler)
    own.propagate = False


def _linked(location: str) -> dg.MetadataValue[str]:
    if location.startswith(("http://", "https://")):
        return dg.MetadataValue.url(location)
    return dg.MetadataValue.text(location)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the child. Started by the supervisor only; its options are the supervisor's own."""
    parser = argparse.ArgumentParser(
        prog="asg_executor.child", description="Started by the agent, not by hand."
    )
    parser.add_argument("--socket-fd", type=int, required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--owner", required=True)
    parser.add_argument("--instance-id", required=True)
    parser.add_argument("--log-location", default="")
    parser.add_argument("--between-steps", default="")
    parser.add_argument("--preload", action="append", default=[])
    options = parser.parse_args(arguments)
    take_signals_back()
    # Programs started by a step must not hold our end of the socket open.
    os.set_inheritable(options.socket_fd, False)  # noqa: FBT003 -- the function's only parameter of that kind
    _speak_past_the_capture()
    for module_name in options.preload:
        importlib.import_module(module_name)
    child = StepChild(
        NoteChannel(socket.socket(fileno=options.socket_fd)),
        LeaseTable(boto3.client("dynamodb", config=CLIENT_CONFIG), table=options.table),
        identity=ChildIdentity(
            owner=options.owner,
            instance_id=options.instance_id,
            log_location=options.log_location,
        ),
        background=load_background(options.between_steps) if options.between_steps else None,
    )
    with private.output_mirrored_by_thread():
        child.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
