"""The files of a model folder against its manifest: none missing, none unlisted, none executable."""

import json
from pathlib import Path
from typing import Any, Final

from gpu_worker.boot.failures import BootFailedError
from gpu_worker.boot.golden import GOLDEN, GOLDEN_IMAGES
from gpu_worker.boot.manifest import MANIFEST, Manifest
from gpu_worker.boot.whole_file import PART_SUFFIX, part_of
from parjanya_dagster.core.belief.boot import BootFailure

TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer_config.json")
"""What a tokenizer is loaded from; the real checkpoint's vocabulary and merges are inside the first."""

_TOKENIZER_PARTS: Final = frozenset({*TOKENIZER_FILES, "vocab.json", "merges.txt", "special_tokens_map.json"})
_EXECUTABLE: Final = frozenset({".py", ".pyc", ".so", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
"""Python, libraries, and pickles, which run code when they are loaded."""


def model_files(folder: Path) -> dict[str, int]:
    """Return the size of every file in a model folder by its path inside; the manifest's own apart.

    A link to a folder counts as a file that nobody listed: what is behind it was never looked at.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            continue
        if not _is_ours(name):
            found[name] = path.stat().st_size if path.exists() else 0
    return found


def require_listed(folder: Path, manifest: Manifest) -> str:
    """Demand exactly the manifest's files in their sizes; return what was found.

    Raises:
        BootFailedError: `tokenizer_missing`, `file_missing`, `file_unlisted` or `size_differs`.
    """
    found = model_files(folder)
    for name in manifest.files:
        if name not in found:
            of_tokenizer = name in _TOKENIZER_PARTS
            failure = BootFailure.TOKENIZER_MISSING if of_tokenizer else BootFailure.FILE_MISSING
            raise BootFailedError(failure, name, "the manifest lists it, and it is not there")
    for name in found:
        if name not in manifest.files:
            raise BootFailedError(
                BootFailure.FILE_UNLISTED, name, "it is there, and the manifest lists it not"
            )
    for name, entry in manifest.files.items():
        if found[name] != entry.size_bytes:
            what = f"{found[name]:,} bytes; the manifest says {entry.size_bytes:,}"
            raise BootFailedError(BootFailure.SIZE_DIFFERS, name, what)
    return f"{len(found)} files, {manifest.size_bytes / 1e6:,.1f} MB"


def require_data_only(folder: Path) -> None:
    """Refuse a folder that holds code, or a configuration that asks for code.

    Raises:
        BootFailedError: `remote_code`, `config_invalid` or `tokenizer_missing`.
    """
    names = model_files(folder)
    for name in names:
        if Path(name).suffix.lower() in _EXECUTABLE:
            raise BootFailedError(
                BootFailure.REMOTE_CODE, name, "a file that can be executed is no model data"
            )
        if name.endswith("config.json") and _asks_for_code(read_json(folder / name)):
            raise BootFailedError(BootFailure.REMOTE_CODE, name, "its auto_map names code to be executed")
    for name in TOKENIZER_FILES:
        if name not in names:
            raise BootFailedError(BootFailure.TOKENIZER_MISSING, name, "the folder has none")


def model_type_of(folder: Path) -> str:
    """Return the family that a folder's configuration names.

    Raises:
        BootFailedError: `config_invalid`.
    """
    path = folder / "config.json"
    document = read_json(path) if path.is_file() else None
    named = document.get("model_type") if isinstance(document, dict) else None
    if not isinstance(named, str):
        raise BootFailedError(BootFailure.CONFIG_INVALID, path.name, "it names no model_type")
    return named


def read_json(path: Path) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON file's content.

    Raises:
        BootFailedError: `config_invalid`.
    """
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise BootFailedError(BootFailure.CONFIG_INVALID, path.name, f"it is no JSON: {error}") from error


def _asks_for_code(document: object) -> bool:
    if isinstance(document, dict):
        return "auto_map" in document or any(_asks_for_code(each) for each in document.values())
    return isinstance(document, list) and any(_asks_for_code(each) for each in document)


def _is_ours(name: str) -> bool:
    """Whether it is the manifest, golden answers or a golden image, or what a killed process left of one."""
    if Path(name).parent.as_posix() == GOLDEN_IMAGES:
        return name.removesuffix(PART_SUFFIX).endswith(".png")
    return name in _OWN


_OWN: Final = frozenset({MANIFEST, GOLDEN, *(part_of(Path(each)).name for each in (MANIFEST, GOLDEN))})
