"""Limits of reconciliation: every loop is bounded by a count and a time."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from parjanya_dagster.core.errors import ConfigError

_DOUBLINGS: Final = 30
"""Beyond these a wait of milliseconds is years; more would leave the range of a timedelta."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The numbers that must agree with each other; checked when they are made.

    Args:
        max_actions: repairs of rows planned in one cycle.
        max_window: index entries looked at per lane, among which tenants take turns; rows are read for
            `max_actions` of them at most.
        max_letters: dead letters settled in one cycle.
        max_results: rows in one cycle whose results are looked through for one that no head names.
        cycle_time: a cycle begins no further repair after this; it is shorter than any caller's timeout.
        reading_life: a reading of Belief older than this when it is used counts as Blind.
        sweep_age: gap entries younger than this are left to the event path.
        queue_quiet: how long main and dead-letter queues must read empty before jobs count as lost: three
            sweeps a minute apart, less what a schedule jitters.
        queue_settling: jobs sent this recently are not asked after: their messages are on their way.
        reading_gap: two empty readings further apart than this do not prove the time between them.
        retention: the queue's message retention.
        retention_margin: jobs older than `retention - retention_margin` count as lost, always.
        max_emissions: jobs of one generation before the row is quarantined.
        max_returns: dead letters of one generation that go back to the gap before the row fails.
        poison_attempts: attempts on the image alone, without an outcome, that speak against the image: one
            may have been a Spot return.
        first_postponement: wait after the first refusal of a row; doubles with every further one.
        longest_postponement: upper bound of that wait.
        regrade_queued: work of the regrade lane that may be queued at once; the rest waits in the gap.
        visibility: the queue's visibility timeout.
        longest_micro_batch: the longest realistic micro-batch of a worker.
        upload_url_life: validity of a presigned upload.
        longest_transfer: the longest transfer that may still be under way when the URL expires.
        arrival_age: objects younger than this are left to their own event.
        arrivals_every: how often a plane looks for objects that no event told of.
        arrivals_page: objects of one tenant looked at in one such look.
    """

    max_actions: int = 2000
    max_window: int = 10_000
    max_letters: int = 50
    max_results: int = 100
    cycle_time: timedelta = timedelta(seconds=25)
    reading_life: timedelta = timedelta(seconds=60)
    sweep_age: timedelta = timedelta(seconds=30)
    queue_quiet: timedelta = timedelta(seconds=110)
    queue_settling: timedelta = timedelta(seconds=15)
    reading_gap: timedelta = timedelta(seconds=90)
    retention: timedelta = timedelta(days=7)
    retention_margin: timedelta = timedelta(hours=6)
    max_emissions: int = 5
    max_returns: int = 3
    poison_attempts: int = 2
    first_postponement: timedelta = timedelta(seconds=30)
    longest_postponement: timedelta = timedelta(hours=1)
    regrade_queued: timedelta = timedelta(minutes=10)
    visibility: timedelta = timedelta(seconds=180)
    longest_micro_batch: timedelta = timedelta(seconds=60)
    upload_url_life: timedelta = timedelta(minutes=15)
    longest_transfer: timedelta = timedelta(hours=1)
    arrival_age: timedelta = timedelta(minutes=3)
    arrivals_every: timedelta = timedelta(minutes=1)
    arrivals_page: int = 500

    def __post_init__(self) -> None:
        """Report every inequality that does not hold.

        Raises:
            ConfigError: the limits contradict each other.
        """
        faults = [
            message
            for holds, message in (
                (
                    self.visibility > 2 * self.longest_micro_batch,
                    "visibility must exceed twice the longest micro-batch",
                ),
                (self.retention > self.retention_margin, "retention must exceed its margin"),
                (self.queue_quiet > self.reading_gap, "queue_quiet must exceed reading_gap"),
                (self.queue_quiet > self.queue_settling, "queue_quiet must exceed queue_settling"),
                (self.max_emissions >= 1, "max_emissions must be at least 1"),
                (self.max_window >= self.max_actions, "max_window must be at least max_actions"),
                (self.reading_life > self.cycle_time, "reading_life must exceed cycle_time"),
                (
                    self.longest_postponement >= self.first_postponement,
                    "longest_postponement must be at least first_postponement",
                ),
                (self.arrivals_page >= 2, "arrivals_page must be at least 2"),  # noqa: PLR2004 - one is the object it begins with
            )
            if not holds
        ]
        if faults:
            raise ConfigError("limits contradict each other: " + "; ".join(faults))

    def postponement(self, times: int) -> timedelta:
        """Return how long a row waits after it was refused `times` times before, ≥ 0."""
        doublings: int = 2 ** min(times, _DOUBLINGS)
        return min(self.first_postponement * doublings, self.longest_postponement)
