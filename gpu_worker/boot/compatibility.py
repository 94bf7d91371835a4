"""The compatibility pair: what a model folder was made for, and what this worker is.

A folder that is whole may still be for another worker: other questions, or a library that loads it otherwise.
"""

import re
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Final

from gpu_worker.boot.failures import BootFailedError
from gpu_worker.boot.manifest import MANIFEST, Compatibility, Versions
from gpu_worker.prompts.pack import PromptPack
from parjanya_dagster.core.belief.boot import BootFailure

LIBRARIES: Final = ("transformers",)
"""Libraries whose code decides how a folder is loaded."""
NOTED: Final = ("parjanya-dagster", "torch", "transformers", "tokenizers", "safetensors", "numpy", "pillow")

_NUMBERS: Final = re.compile(r"\d+(?:\.\d+)*")


def installed_version(distribution: str) -> str | None:
    """Return the version of an installed library, without importing it; None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def versions_here() -> dict[str, str]:
    """Return the versions that a manifest notes, of the libraries that are installed."""
    found = {name: installed_version(name) for name in NOTED}
    return {name: version for name, version in found.items() if version is not None}


def same_minor(version: str) -> Versions:
    """Return the range that a version was tried in: it and its later patches.

    Minor versions of transformers have changed silently what an argument means; each is tried anew.
    """
    numbers = _numbers(version)
    major, minor = numbers[0], numbers[1] if len(numbers) > 1 else 0
    return Versions(at_least=".".join(map(str, numbers)), below=f"{major}.{minor + 1}")


def require_compatible(
    wanted: Compatibility,
    *,
    engine: str,
    model_type: str,
    pack: PromptPack,
    version_of: Callable[[str], str | None] = installed_version,
) -> None:
    """Refuse a folder that is for another worker than this one.

    Args:
        engine: the worker's.
        model_type: the family that this engine loads.
        pack: what the worker asks.

    Raises:
        BootFailedError: `incompatible`, with every difference.
    """
    differences = [
        *_difference("engine", wanted.engine, engine),
        *_difference("model type", wanted.model_type, model_type),
        *_library_differences(wanted.libraries, version_of),
    ]
    if pack.id not in wanted.packs:
        differences.append(f"prompt pack {', '.join(sorted(wanted.packs))} there, {pack.id} here")
    else:
        hashes = wanted.packs[pack.id].content_hash[:12], pack.content_hash[:12]
        differences += _difference(f"content of prompt pack {pack.id}", *hashes)
    if differences:
        raise BootFailedError(BootFailure.INCOMPATIBLE, MANIFEST, "; ".join(differences))


def _difference(what: str, there: str, here: str) -> list[str]:
    return [] if there == here else [f"{what} {there} there, {here} here"]


def _library_differences(
    wanted: Mapping[str, Versions], version_of: Callable[[str], str | None]
) -> list[str]:
    differences = []
    for name, versions in wanted.items():
        here = version_of(name)
        if here is None or not _numbers(versions.at_least) <= _numbers(here) < _numbers(versions.below):
            asked = f"{name} from {versions.at_least} below {versions.below} there"
            differences.append(f"{asked}, {here or 'none'} here")
    return differences


def _numbers(version: str) -> tuple[int, ...]:
    """Return the release of a version; what follows its numbers (`+cpu`, `rc1`) orders nothing here."""
    found = _NUMBERS.match(version)
    return tuple(int(each) for each in found.group().split(".")) if found else ()
