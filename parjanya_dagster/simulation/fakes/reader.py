"""In-memory twin of the decoder: says of bytes what a test told it to say."""

from parjanya_dagster.core.reading import Readable, ReadAtGrid, Unreadable
from parjanya_dagster.core.truth.exif import Exif
from parjanya_dagster.core.truth.technical import TechnicalFacts, TechnicalReason
from parjanya_dagster.simulation.fakes.calls import Calls


class FakeImageReader:
    """Every non-empty file is a readable 4000 x 3000 JPEG unless `verdicts` says otherwise of its bytes."""

    def __init__(self, calls: Calls | None = None) -> None:
        self.verdicts: dict[bytes, Readable | Unreadable] = {}
        self._calls = calls or Calls()

    def read(self, data: bytes) -> Readable | Unreadable:
        """See `ImageReader`."""
        with self._calls("reader.read"):
            if data in self.verdicts:
                return self.verdicts[data]
            if not data:
                return Unreadable(reasons=(TechnicalReason.EMPTY,), technical=TechnicalFacts(size_bytes=0))
            technical = TechnicalFacts(size_bytes=len(data), format="JPEG", width=4000, height=3000)
            return Readable(
                technical=technical, exif=Exif(), display=b"display:" + data, model=b"model:" + data
            )

    def read_at_grid(self, data: bytes) -> ReadAtGrid | Unreadable:
        """See `ImageReader`; every file is decoded below its native size."""
        reading = self.read(data)
        return ReadAtGrid(model=reading.model, is_scaled=True) if isinstance(reading, Readable) else reading
