"""The edge behind the `ImageReader` port: the decoder's readings as ingestion and workers take them."""

from parjanya_dagster.core.reading import Readable, ReadAtGrid, Unreadable
from parjanya_dagster.imaging.decoder import Decoder
from parjanya_dagster.imaging.reading import AtGrid, Ingested, Rejected


class ChildProcessReader:
    """Reads images in the decoder's child process, which starts with the first image."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def read(self, data: bytes) -> Readable | Unreadable:
        """See `ImageReader`."""
        reading = self._decoder.read(data)
        if isinstance(reading, Ingested):
            return Readable(
                technical=reading.facts,
                exif=reading.exif,
                display=reading.preview.content,
                model=reading.model_grid.content,
            )
        return _unreadable(reading)

    def read_at_grid(self, data: bytes) -> ReadAtGrid | Unreadable:
        """See `ImageReader`."""
        reading = self._decoder.read_at_grid(data)
        if isinstance(reading, AtGrid):
            return ReadAtGrid(model=reading.model_grid.content, is_scaled=reading.is_scaled)
        return _unreadable(reading)


def _unreadable(reading: Rejected) -> Unreadable:
    reasons = tuple(reason.value for reason in reading.reasons)
    return Unreadable(reasons=reasons, technical=reading.facts, exif=reading.exif)
