"""The edge behind the `ImageReader` port: the decoder's readings as ingestion takes them."""

from parjanya_dagster.core.reading import Readable, Unreadable
from parjanya_dagster.imaging.decoder import Decoder
from parjanya_dagster.imaging.reading import Ingested


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
        reasons = tuple(reason.value for reason in reading.reasons)
        return Unreadable(reasons=reasons, technical=reading.facts, exif=reading.exif)
