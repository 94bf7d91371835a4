"""What `parjanya inspect --json` prints: one record per file, whose keys are a contract with scripts.

The records stream in the order of the paths; a file that cannot be read is a record like any other.
"""

import stat
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from parjanya_dagster.core.truth.exif import Exif
from parjanya_dagster.core.truth.technical import TechnicalFacts, TechnicalReason
from parjanya_dagster.imaging.decoder import Decoder
from parjanya_dagster.imaging.reading import Ingested, Rejected


def inspect_paths(paths: Iterable[Path], decoder: Decoder) -> Iterator[dict[str, Any]]:
    """Yield one record per path, in order."""
    for path in paths:
        yield inspect_record(path, decoder)


def inspect_record(path: Path, decoder: Decoder) -> dict[str, Any]:
    """Return the contract's record of one path.

    `valid` means supported and fully decoded. Width and height are as stored. Every EXIF key is always
    present.
    """
    return record_of(path, read_path(path, decoder))


def read_path(path: Path, decoder: Decoder) -> Ingested | Rejected:
    """Return the reading of a path; one that is no readable file is rejected with that as its reason."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return _rejected(TechnicalReason.NOT_A_FILE)  # a pipe would wait for ever
        if status.st_size > decoder.limits.max_bytes:
            return _rejected(TechnicalReason.TOO_MANY_BYTES, size_bytes=status.st_size)
        return decoder.read(path.read_bytes())
    except FileNotFoundError:
        return _rejected(TechnicalReason.NOT_FOUND)
    except (OSError, ValueError):  # no permission, a broken disk; a NUL in the name
        return _rejected(TechnicalReason.UNREADABLE)


def record_of(path: Path, reading: Ingested | Rejected) -> dict[str, Any]:
    """Return the contract's record of a reading."""
    facts = reading.facts
    return {
        "path": str(path),
        "valid": isinstance(reading, Ingested),
        "reasons": [] if isinstance(reading, Ingested) else [str(reason) for reason in reading.reasons],
        "format": facts.format,
        "width": facts.width,
        "height": facts.height,
        "orientation": facts.orientation,
        "exif": asdict(reading.exif),
        "technical": _technical_numbers(facts),
    }


def _technical_numbers(facts: TechnicalFacts) -> dict[str, float]:
    """Return every number that is known; a file that was not decoded has few."""
    known = {"size_bytes": facts.size_bytes, "frames": facts.frames}
    measured = asdict(facts.statistics) if facts.statistics else {}
    return {name: number for name, number in (known | measured).items() if number is not None}


def _rejected(reason: TechnicalReason, *, size_bytes: int = 0) -> Rejected:
    return Rejected(facts=TechnicalFacts(size_bytes=size_bytes), exif=Exif(), reasons=(reason,))
