"""The manifest of a model folder: every file by size and sha256, and what the folder was made with and for.

It is made once, where the folder is known to be good, and travels inside it. Workers refuse what differs.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from gpu_worker.boot.failures import BootFailedError
from gpu_worker.boot.whole_file import write_whole
from parjanya_dagster.core.belief.boot import BootFailure

MANIFEST: Final = "manifest.json"
_SHA256: Final = r"^[0-9a-f]{64}$"


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or str(path) != name or "\\" in name:
        raise ValueError(f"'{name}' is not a plain path inside the folder")
    return name


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_Document):
    """A file as it was when the manifest was made."""

    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=_SHA256)


class Versions(_Document):
    """The versions of a library that the folder is for: from the first, up to but without the second."""

    at_least: str = Field(pattern=r"^\d+(\.\d+)*$")
    below: str = Field(pattern=r"^\d+(\.\d+)*$")


class PackEntry(_Document):
    """A prompt pack that the folder is for.

    Args:
        content_hash: of the pack.
        label_tokens: question → label → id of the token that its answer is read at.
    """

    content_hash: str = Field(pattern=_SHA256)
    label_tokens: dict[str, dict[str, int]]


class Compatibility(_Document):
    """The folder's half of the pair; the other half is the worker.

    Args:
        engine: that it is loaded by.
        model_type: family of the model, as its configuration names it.
        libraries: versions by distribution.
        packs: prompt packs by id.
    """

    engine: str
    model_type: str
    libraries: dict[str, Versions]
    packs: dict[str, PackEntry]


class Manifest(_Document):
    """Everything that a worker demands of a model folder before it loads it.

    Args:
        revision: of the model where it came from, as far as known.
        made_with: version by library, for people: nothing is compared with it.
        files: by their paths inside the folder; the manifest itself and golden answers are not among them.
        content_hash: sha256 over names, sizes and hashes of all files: the model's identity, whenever its
            manifest was made.
    """

    schema_version: Annotated[int, Field(ge=1, le=1)] = 1
    revision: str = ""
    made_at: AwareDatetime
    made_with: dict[str, str]
    compatible: Compatibility
    content_hash: str = Field(pattern=_SHA256)
    files: dict[Annotated[str, AfterValidator(_inside)], FileEntry] = Field(min_length=1)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.content_hash != content_hash_of(self.files):
            raise ValueError("content_hash is not that of the files")
        return self

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(entry.size_bytes for entry in self.files.values())


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a model folder.

    Raises:
        BootFailedError: `manifest_missing` or `manifest_invalid`.
        OSError: it cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        what = "the folder has none" if folder.is_dir() else "there is no such folder"
        raise BootFailedError(BootFailure.MANIFEST_MISSING, str(path), what)
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(str(step) for step in first["loc"])
        what = f"{first['msg']} at '{at}', {error.error_count()} faults in all"
        raise BootFailedError(BootFailure.MANIFEST_INVALID, str(path), what) from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a model folder, whole or not at all."""
    text = manifest.model_dump_json(indent=2) + "\n"
    write_whole(folder / MANIFEST, text.encode())


def content_hash_of(files: Mapping[str, FileEntry]) -> str:
    """Return the identity of a set of files."""
    listed = {name: [entry.size_bytes, entry.sha256] for name, entry in files.items()}
    canonical = json.dumps(listed, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def made_manifest(
    *,
    files: dict[str, FileEntry],
    compatible: Compatibility,
    made_with: dict[str, str],
    revision: str,
    now: datetime,
) -> Manifest:
    """Return a manifest with its files in order."""
    return Manifest(
        revision=revision,
        made_at=now,
        made_with=made_with,
        compatible=compatible,
        content_hash=content_hash_of(files),
        files=dict(sorted(files.items())),
    )
