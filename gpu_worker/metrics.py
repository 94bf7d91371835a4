"""What a worker tells CloudWatch: documents in the embedded metric format, built from concluded attempts.

One document per bucket and interval, not one per image: its values are lists of what single images took, so
that percentiles stay true while the log stays small. Dimensions are few by nature: fleet, engine and bucket.

Source: CloudWatch embedded metric format specification (Amazon CloudWatch user guide)
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from gpu_worker.phases import Phase

NAMESPACE: Final = "Parjanya/Worker"
MOST_VALUES: Final = 100
"""Values that one metric of one document may have."""
NO_BUCKET: Final = "none"
"""The bucket of images that were never decoded."""

OUTCOMES: Final = ("completed", "terminal_failure", "retry", "superseded")
_DIMENSIONS: Final = (["fleet", "engine"], ["fleet", "engine", "bucket"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A concluded attempt.

    Args:
        bucket: of its image; empty if it was never decoded.
        outcome: one of `OUTCOMES`.
        seconds: what its image spent in each phase that it reached.
    """

    bucket: str
    outcome: str
    seconds: Mapping[str, float] = field(default_factory=dict)


def documents(
    attempts: Sequence[Attempt], *, fleet: str, engine: str, at: datetime
) -> Iterator[dict[str, Any]]:
    """Yield the documents of an interval's attempts: fields of one line of the log each.

    Args:
        at: the end of the interval.
    """
    by_bucket: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        by_bucket.setdefault(attempt.bucket or NO_BUCKET, []).append(attempt)
    for bucket, members in by_bucket.items():
        for some in _batches(members):
            yield _document(some, {"fleet": fleet, "engine": engine, "bucket": bucket}, at)


def _document(attempts: Sequence[Attempt], dimensions: Mapping[str, str], at: datetime) -> dict[str, Any]:
    counts = Counter(attempt.outcome for attempt in attempts)
    values: dict[str, Any] = {name: counts[name] for name in OUTCOMES if counts[name]}
    units = dict.fromkeys(values, "Count")
    for phase in Phase:
        seconds = [round(each.seconds[phase], 6) for each in attempts if phase in each.seconds]
        if seconds:
            values[f"{phase}_s"] = seconds  # a name of its own: the dimension beside it is an engine, too
            units[f"{phase}_s"] = "Seconds"
    return {
        "_aws": {
            "Timestamp": int(at.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [list(names) for names in _DIMENSIONS],
                    "Metrics": [{"Name": name, "Unit": unit} for name, unit in units.items()],
                }
            ],
        },
        **dimensions,
        **values,
    }


def _batches(attempts: Sequence[Attempt]) -> Iterator[Sequence[Attempt]]:
    for start in range(0, len(attempts), MOST_VALUES):
        yield attempts[start : start + MOST_VALUES]
