"""What one system would do with one trace: the row of every table and the point of every plot."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One system on one trace.

    Args:
        system: its name, as printed.
        images: how many were scored.
        instances: most at any one time.
        wall_clock_s: from when work could begin (ours: the first arrival; the nightly endpoint: its start) to
            the last score.
        first_score_s: from the first arrival to the first score; the nightly endpoint waits for night before.
        mean_wait_s: from an image's arrival to its score, mean over the images.
        cost_usd: everything paid.
        idle_usd: the part of it paid while nothing was scored: boot, waiting, idling, stopped volumes.
        promise: what the capacity plan says of the deadline; None where nobody plans.
        kept: whether every image was scored within the deadline of its wave; None where nobody plans.
        explanation: the capacity plan in its own words, "" where nobody plans.
    """

    system: str
    images: int
    instances: int
    wall_clock_s: float
    first_score_s: float
    mean_wait_s: float
    cost_usd: float
    idle_usd: float
    promise: bool | None = None
    kept: bool | None = None
    explanation: str = ""

    @property
    def usd_per_1000(self) -> float:
        """Everything paid, per 1,000 images."""
        return self.cost_usd * 1000 / self.images
