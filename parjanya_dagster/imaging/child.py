"""The process that touches hostile bytes: reads files from a pipe, answers with readings.

It has no credentials in its environment, little memory, no files to write and a parent that kills it when it
takes too long. A message is a letter that says what for, an 8-byte length and the file; the answer is
`reading.to_wire`.
"""

import os
import resource
import sys
from pathlib import Path
from typing import BinaryIO

from parjanya_dagster.core.truth.technical import TechnicalLimits, TechnicalReason
from parjanya_dagster.imaging.decode import decode, decode_at_grid
from parjanya_dagster.imaging.reading import Rejected, to_wire
from parjanya_dagster.imaging.worker_process import EXIT_OUT_OF_MEMORY, FOR_A_MODEL, LENGTH_BYTES, READY


def main(arguments: list[str]) -> int:
    """Serve until the parent closes the pipe.

    Args:
        arguments: memory in bytes above what the interpreter needs, then `max_bytes`, `max_pixels` and
            `min_side_px` of the limits.
    """
    memory_bytes, max_bytes, max_pixels, min_side_px = map(int, arguments)
    limits = TechnicalLimits(max_bytes=max_bytes, max_pixels=max_pixels, min_side_px=min_side_px)
    answers = os.dup(sys.stdout.fileno())
    _confine(memory_bytes)
    _write(answers, [READY])
    _silence()  # decoders write to both streams as they like, and stdout is the way to the parent
    try:
        _serve(sys.stdin.buffer, answers, limits)
    except MemoryError:
        return EXIT_OUT_OF_MEMORY
    return 0


def _serve(requests: BinaryIO, answers: int, limits: TechnicalLimits) -> None:
    while read_for := requests.read(1):
        data = requests.read(int.from_bytes(requests.read(LENGTH_BYTES)))
        reading = decode_at_grid(data, limits) if read_for == FOR_A_MODEL else decode(data, limits)
        _write(answers, to_wire(reading))
        if isinstance(reading, Rejected) and TechnicalReason.DECODER_OUT_OF_MEMORY in reading.reasons:
            raise MemoryError  # what a failed allocation left behind is unknown: start afresh


def _confine(memory_bytes: int) -> None:
    """Bound address space, forbid writing files and dumping core; what a platform lacks is left out."""
    bounds = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0}
    statm = Path("/proc/self/statm")
    if statm.exists():
        bounds[resource.RLIMIT_AS] = int(statm.read_text().split()[0]) * resource.getpagesize() + memory_bytes
    for kind, bound in bounds.items():
        _, hard = resource.getrlimit(kind)
        value = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (ValueError, OSError):
            continue


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _write(descriptor: int, parts: list[bytes]) -> None:
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
