"""Files that are there whole or not at all, whenever the process that writes them dies."""

import os
from pathlib import Path

PART_SUFFIX = ".part"


def part_of(path: Path) -> Path:
    """Return where a file is written until it is whole; what a killed process left there is written over."""
    return path.with_name(f".{path.name}{PART_SUFFIX}")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that nobody, now or after a crash, ever finds half of it.

    Raises:
        OSError: it cannot be written; whatever was there before still is.
    """
    part = part_of(path)
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
