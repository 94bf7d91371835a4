"""Steps that need no instance: in a subprocess of the run worker, or in the run worker itself.

A subprocess is what Dagster's own executors use and costs 1.5 s or more. A step that is over in a moment (a
plan, a sum) may ask to be executed inline instead; while it runs, the loop launches and judges nothing else.
"""

import os
import signal
import subprocess

import dagster as dg

from parjanya_dagster.asg_executor import _dagster_private as private
from parjanya_dagster.asg_executor.health import Healthy, Unhealthy

# An interrupted step may clean up for this long before it is killed with the run worker.
_CLOSE_WITHIN_S = 15.0


class LocalSteps:
    """The local steps of one run worker, by lease id. They end with it, so memory is the right place."""

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._inline_ends: dict[str, str] = {}

    def start(self, lease_id: str, args: private.ExecuteStepArgs) -> int:
        """Start a step in a subprocess and return its process id."""
        process = private.local_step_process(args)
        self._processes[lease_id] = process
        return process.pid

    def execute_inline(
        self,
        lease_id: str,
        args: private.ExecuteStepArgs,
        instance: dg.DagsterInstance,
    ) -> None:
        """Execute a step here and now; its result is in the event log when this returns."""
        self._inline_ends[lease_id] = "it ended in the run worker and left no step result"
        try:
            run = private.run_of(args, instance)
            with private.output_mirrored_by_thread():
                for _ in private.execute_step(args, instance, run):
                    pass
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            # The step has taken the signal; the loop, which has to end the run, must see one too.
            os.kill(os.getpid(), signal.SIGINT)
        except Exception as error:  # noqa: BLE001 -- what is outside user code is this step's end, not the run's
            self._inline_ends[lease_id] = f"it ended in the run worker without a step result: {error!r}"

    def judge(self, lease_id: str) -> Healthy | Unhealthy:
        """Return whether the step is alive. Ask before looking for its result."""
        if lease_id in self._inline_ends:
            return Unhealthy(reason=self._inline_ends[lease_id])
        process = self._processes.get(lease_id)
        if process is None:
            return Unhealthy(reason="the run worker that started this step is gone")
        status = process.poll()
        if status is None:
            return Healthy()
        return Unhealthy(reason=f"its process ended with status {status} and left no step result")

    def close(self) -> None:
        """Let every process end: a step's result is seen a moment before its process is gone."""
        for process in self._processes.values():
            try:
                process.wait(_CLOSE_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def interrupt(self, lease_id: str) -> bool:
        """Interrupt the step; False if it is not running here."""
        process = self._processes.get(lease_id)
        if process is None or process.poll() is not None:
            return False
        process.send_signal(signal.SIGINT)
        return True
