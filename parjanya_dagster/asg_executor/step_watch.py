"""One step under way: renews its lease, passes a cancellation on, and notices that it was declared dead."""

import logging
from collections.abc import Callable

from parjanya_dagster.asg_executor.lease import StepOutcome
from parjanya_dagster.asg_executor.lease_table import LeaseTable
from parjanya_dagster.asg_executor.step_queue import StepMessage

log = logging.getLogger("asg_executor.agent")

# Three renewals fit into the silence that the executor bears, so that one lost call kills nobody.
_BEATS_PER_TTL = 3
# How long interrupted code may go on (a kernel call cannot be interrupted) before the process is ended.
CANCEL_GRACE_S = 20.0


class StepWatch:
    """Tends the lease of the step that the child executes."""

    def __init__(
        self,
        leases: LeaseTable,
        interrupt: Callable[[], None],
        *,
        message: StepMessage,
        owner: str,
        heartbeat_s: float,
    ) -> None:
        self._leases = leases
        self._interrupt = interrupt
        self._owner = owner
        self._beat_at = 0.0
        self._interrupted_at: float | None = None
        self.message = message
        self.beat_every_s = min(heartbeat_s, message.lease_ttl_s / _BEATS_PER_TTL)

    def tend(self, *, now: float) -> bool:
        """Renew the lease if it is time; return whether the child must be killed.

        Args:
            now: epoch seconds.

        Raises:
            EdgeError: AWS did not answer; the lease may still stand, so the step goes on.
        """
        if self._interrupted_at is not None and now - self._interrupted_at > CANCEL_GRACE_S:
            log.error("step_ignored_cancellation", extra={"lease_id": self.message.lease_id})
            return True
        if now - self._beat_at < self.beat_every_s:
            return False
        self._beat_at = now
        lease = self._leases.renew(
            self.message.lease_id,
            launch_id=self.message.launch_id,
            owner=self._owner,
            now=now,
        )
        if lease is None:
            log.error("lease_lost", extra={"lease_id": self.message.lease_id})
            return True
        if lease.cancel_requested and self._interrupted_at is None:
            log.info("step_cancelled", extra={"lease_id": self.message.lease_id})
            self._interrupted_at = now
            self._interrupt()
        return False

    def finish(self, outcome: StepOutcome, detail: str, *, now: float) -> bool:
        """Record how the step ended; False if the lease was not ours any more."""
        return self._leases.finish(
            self.message.lease_id,
            launch_id=self.message.launch_id,
            owner=self._owner,
            outcome=outcome,
            detail=detail,
            now=now,
        )
