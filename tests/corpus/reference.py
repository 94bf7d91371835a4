"""The corpus of real images and its reference facts, where this machine has it beside the repository.

An independent reader (exiftool) wrote the reference. Where our reading differs from it on purpose, the reason
is listed here, once, for the test and for the benchmark's table.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from parjanya_dagster.core.truth.exif import Exif
from parjanya_dagster.core.truth.technical import SUPPORTED_FORMATS, TechnicalFacts

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "corpus"
MISSING = "the corpus of real images is not beside this repository (../shared/data/corpus)"

COLUMNS = {
    "make": "exif_make",
    "model": "exif_model",
    "datetime_original": "exif_datetime_original",
    "offset_time": "exif_offset_time",
    "iso": "exif_iso",
    "exposure_time_s": "exif_exposure_time",
    "fnumber": "exif_fnumber",
    "focal_length_mm": "exif_focal_length",
    "lens_model": "lens_model",
    "gps_latitude": "gps_latitude",
    "gps_longitude": "gps_longitude",
    "orientation": "exif_orientation",
    "width": "width",
    "height": "height",
}
"""Our field to the manifest's column."""

_TOLERANCE = 1e-6
_IN_IFD0 = "the editor wrote the camera's tags into IFD0; the reference took them from ExifIFD only"
_SEEN_BY_US_ALONE = {
    "corrupt/243e9a0e4450d980.jpg": "exiftool stopped at a format error behind the EXIF segment",
    "corrupt/caa9ece68f444da3.tif": "exiftool refused the cut-off directory; its first entries are intact",
    "edge/40a244d871395af1.jpg": "same, in a JPEG's EXIF segment",
    "edge/0f87716499cb9184.webp": _IN_IFD0,
    "edge/e23a0449e79fade2.jpg": _IN_IFD0,
    "photo/58b11b46010c14e4.tif": _IN_IFD0,
}
_FORMATS = {"Extended WEBP": "WEBP", "APNG": "PNG", "MPO": "JPEG", "BTF": "TIFF", "HEIF": "HEIC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One file of the corpus and what the other readers said about it."""

    path: Path
    label: str
    row: dict[str, str]

    @property
    def format(self) -> str:
        """The reference's format in our names."""
        return _FORMATS.get(self.row["format"], self.row["format"])

    @property
    def is_loadable(self) -> bool:
        """Whether the format is supported and Pillow (or its HEIF plugin) loaded the pixels."""
        loaded = "ok" in (self.row["pillow_load"], self.row["pillow_heif_load"])
        return loaded and self.format in SUPPORTED_FORMATS


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One field of one file by both readers; None where a reader sees nothing."""

    path: str
    field: str
    ours: object
    theirs: str | None

    @property
    def is_seen_by_both(self) -> bool:
        """Whether there is anything to agree about."""
        return self.ours is not None and self.theirs is not None

    @property
    def agrees(self) -> bool:
        """Whether both readers say the same, within a millionth for numbers."""
        if self.ours is None or self.theirs is None:
            return self.ours is self.theirs
        if isinstance(self.ours, str):
            return self.ours == self.theirs
        assert isinstance(self.ours, int | float)
        # ISO of some cameras is a pair, "400 0", of which the first number means something.
        theirs = float(self.theirs.split()[0])
        return abs(self.ours - theirs) <= _TOLERANCE * max(1.0, abs(theirs))


def references() -> Iterator[Reference]:
    """Yield every file of the corpus; nothing where there is none."""
    manifest = CORPUS / "manifest.csv"
    if not manifest.exists():
        return
    with manifest.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            yield Reference(path=CORPUS / row["path"], label=row["class"], row=row)


def compare(reference: Reference, facts: TechnicalFacts, exif: Exif) -> Iterator[Comparison]:
    """Yield what both readers say about each field of a file."""
    for field, column in COLUMNS.items():
        ours = getattr(facts if hasattr(facts, field) else exif, field)
        yield Comparison(
            path=reference.row["path"], field=field, ours=ours, theirs=reference.row[column] or None
        )


def reason_of(comparison: Comparison, reference: Reference) -> str:
    """Return why our reading differs from the reference, or `unexplained`."""
    if reference.format not in SUPPORTED_FORMATS:
        return f"{reference.format} is not a supported format: no more than its header is read"
    if comparison.theirs == "0" and comparison.field == "orientation":
        return "orientation 0 means nothing: EXIF knows 1 to 8"
    if comparison.theirs is None:
        return _SEEN_BY_US_ALONE.get(comparison.path, "unexplained")
    return "unexplained"
