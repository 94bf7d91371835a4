"""Is a dispatched step alive? A pure decision over its lease, its recorded result and the clock.

Each rule answers a failure that was reproduced: a worker killed with its machine, a worker that ended without
writing a result, a step nobody took, and an unreadable table, which is no evidence against anybody.
"""

from dataclasses import dataclass

from parjanya_dagster.asg_executor.lease import Lease, LeaseState


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """The lease could not be read: not the same as there being none."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthLimits:
    """How long each silence may last, in seconds.

    Attributes:
        wait_s: queued before a worker takes it; must exceed an instance's boot and model load.
        lease_ttl_s: between two renewals by a worker.
        grace_s: between a worker's end and its result being visible in the event log.
    """

    wait_s: float
    lease_ttl_s: float
    grace_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthy:
    """Keep waiting. `note` says why, where that is worth a log line."""

    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unhealthy:
    """Declare the attempt dead, for this reason."""

    reason: str


def judge_health(
    lease: Lease | Blind | None,
    *,
    has_result: bool,
    limits: HealthLimits,
    now: float,
) -> Healthy | Unhealthy:
    """Return whether the attempt behind `lease` is alive.

    Args:
        lease: as read just before `has_result` was; None if no such item exists.
        has_result: the event log holds the end of this attempt.
        limits: how long each silence may last.
        now: epoch seconds.
    """
    if has_result:
        return Healthy(note="the result is in the event log")
    match lease:
        case Blind():
            return Healthy(note=f"unknown, the lease table is unreadable: {lease.reason}")
        case None:
            return Unhealthy(reason="the step never reached the queue, or its lease has expired")
        case Lease():
            return _judge_lease(lease, limits=limits, now=now)


def _judge_lease(lease: Lease, *, limits: HealthLimits, now: float) -> Healthy | Unhealthy:
    match lease.state:
        case LeaseState.QUEUED:
            return _judge_queued(lease, limits=limits, now=now)
        case LeaseState.RUNNING:
            return _judge_running(lease, limits=limits, now=now)
        case LeaseState.DONE:
            return _judge_done(lease, limits=limits, now=now)
        case LeaseState.FENCED:
            return Unhealthy(reason=lease.detail or "this attempt was declared dead")
        case LeaseState.CANCELLED:
            return Unhealthy(reason="this attempt was cancelled before a worker took it")


def _judge_queued(lease: Lease, *, limits: HealthLimits, now: float) -> Healthy | Unhealthy:
    waited_s = now - lease.queued_at
    if waited_s <= limits.wait_s:
        return Healthy()
    refusal = f" The last worker that saw it refused: {lease.refusal}." if lease.refusal else ""
    return Unhealthy(
        reason=f"no worker took the step in {waited_s:.0f} s (limit {limits.wait_s:.0f} s).{refusal}"
        " Check that the Auto Scaling group can launch instances and that its agents start.",
    )


def _judge_running(lease: Lease, *, limits: HealthLimits, now: float) -> Healthy | Unhealthy:
    silent_s = now - (lease.beat_at or lease.queued_at)
    if silent_s <= limits.lease_ttl_s:
        return Healthy()
    return Unhealthy(
        reason=f"worker {lease.owner} has been silent for {silent_s:.0f} s"
        f" (limit {limits.lease_ttl_s:.0f} s)",
    )


def _judge_done(lease: Lease, *, limits: HealthLimits, now: float) -> Healthy | Unhealthy:
    if now - (lease.ended_at or 0.0) <= limits.grace_s:
        return Healthy(note="the worker has ended, its result may not be visible yet")
    detail = f": {lease.detail}" if lease.detail else ""
    return Unhealthy(reason=f"worker {lease.owner} ended without a step result ({lease.outcome}){detail}")
