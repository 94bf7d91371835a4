"""Which files of a folder are images: by suffix, recursively, hidden ones left out."""

import mimetypes
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from parjanya_dagster.core.errors import InvalidRequestError

_RAW: Final = ("arw", "cr2", "cr3", "crw", "dng", "nef", "orf", "raf", "rw2", "x3f")
_TYPES: Final = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".hif": "image/heif",
    ".jfif": "image/jpeg",
    ".jp2": "image/jp2",
    ".jpe": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".jxl": "image/jxl",
    ".mpo": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
    # raw files are photos too: they are sent, and whoever sent them learns what became of them
    **{f".{raw}": f"image/x-raw-{raw}" for raw in _RAW},
}
_OTHER: Final = "application/octet-stream"


def find_photos(paths: Iterable[Path]) -> list[Path]:
    """Return the images among `paths`, sorted within each folder; a file that is named is always one.

    Raises:
        InvalidRequestError: nothing is there; the message says what was looked for.
    """
    given = list(paths)
    found = list(dict.fromkeys(photo for path in given for photo in _photos_of(path)))
    if not found:
        where = ", ".join(str(path) for path in given)
        suffixes = " ".join(sorted(suffix[1:] for suffix in _TYPES))
        raise InvalidRequestError(f"no images in {where}: files are taken that end in {suffixes}")
    return found


def content_type_of(path: Path) -> str:
    """Return the media type that a file's name claims; what it really is, ingestion finds out."""
    return _TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or _OTHER


def _photos_of(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path  # missing ones too: the upload names them
        return
    for each in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in each.relative_to(path).parts)
        if each.suffix.lower() in _TYPES and not hidden and each.is_file():
            yield each
