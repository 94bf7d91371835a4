"""Why this instance must leave, or should: a signal, its group, or a notice of EC2's.

Notices come from the instance metadata service, asked every few seconds: a Spot interruption gives two
minutes, a scale-in lasts as long as the group's lifecycle hook, and a recommendation to rebalance says only
that a Spot interruption has become likely.
"""

import signal
import time
from types import FrameType

from parjanya_dagster.asg_executor.instance import InstanceMetadata, departure_notice

_NOTICE_EVERY_S = 5.0


def recommends_rebalance(metadata: InstanceMetadata) -> bool:
    """Whether EC2 expects to interrupt this Spot instance."""
    return metadata.read("events/recommendations/rebalance") is not None


class Departure:
    """Why this agent must leave, as far as it has been said.

    Args:
        metadata: of the instance; None where there is none to ask.
        heeds_rebalance: a recommendation counts. Only for groups that replace such instances by themselves
            (Capacity Rebalancing): others would keep one that serves nothing any more.
        notice_every_s: seconds between two looks at the metadata.

    Attributes:
        is_at_risk: it should leave as soon as it holds nothing.
    """

    def __init__(
        self,
        metadata: InstanceMetadata | None,
        *,
        heeds_rebalance: bool = False,
        notice_every_s: float = _NOTICE_EVERY_S,
    ) -> None:
        self._metadata = metadata
        self._heeds_rebalance = heeds_rebalance
        self._notice_every_s = notice_every_s
        self._reason: str | None = None
        self._looked_at = 0.0
        self.is_at_risk = False

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Remember the signal; the loop acts on it."""
        self.announce(signal.Signals(number).name)

    def announce(self, reason: str) -> None:
        """Say why the agent must leave; the first reason stays."""
        self._reason = self._reason or reason

    def reason(self) -> str | None:
        """Return why the agent must leave, None if it need not; looks at the metadata when that is due."""
        due = time.monotonic() - self._looked_at >= self._notice_every_s
        if self._reason is None and self._metadata is not None and due:
            self._looked_at = time.monotonic()
            self._reason = departure_notice(self._metadata)
            self.is_at_risk = self.is_at_risk or (
                self._heeds_rebalance and recommends_rebalance(self._metadata)
            )
        return self._reason
