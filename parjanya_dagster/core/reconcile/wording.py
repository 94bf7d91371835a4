"""Words for numbers and samples, as findings and answers to "why" use them."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import islice
from typing import Final

from parjanya_dagster.core.truth.row import ImageRow

SAMPLES: Final = 5
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60))


def lasting(duration: timedelta) -> str:
    """Return a duration in its largest unit: `45 s`, `4 min`, `3 h`, `2 d`; a negative one is `0 s`."""
    seconds = max(int(duration.total_seconds()), 0)
    for unit, size in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def counted(count: int, noun: str) -> str:
    """Return `1 row` or `2 rows`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def samples_of(names: Iterable[str], *, of: str = "for example") -> str:
    """Return the first few names after a word, or an empty text without any."""
    few = list(islice(names, SAMPLES))
    return f"{of} {', '.join(few)}" if few else ""


def row_samples(rows: Sequence[ImageRow]) -> str:
    """Return the keys of the first few rows."""
    return samples_of(str(row.key) for row in rows)


def facts(*lines: str) -> tuple[str, ...]:
    """Return the lines that say something."""
    return tuple(line for line in lines if line)
