"""Draws: chance as a pure function of a seed and a name.

What happens at one place depends on nothing that happened elsewhere, so a trace from which half of the faults
were taken away still means the same at the places that are left.
"""

from typing import Final
from zlib import crc32

_MASK: Final = 2**64 - 1
_FACTOR: Final = 6364136223846793005
_ADDEND: Final = 1442695040888963407


def chance(seed: str, *names: object) -> float:
    """Return a number in [0, 1) that belongs to these names."""
    return Stream(seed, *names).draw() / 2**32


def between(low: float, high: float, seed: str, *names: object) -> float:
    """Return a number in [low, high) that belongs to these names."""
    return low + (high - low) * chance(seed, *names)


class Stream:
    """A sequence of draws that belongs to these names.

    Source: Knuth, MMIX: a linear congruential generator modulo 2^64, of which the upper half is used.
    """

    __slots__ = ("_state",)

    def __init__(self, seed: str, *names: object) -> None:
        text = "/".join((seed, *map(str, names))).encode()
        self._state = crc32(text) << 32 | crc32(text, 0x5EED)
        self.draw()

    def draw(self) -> int:
        """Return 32 bits."""
        self._state = state = (self._state * _FACTOR + _ADDEND) & _MASK
        return state >> 32
