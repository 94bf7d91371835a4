"""Steps that need no instance: each in a subprocess of the run worker, as Dagster's own executors do it."""

import signal
import subprocess

from parjanya_dagster.asg_executor import _dagster_private as private
from parjanya_dagster.asg_executor.health import Healthy, Unhealthy

# An interrupted step may clean up for this long before it is killed with the run worker.
_CLOSE_WITHIN_S = 15.0


class LocalSteps:
    """The subprocesses of one run worker, by lease id. They end with it, so memory is the right place."""

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, lease_id: str, args: private.ExecuteStepArgs) -> int:
        """Start a step and return its process id."""
        process = private.local_step_process(args)
        self._processes[lease_id] = process
        return process.pid

    def judge(self, lease_id: str) -> Healthy | Unhealthy:
        """Return whether the step's process is alive. Ask before looking for its result."""
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
