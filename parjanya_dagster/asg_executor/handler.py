"""The step handler: how the executor launches, judges and ends a step.

It keeps no state of its own about fleet steps: everything follows from (run, step, attempt), so a run worker
that is restarted finds its steps again.
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from parjanya_dagster.asg_executor import _dagster_private as private
from parjanya_dagster.asg_executor.errors import AsgExecutorError, EdgeError
from parjanya_dagster.asg_executor.health import Blind, HealthLimits, Healthy, Unhealthy, judge_health
from parjanya_dagster.asg_executor.lease import Lease, StepAttempt
from parjanya_dagster.asg_executor.lease_table import LeaseTable
from parjanya_dagster.asg_executor.local_steps import LocalSteps
from parjanya_dagster.asg_executor.step_queue import StepMessage, StepQueue, pack_text

log = logging.getLogger("asg_executor.handler")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What fleet steps need.

    Attributes:
        raise_capacity: told the number of open steps; returns desired capacity. None: somebody else scales.
        location: where a person finds the queue and the table, for the launch event.
    """

    queue: StepQueue
    leases: LeaseTable
    raise_capacity: Callable[[int], int] | None
    limits: HealthLimits
    code_version: str
    location: Mapping[str, str]


class FleetStepHandler(private.StepHandler):
    """Sends tagged steps to the fleet and executes the others on this machine."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        is_fleet_step: Callable[[Mapping[str, str]], bool],
        is_inline_step: Callable[[Mapping[str, str]], bool],
    ) -> None:
        super().__init__()
        self._is_inline_step = is_inline_step
        self._fleet = fleet
        self._is_fleet_step = is_fleet_step
        self._local = LocalSteps()

    @property
    def name(self) -> str:
        """The handler's name in the event log."""
        return "FleetStepHandler"

    def launch_step(self, step_handler_context: private.StepHandlerContext) -> Iterator[private.DagsterEvent]:
        """Queue the step for the fleet, or start it here.

        A step that cannot be queued fails as a step, at the next health check and under its retry policy; it
        never ends the run by an exception.
        """
        attempt = _attempt_of(step_handler_context)
        context = step_handler_context.get_step_context(attempt.step_key)
        if not self._is_dispatched(step_handler_context, attempt):
            yield from self._launch_locally(step_handler_context, attempt)
            return
        metadata: dict[str, dg.MetadataValue[Any]] = {
            name: dg.MetadataValue.text(value) for name, value in self._fleet.location.items()
        }
        metadata["task"] = dg.MetadataValue.text(attempt.lease_id)
        message = f'Queued step "{attempt.step_key}" for the fleet.'
        yield private.step_worker_starting(context, message, metadata)
        try:
            self._queue_step(attempt, step_handler_context.execute_step_args)
        except AsgExecutorError as error:
            self._give_up(attempt, error)
            private.warn(context, f"The step could not be queued: {error}")
            return
        self._wake_fleet(context)

    def check_step_health(
        self,
        step_handler_context: private.StepHandlerContext,
    ) -> private.CheckStepHealthResult:
        """Judge the attempt; a dead one is fenced before it is called dead, so that it cannot come back."""
        attempt = _attempt_of(step_handler_context)
        if not self._is_dispatched(step_handler_context, attempt):
            health = self._local.judge(attempt.lease_id)
            if isinstance(health, Unhealthy) and _has_result(step_handler_context, attempt, since=None):
                health = Healthy()
        else:
            health = self._judge_dispatched(step_handler_context, attempt)
        if isinstance(health, Unhealthy):
            return private.CheckStepHealthResult.unhealthy(health.reason)
        return private.CheckStepHealthResult.healthy()

    def terminate_step(
        self, step_handler_context: private.StepHandlerContext
    ) -> Iterator[private.DagsterEvent]:
        """Ask whoever executes the step to interrupt it; withdraw it if nobody does."""
        attempt = _attempt_of(step_handler_context)
        context = step_handler_context.get_step_context(attempt.step_key)
        yield private.engine_event(context, f'Cancelling step "{attempt.step_key}" ({attempt.lease_id}).')
        if not self._is_dispatched(step_handler_context, attempt):
            self._local.interrupt(attempt.lease_id)
            return
        try:
            self._fleet.leases.cancel(attempt.lease_id, now=time.time())
        except EdgeError as error:
            private.warn(context, f"The cancellation did not reach the fleet: {error}")

    def close(self) -> None:
        """End what the run worker itself has started."""
        self._local.close()

    def _is_dispatched(self, context: private.StepHandlerContext, attempt: StepAttempt) -> bool:
        return self._is_fleet_step(context.step_tags[attempt.step_key] or {})

    def _launch_locally(
        self,
        handler_context: private.StepHandlerContext,
        attempt: StepAttempt,
    ) -> Iterator[private.DagsterEvent]:
        context = handler_context.get_step_context(attempt.step_key)
        args = handler_context.execute_step_args
        if self._is_inline_step(handler_context.step_tags[attempt.step_key] or {}):
            message = f'Executing step "{attempt.step_key}" in the run worker.'
            yield private.step_worker_starting(context, message, {})
            self._local.execute_inline(attempt.lease_id, args, handler_context.instance)
            return
        pid = self._local.start(attempt.lease_id, args)
        message = f'Launching step "{attempt.step_key}" in a local subprocess.'
        yield private.step_worker_starting(context, message, {"pid": dg.MetadataValue.int(pid)})

    def _queue_step(self, attempt: StepAttempt, args: private.ExecuteStepArgs) -> None:
        lease = self._fleet.leases.open_lease(attempt, launch_id=uuid.uuid4().hex, now=time.time())
        if lease.owner is not None and lease.is_live:
            return
        self._fleet.queue.send(
            StepMessage(
                lease_id=attempt.lease_id,
                launch_id=lease.launch_id,
                run_id=attempt.run_id,
                step_key=attempt.step_key,
                attempt=attempt.attempt,
                lease_ttl_s=self._fleet.limits.lease_ttl_s,
                code_version=self._fleet.code_version,
                packed_args=pack_text(private.step_args_to_text(args)),
            ),
        )

    def _give_up(self, attempt: StepAttempt, error: AsgExecutorError) -> None:
        """Fence what cannot be queued, so that the next health check says why at once."""
        try:
            lease = self._fleet.leases.read(attempt.lease_id)
            if lease is not None:
                self._fleet.leases.fence(
                    lease, reason=f"the step could not be queued: {error}", now=time.time()
                )
        except EdgeError:
            log.exception("lease_not_fenced", extra={"lease_id": attempt.lease_id})

    def _wake_fleet(self, context: private.IStepContext) -> None:
        """Raise capacity for the open steps. Failing costs time and no step: an instance may exist."""
        if self._fleet.raise_capacity is None:
            return
        try:
            self._fleet.raise_capacity(self._fleet.leases.count_open_steps(now=time.time()))
        except AsgExecutorError as error:
            private.warn(
                context, f"The step is queued, but the fleet's capacity could not be raised: {error}"
            )

    def _judge_dispatched(
        self,
        context: private.StepHandlerContext,
        attempt: StepAttempt,
    ) -> Healthy | Unhealthy:
        lease = self._read_lease(attempt)
        now = time.time()
        health = judge_health(lease, has_result=False, limits=self._fleet.limits, now=now)
        if isinstance(health, Healthy):
            return health
        # Read after the lease: a result is written before the lease ends, so without one the end is final.
        since = lease.claimed_at if isinstance(lease, Lease) else None
        if _has_result(context, attempt, since=since):
            return Healthy(note="the result is in the event log")
        if isinstance(lease, Lease) and lease.is_live:
            return self._fence(lease, health, now=now)
        return health

    def _fence(self, lease: Lease, verdict: Unhealthy, *, now: float) -> Healthy | Unhealthy:
        try:
            fenced = self._fleet.leases.fence(lease, reason=verdict.reason, now=now)
        except EdgeError as error:
            return Healthy(note=f"silent, but it could not be fenced: {error}")
        return verdict if fenced else Healthy(note="it moved while it was being judged")

    def _read_lease(self, attempt: StepAttempt) -> Lease | Blind | None:
        try:
            return self._fleet.leases.read(attempt.lease_id)
        except EdgeError as error:
            log.warning("lease_unreadable", extra={"lease_id": attempt.lease_id, "error": str(error)})
            return Blind(reason=str(error))


def _attempt_of(context: private.StepHandlerContext) -> StepAttempt:
    step_key, attempt = private.attempt_of(context.execute_step_args)
    return StepAttempt(run_id=context.execute_step_args.run_id, step_key=step_key, attempt=attempt)


def _has_result(context: private.StepHandlerContext, attempt: StepAttempt, *, since: float | None) -> bool:
    return private.has_step_result(
        context.instance,
        run_id=attempt.run_id,
        step_key=attempt.step_key,
        since=since,
    )
