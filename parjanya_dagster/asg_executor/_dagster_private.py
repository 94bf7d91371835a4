"""Every name of Dagster's that is not public, in one place, behind functions of ours.

All shipped executors (k8s, docker, ecs, celery) import the same names, so they are stable in practice, but
they do move between releases. Dagster is pinned exactly, and the contract test
`tests/asg_executor/test_dagster_private.py` asserts each name and signature; an upgrade that breaks one fails
there and is repaired here.
"""

import base64
import os
import shutil
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, TextIO, cast

import dagster as dg
from dagster._cli.api import _execute_step_command_body
from dagster._core.events import DagsterEvent, DagsterEventType, EngineEventData
from dagster._core.events.log import EventLogEntry
from dagster._core.execution import compute_logs
from dagster._core.execution.context.system import IStepContext, PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode, get_retries_config
from dagster._core.execution.stats import StepEventStatus
from dagster._core.execution.tags import get_tag_concurrency_limits_config
from dagster._core.executor.in_process import InProcessExecutor
from dagster._core.executor.step_delegating import (
    CheckStepHealthResult,
    StepDelegatingExecutor,
    StepHandler,
    StepHandlerContext,
)
from dagster._core.instance.ref import InstanceRef
from dagster._grpc.types import ExecuteStepArgs
from dagster._serdes import deserialize_value, serialize_value
from dagster._utils.interrupts import capture_interrupts

__all__ = [
    "CheckStepHealthResult",
    "DagsterEvent",
    "ExecuteStepArgs",
    "ExecutionPlan",
    "IStepContext",
    "PlanOrchestrationContext",
    "RetryMode",
    "StepHandler",
    "StepHandlerContext",
    "attempt_of",
    "delegating_executor",
    "engine_event",
    "execute_step",
    "guard_step_results",
    "has_step_result",
    "in_process_executor",
    "interrupts_captured",
    "local_step_process",
    "open_instance",
    "output_mirrored_by_thread",
    "report_step_location",
    "retries_field",
    "run_of",
    "step_args_from_text",
    "step_args_to_text",
    "step_worker_starting",
    "tag_concurrency_limits_field",
    "warn",
]

_MIRROR_EVERY_S: Final = 0.5
_SHORTEST_PAUSE_S: Final = 0.02
_READINGS_PER_SILENCE: Final = 10
_FINAL_STATUSES = frozenset({StepEventStatus.SUCCESS, StepEventStatus.FAILURE, StepEventStatus.SKIPPED})
_STEP_RESULTS = frozenset(
    {DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE, DagsterEventType.STEP_UP_FOR_RETRY},
)


def retries_field() -> dg.Field:
    """Return the config field that every executor of Dagster's has for its retries."""
    return cast("dg.Field", get_retries_config())  # type: ignore[no-untyped-call]  # Dagster left it untyped


def tag_concurrency_limits_field() -> dg.Field:
    """Return the config field that every executor of Dagster's has for limits by tag."""
    return cast("dg.Field", get_tag_concurrency_limits_config())  # type: ignore[no-untyped-call]  # as above


class AttentiveExecutor(StepDelegatingExecutor):
    """Dagster's loop, with a pause between two readings of the event log that follows the run.

    It is a tenth of the time since the last event: a step of a tenth of a second is seen to end at once, and
    one of an hour is looked at no oftener than `longest_pause_s`.
    """

    def __init__(self, handler: StepHandler, *, longest_pause_s: float, **options: Any) -> None:  # noqa: ANN401 -- the loop's own options
        super().__init__(handler, sleep_seconds=_SHORTEST_PAUSE_S, **options)
        self._longest_pause_s = longest_pause_s
        self._heard_at = time.monotonic()

    def _pop_events(
        self, instance: dg.DagsterInstance, run_id: str, seen_storage_ids: set[int]
    ) -> Sequence[DagsterEvent]:
        events = super()._pop_events(instance, run_id, seen_storage_ids)
        now = time.monotonic()
        if events:
            self._heard_at = now
        pause_s = max((now - self._heard_at) / _READINGS_PER_SILENCE, _SHORTEST_PAUSE_S)
        self._sleep_seconds = min(pause_s, self._longest_pause_s)
        return events


def delegating_executor(
    handler: StepHandler,
    *,
    retries: RetryMode,
    poll_s: float,
    health_interval_s: int,
    max_concurrent: int | None,
    tag_concurrency_limits: list[dict[str, Any]] | None,
) -> dg.Executor:
    """Return Dagster's loop around `handler`.

    Its own check for duplicate steps stays off: the lease admits one worker atomically, while that check
    skips a step silently, without ever writing a result.
    """
    return AttentiveExecutor(
        handler,
        longest_pause_s=poll_s,
        retries=retries,
        check_step_health_interval_seconds=health_interval_s,
        max_concurrent=max_concurrent,
        tag_concurrency_limits=tag_concurrency_limits,
        should_verify_step=False,
    )


def in_process_executor(retries: RetryMode) -> dg.Executor:
    """Return Dagster's executor for steps that run in the run worker itself."""
    return InProcessExecutor(retries=retries)


def step_args_to_text(args: ExecuteStepArgs) -> str:
    """Serialize the arguments of one step execution."""
    return serialize_value(args)


def step_args_from_text(text: str) -> ExecuteStepArgs:
    """Undo `step_args_to_text`."""
    return deserialize_value(text, ExecuteStepArgs)


