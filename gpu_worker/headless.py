"""The headless worker: drains the queue without Dagster, and offers its instance up when there is nothing.

Protection from scale-in is given up only after it stopped receiving and holds nothing, and is taken again
before it receives: the group can never choose an instance that holds work.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from gpu_worker.drain import DrainReport, drain
from gpu_worker.limits import worker_limits
from gpu_worker.score import Scorer
from gpu_worker.settings import WorkerSettings
from gpu_worker.vitals import Vitals
from parjanya_dagster.asg_executor.errors import DeniedError, EdgeError
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.belief.signals import Blind

log = logging.getLogger("gpu_worker")


class Member(Protocol):
    """An instance as its worker may act on it; see `asg_executor.instance.FleetMember`."""

    def protect(self) -> None:
        """Forbid scale-in to choose it."""

    def unprotect(self) -> None:
        """Allow scale-in to choose it."""


class Service(Protocol):
    """Whether the worker may receive: its group counts on the instance."""

    def enter(self) -> bool:
        """Wait until it may; False when it must leave."""

    def has_ended(self) -> bool:
        """Whether it may not any more; asked often, so it looks only now and then."""


class AlwaysInService:
    """The service of a worker whose machine no group prepares."""

    def enter(self) -> bool:
        """See `Service`."""
        return True

    def has_ended(self) -> bool:
        """See `Service`."""
        return False


_ALWAYS: Final = AlwaysInService()


def run_headless(
    platform: Platform,
    scorer: Scorer,
    settings: WorkerSettings,
    *,
    member: Member,
    instance_id: str,
    vitals: Vitals,
    should_leave: Callable[[], bool],
    service: Service = _ALWAYS,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Drain whenever there is work and watch in between, until `should_leave`; call it on the main thread.

    Args:
        vitals: told of what every drain does.
        service: entered before anything is received.
        pause: waits that many seconds.
    """
    drain_once = partial(
        drain,
        platform,
        scorer,
        scored_by=f"headless:{instance_id}",
        should_stop=should_leave,
        idle_after_s=settings.idle_after_s,
        progress=vitals.follow,
        limits=worker_limits(platform.limits, micro_batch=settings.micro_batch),
    )
    serve(
        platform,
        drain_once,
        member=member,
        vitals=vitals,
        service=service,
        should_leave=should_leave,
        pause=pause,
        watch_every_s=settings.watch_every_s,
    )


def serve(
    platform: Platform,
    drain_once: Callable[[], DrainReport],
    *,
    member: Member,
    vitals: Vitals,
    should_leave: Callable[[], bool],
    pause: Callable[[float], None],
    watch_every_s: float,
    service: Service = _ALWAYS,
) -> None:
    """Drain under protection and watch without it, in turns; the simulator brings a drain of its own.

    Args:
        drain_once: scores what the queue holds until it idles or must leave.
    """
    while not should_leave():
        if not (service.enter() and _is_ours(member)):
            log.info("instance_is_leaving")
            return
        report = drain_once()
        log_drained(report)
        vitals.idle("watching")
        if not should_leave():
            _watch(platform, member, lambda: should_leave() or service.has_ended(), pause, watch_every_s)


def work_is_visible(platform: Platform) -> bool:
    """Whether the queue shows a job that may be received now; False while it cannot be read."""
    depth = platform.queue.depth()
    if isinstance(depth, Blind):
        log.warning("queue_unreadable", extra={"reason": depth.reason})
        return False
    return depth.value.visible > 0


def log_drained(report: DrainReport) -> None:
    """Log what a drain did."""
    log.info(
        "queue_drained",
        extra={
            "outcomes": dict(report.outcomes),
            "seconds": round(report.seconds, 1),
            "images_per_s": round(report.images_per_s, 1),
            "reason": report.stop_reason,
        },
    )


def _is_ours(member: Member) -> bool:
    """Take protection; False when the group has begun to terminate the instance.

    A group that does not answer is no reason not to work: the queue gives every message a second chance.
    """
    try:
        member.protect()
    except DeniedError:
        return False
    except EdgeError as error:
        log.warning("instance_not_protected", extra={"error": str(error)})
    return True


def _watch(
    platform: Platform,
    member: Member,
    should_stop: Callable[[], bool],
    pause: Callable[[float], None],
    every_s: float,
) -> None:
    """Offer the instance up until the group has heard it; return when there is work or it is to stop."""
    is_offered = _is_offered(member)
    log.info("worker_idle")
    while not should_stop() and not work_is_visible(platform):
        is_offered = is_offered or _is_offered(member)
        pause(every_s)


def _is_offered(member: Member) -> bool:
    """Give protection up; False when the group did not hear it: an idle instance would be kept for ever."""
    try:
        member.unprotect()
    except EdgeError as error:
        log.warning("instance_not_offered", extra={"error": str(error)})
        return False
    return True
