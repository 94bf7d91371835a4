"""When images arrive: all at once, or through one evening as photographers come home."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Final

_PULSES: Final = 20
"""An upload is told in at most so many arrivals, however many images it has."""
_GOLDEN: Final = 0.6180339887498949
_SPREADS: Final = 2.5
"""The evening ends this many standard deviations from its peak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Images that became ready to be scored at one moment.

    Args:
        at_s: seconds since the trace began, ≥ 0.
        images: how many, ≥ 1.
    """

    at_s: float
    images: int


def all_at_once(images: int) -> tuple[Arrival, ...]:
    """Return the trace of one burst."""
    return (Arrival(at_s=0.0, images=images),)


def evening(
    images: int, *, photographers: int, length_s: float, upload_s_per_image: float
) -> tuple[Arrival, ...]:
    """Return one evening's trace, sorted by time: few photographers come early or late, most in the middle.

    Nothing is drawn by chance: quantiles of the bell curve give the times, the golden ratio the sizes, so
    that large and small uploads alternate without a pattern.

    Args:
        images: sum over the trace, ≥ 1.
        photographers: uploads, ≥ 1; those without an image are left out.
        length_s: when the evening ends; uploads begin within it.
    """
    curve = NormalDist(mu=length_s / 2, sigma=max(length_s / 2 / _SPREADS, 1e-9))
    weights = [0.25 + (rank * _GOLDEN) % 1 for rank in range(1, photographers + 1)]
    trace: list[Arrival] = []
    for rank, size in enumerate(_shares(images, weights)):
        begins_s = min(max(curve.inv_cdf((rank + 0.5) / photographers), 0.0), length_s)
        trace.extend(_upload(size, begins_s=begins_s, s_per_image=upload_s_per_image))
    return tuple(sorted(trace, key=lambda arrival: arrival.at_s))


def _upload(size: int, *, begins_s: float, s_per_image: float) -> Iterator[Arrival]:
    """Yield one photographer's images in even pulses, each when its last image is there."""
    sent = 0
    for pulse in _shares(size, [1.0] * _PULSES):
        sent += pulse
        if pulse:
            yield Arrival(at_s=begins_s + sent * s_per_image, images=pulse)


def _shares(total: int, weights: list[float]) -> list[int]:
    """Return whole numbers in proportion to `weights` that sum to `total`."""
    whole = sum(weights)
    reached = [0.0]
    for weight in weights:
        reached.append(reached[-1] + weight)
    marks = [round(total * each / whole) for each in reached]
    return [after - before for before, after in pairwise(marks)]
