"""The functions' code archive: this package without the parts that no function runs.

Named by the digest of its content, so that a deploy of unchanged code changes nothing.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import parjanya_dagster

# entry points of other processes, and what only a laptop runs
LEFT_OUT: Final = frozenset({"cli", "cli.py", "definitions.py", "defs", "local", "simulation", "web"})

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold
_MODE: Final = 0o644 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeArchive:
    """A zip for Lambda and the object key it belongs under."""

    key: str
    body: bytes


def package_code(root: Path | None = None) -> CodeArchive:
    """Return the archive of the package at `root`; equal content gives an equal key and equal bytes.

    Args:
        root: a package directory; by default the installed `parjanya_dagster`.
    """
    package = root or Path(str(parjanya_dagster.__file__)).parent
    digest = hashlib.sha256()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _sources(package):
            name = path.relative_to(package.parent).as_posix()
            content = path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _MODE
            archive.writestr(entry, content)
    return CodeArchive(key=f"code/{package.name}-{digest.hexdigest()[:16]}.zip", body=buffer.getvalue())


def _sources(package: Path) -> Iterator[Path]:
    for path in sorted(package.rglob("*")):
        parts = path.relative_to(package).parts
        if path.is_file() and parts[0] not in LEFT_OUT and "__pycache__" not in parts:
            yield path