def attempt_of(args: ExecuteStepArgs) -> tuple[str, int]:
    """Return the one step key these arguments name, and how many attempts came before."""
    [step_key] = args.step_keys_to_execute or []
    if args.known_state is None:
        return step_key, 0
    return step_key, args.known_state.get_retry_state().get_attempt_count(step_key)


def open_instance(reference: InstanceRef) -> dg.DagsterInstance:
    """Open the instance a run belongs to; `{env: NAME}` values are resolved on this machine."""
    return dg.DagsterInstance.from_ref(reference)


def run_of(args: ExecuteStepArgs, instance: dg.DagsterInstance) -> dg.DagsterRun:
    """Return the run these arguments belong to.

    Raises:
        LookupError: this machine's storage is not the run worker's.
    """
    run = instance.get_run_by_id(args.run_id)
    if run is None:
        raise LookupError(f"run {args.run_id} is not in this worker's Dagster storage")
    return run


def execute_step(
    args: ExecuteStepArgs, instance: dg.DagsterInstance, run: dg.DagsterRun
) -> Iterator[DagsterEvent]:
    """Execute one step in this process and thread, capturing its output as the instance's compute logs.

    Failures of user code become events. Raises what `dagster api execute_step` would exit with: an interrupt,
    or an error outside user code, for which no step result is written.
    """
    return _execute_step_command_body(args, instance, run)


@contextmanager
def output_mirrored_by_thread() -> Iterator[None]:
    """Copy what steps of this process print to its own streams by a thread, in the block.

    Dagster starts four processes for that in every step, two of them Python, and loses what a step prints in
    its last second. There is no public seam.
    """
    usual = compute_logs.tail_to_stream
    compute_logs.tail_to_stream = _mirrored
    try:
        yield
    finally:
        compute_logs.tail_to_stream = usual


@contextmanager
def _mirrored(path: str, stream: TextIO) -> Iterator[None]:
    has_ended = threading.Event()
    target = os.dup(stream.fileno())  # before the block redirects the stream itself

    def copy() -> None:
        with Path(path).open("rb") as captured, os.fdopen(target, "wb") as mirror:
            is_last = False
            while not is_last:
                is_last = has_ended.wait(_MIRROR_EVERY_S)
                shutil.copyfileobj(captured, mirror)
                mirror.flush()

    copier = threading.Thread(target=copy, name="mirror", daemon=True)
    copier.start()
    try:
        yield
    finally:
        has_ended.set()
        copier.join()


def interrupts_captured() -> AbstractContextManager[None]:
    """Let a SIGINT interrupt only the step's own code. Leaves SIGTERM bound to SIGINT's handler on exit."""
    return capture_interrupts()


def guard_step_results(instance: dg.DagsterInstance, confirm: Callable[[str, str], None]) -> None:
    """Call `confirm(run id, step key)` right before any step result is stored through `instance`.

    This is the fence against a zombie: a result is the one event that another attempt cannot survive.
    """
    store: Callable[..., None] = instance.handle_new_event

    def guarded(event: EventLogEntry, **options: Any) -> None:  # noqa: ANN401 -- Dagster's own options, unread
        if event.dagster_event_type in _STEP_RESULTS and event.step_key:
            confirm(event.run_id, event.step_key)
        store(event, **options)

    # The one place that every event passes before it is stored; there is no public seam.
    instance.handle_new_event = guarded  # type: ignore[method-assign]  # the only place to listen


def has_step_result(instance: dg.DagsterInstance, *, run_id: str, step_key: str, since: float | None) -> bool:
    """Whether the event log holds the end of the attempt that began at `since` (epoch seconds).

    A step that is up for retry has no final status: its attempt ended if one was closed after `since`.
    """
    for stats in instance.get_run_step_stats(run_id, [step_key]):
        if stats.status in _FINAL_STATUSES:
            return True
        ends = [attempt.end_time for attempt in stats.attempts_list if attempt.end_time is not None]
        if since is not None and ends and max(ends) >= since:
            return True
    return False


def step_worker_starting(
    context: IStepContext,
    message: str,
    metadata: Mapping[str, dg.MetadataValue[Any]],
) -> DagsterEvent:
    """Record that a step was handed over to be executed."""
    return DagsterEvent.step_worker_starting(context, message=message, metadata=metadata)


def engine_event(
    context: IStepContext,
    message: str,
    metadata: Mapping[str, dg.MetadataValue[Any]] | None = None,
) -> DagsterEvent:
    """Record something about a step that is not its result."""
    return DagsterEvent.engine_event(context, message, EngineEventData(metadata=metadata or {}))


def warn(context: IStepContext, message: str) -> None:
    """Leave a warning in the run's log, under its step."""
    context.log.warning(message)


def report_step_location(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    step_key: str,
    message: str,
    metadata: Mapping[str, dg.MetadataValue[Any]],
) -> None:
    """Record, from the worker, where a step is being executed."""
    instance.report_engine_event(
        message,
        dagster_run=run,
        engine_event_data=EngineEventData(metadata=metadata),
        step_key=step_key,
    )


def local_step_process(args: ExecuteStepArgs) -> subprocess.Popen[bytes]:
    """Start `dagster api execute_step` for one step on this machine.

    By this worker's own interpreter, since the `dagster` command need not be on the path. The arguments
    travel in the environment: a command line would show the run's configuration to every user.
    """
    packed = base64.b64encode(zlib.compress(step_args_to_text(args).encode())).decode()
    return subprocess.Popen(
        [sys.executable, "-m", "dagster", "api", "execute_step"],
        env={**os.environ, "DAGSTER_COMPRESSED_EXECUTE_STEP_ARGS": packed},
    )
