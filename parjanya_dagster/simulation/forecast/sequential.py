"""The original system: one endpoint, started at night, one image at a time."""

from collections.abc import Sequence

from parjanya_dagster.simulation.forecast.arrivals import Arrival
from parjanya_dagster.simulation.forecast.assumptions import Assumptions
from parjanya_dagster.simulation.forecast.estimate import Estimate

_HOUR_S = 3600.0


def run_sequential(
    trace: Sequence[Arrival], assumed: Assumptions, *, starts_s: float, all_night: bool = False
) -> Estimate:
    """Return what the nightly endpoint does: cold start, then image after image, then off.

    Args:
        trace: sorted by time, not empty, arrived whole by `starts_s`.
        starts_s: when the endpoint is created, on the trace's clock.
        all_night: it stays up until the night's end, or until done where that is later.
    """
    images = sum(arrival.images for arrival in trace)
    scored_s = images * assumed.sequential_s_per_image
    wall_clock_s = assumed.sequential_cold_s + scored_s
    paid_s = max(wall_clock_s, assumed.night_h * _HOUR_S) if all_night else wall_clock_s
    usd_per_s = assumed.sequential_usd_per_h / _HOUR_S
    mean_arrival_s = sum(arrival.at_s * arrival.images for arrival in trace) / images
    mean_score_s = starts_s + assumed.sequential_cold_s + assumed.sequential_s_per_image * (images + 1) / 2
    return Estimate(
        system="nightly endpoint, kept on" if all_night else "nightly endpoint",
        images=images,
        instances=1,
        wall_clock_s=wall_clock_s,
        first_score_s=starts_s + assumed.sequential_cold_s + assumed.sequential_s_per_image - trace[0].at_s,
        mean_wait_s=mean_score_s - mean_arrival_s,
        cost_usd=paid_s * usd_per_s,
        idle_usd=(paid_s - scored_s) * usd_per_s,
    )
