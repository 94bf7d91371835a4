"""Pictures of a simulated world: small enough to be decoded for real at every fetch."""

from functools import cache
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

from parjanya_dagster.core.reading import Readable, Unreadable
from parjanya_dagster.core.truth.exif import Exif
from parjanya_dagster.core.truth.technical import TechnicalFacts, TechnicalReason
from parjanya_dagster.simulation.fakes.calls import Calls
from parjanya_dagster.simulation.fakes.reader import FakeImageReader
from parjanya_dagster.simulation.kernel import Crashed, Kernel

UNREADABLE: Final = Unreadable(reasons=(TechnicalReason.UNDECODABLE,), technical=TechnicalFacts(size_bytes=9))


@cache
def readable() -> Readable:
    """Return what ingestion finds in a good file."""
    png = BytesIO()
    Image.fromarray(np.full((2, 2, 3), 128, np.uint8)).save(png, "PNG")
    technical = TechnicalFacts(size_bytes=9, format="JPEG", width=4000, height=3000)
    return Readable(technical=technical, exif=Exif(), display=b"display", model=png.getvalue())


class MortalReader(FakeImageReader):
    """A decoder that some files kill, together with the process that called it."""

    def __init__(self, kernel: Kernel, calls: Calls) -> None:
        super().__init__(calls)
        self.deadly: set[bytes] = set()
        self._kernel = kernel

    def mend(self) -> None:
        """Read from now on whatever could not be read."""
        self.deadly.clear()
        self.verdicts.clear()

    def read(self, data: bytes) -> Readable | Unreadable:
        """See `ImageReader`."""
        actor = self._kernel.current
        if data in self.deadly and actor is not None:
            actor.process.kill()
            raise Crashed
        self.verdicts.setdefault(data, readable())
        return super().read(data)
