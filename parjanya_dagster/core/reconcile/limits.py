"""Limits of reconciliation: every loop is bounded by a count and a time."""

from dataclasses import dataclass
from datetime import timedelta

from parjanya_dagster.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The numbers that must agree with each other; checked when they are made.

    Args:
        max_actions: emissions planned in one cycle.
        sweep_age: gap entries younger than this are left to the event path.
        queue_quiet: how long main and dead-letter queues must read empty before jobs count as lost: three
            sweeps a minute apart, less what a schedule jitters.
        queue_settling: jobs sent this recently are not asked after: their messages are on their way.
        reading_gap: two empty readings further apart than this do not prove the time between them.
        retention: the queue's message retention.
        retention_margin: jobs older than `retention - retention_margin` count as lost, always.
        max_emissions: jobs of one generation before the row is quarantined.
        visibility: the queue's visibility timeout.
        longest_micro_batch: the longest realistic micro-batch of a worker.
        upload_url_life: validity of a presigned upload.
        longest_transfer: the longest transfer that may still be under way when the URL expires.
    """

    max_actions: int = 2000
    sweep_age: timedelta = timedelta(seconds=30)
    queue_quiet: timedelta = timedelta(seconds=110)
    queue_settling: timedelta = timedelta(seconds=15)
    reading_gap: timedelta = timedelta(seconds=90)
    retention: timedelta = timedelta(days=7)
    retention_margin: timedelta = timedelta(hours=6)
    max_emissions: int = 5
    visibility: timedelta = timedelta(seconds=180)
    longest_micro_batch: timedelta = timedelta(seconds=60)
    upload_url_life: timedelta = timedelta(minutes=15)
    longest_transfer: timedelta = timedelta(hours=1)

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
            )
            if not holds
        ]
        if faults:
            raise ConfigError("limits contradict each other: " + "; ".join(faults))
