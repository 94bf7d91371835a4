"""Reading an image: what the decoder of hostile bytes says, and the port that it stands behind."""

from dataclasses import dataclass
from typing import Protocol

from parjanya_dagster.core.truth.exif import Exif
from parjanya_dagster.core.truth.technical import TechnicalFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """An image that decoded: its facts and its previews' encoded bytes."""

    technical: TechnicalFacts
    exif: Exif
    display: bytes
    model: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAtGrid:
    """An image that was decoded for a model alone.

    Args:
        model: its encoded preview at the model's grid.
        is_scaled: decoded below native size, so that pixels differ a little from those of `Readable`.
    """

    model: bytes
    is_scaled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """An image that is rejected before scoring, why, and what is known of it all the same."""

    reasons: tuple[str, ...]
    technical: TechnicalFacts | None = None
    exif: Exif | None = None


class ImageReader(Protocol):
    """Decoding of hostile bytes."""

    def read(self, data: bytes) -> Readable | Unreadable:
        """Decode once, at native size; never raises for what the bytes contain."""
        ...

    def read_at_grid(self, data: bytes) -> ReadAtGrid | Unreadable:
        """Decode no more than the model's grid needs; never raises for what the bytes contain."""
        ...
