"""Making a model folder ready: its manifest, then its golden answers, where the folder is known to be good.

What a worker would refuse is refused here first. Nothing that is there is written over unless asked for.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from gpu_worker.boot.compatibility import LIBRARIES, installed_version, same_minor, versions_here
from gpu_worker.boot.folder import model_files
from gpu_worker.boot.golden import GOLDEN, Golden, encoded, said_by, tolerance_of, write_golden
from gpu_worker.boot.golden_images import from_png, golden_images
from gpu_worker.boot.hashing import Tell, hashes_of, silent
from gpu_worker.boot.inspection import FAMILIES, expected_forms, found_label_tokens
from gpu_worker.boot.manifest import (
    MANIFEST,
    Compatibility,
    FileEntry,
    Manifest,
    PackEntry,
    made_manifest,
    write_manifest,
)
from gpu_worker.boot.shards import read_tensors, require_expected
from gpu_worker.boot.verification import Booted, require_configured
from gpu_worker.engines.engine import Engine
from gpu_worker.prompts.pack import PromptPack
from parjanya_dagster.core.errors import ConfigError


def require_absent(path: Path, *, force: bool) -> None:
    """Refuse to write over a file, unless that is asked for.

    Raises:
        ConfigError: it is there.
    """
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; --force writes over it")


def bake_manifest(
    folder: Path,
    *,
    engine: str,
    packs: Sequence[PromptPack],
    revision: str,
    force: bool,
    now: datetime,
    tell: Tell = silent,
) -> Manifest:
    """Write the manifest of a folder that an engine could load, and return it.

    Args:
        packs: what workers will ask; others are refused at boot.
        revision: of the model where it came from, as far as known.

    Raises:
        BootFailedError: a worker would refuse the folder.
        ConfigError: it has a manifest, or the engine has no model folder.
        OSError: a file cannot be read, or the manifest not written.
    """
    if engine not in FAMILIES:
        raise ConfigError(f"engine '{engine}' has no model folder; {', '.join(sorted(FAMILIES))} has")
    require_absent(folder / MANIFEST, force=force)
    family = FAMILIES[engine]
    model_type = require_configured(folder, family)
    inspection = family.inspection()
    require_expected(read_tensors(folder), expected_forms(inspection, folder))
    asked = {
        pack.id: PackEntry(
            content_hash=pack.content_hash, label_tokens=found_label_tokens(inspection, folder, pack)
        )
        for pack in packs
    }
    libraries = {name: same_minor(found) for name in LIBRARIES if (found := installed_version(name))}
    sizes = model_files(folder)
    files = {
        name: FileEntry(size_bytes=sizes[name], sha256=digest)
        for name, digest in hashes_of(folder, sizes, tell=tell)
    }
    manifest = made_manifest(
        files=files,
        compatible=Compatibility(engine=engine, model_type=model_type, libraries=libraries, packs=asked),
        made_with=versions_here(),
        revision=revision,
        now=now,
    )
    write_manifest(folder, manifest)
    return manifest


def bake_golden(
    folder: Path, booted: Booted, *, force: bool, now: datetime, also: Sequence[PromptPack] = ()
) -> Golden:
    """Write what an engine that is known to be good says about the golden images, and return it.

    Args:
        booted: the engine, booted from this folder without golden answers; its pack is asked.
        also: further packs that workers will ask.

    Raises:
        ConfigError: the folder has golden answers, or nothing was booted from it.
        OSError: they cannot be written.
        Exception: whatever the engine raises.
    """
    require_absent(folder / GOLDEN, force=force)
    if booted.scorer is None or booted.manifest is None:
        raise ConfigError(f"no engine was booted from {folder}")
    images = encoded(golden_images())
    packs = (booted.scorer.pack, *also)
    golden = _golden_of(booted.scorer.engine, packs, booted.manifest, images, now=now)
    write_golden(folder, golden, images)
    return golden


def _golden_of(
    engine: Engine,
    packs: Sequence[PromptPack],
    manifest: Manifest,
    images: dict[str, bytes],
    *,
    now: datetime,
) -> Golden:
    parts = engine.fingerprint_parts(packs[0])
    pixels = {name: from_png(content) for name, content in images.items()}  # what a worker will read
    return Golden(
        made_at=now,
        model=manifest.content_hash,
        dtype=parts.dtype,
        engine=parts.engine,
        hardware=parts.hardware,
        tolerance=tolerance_of(parts.dtype),
        images={name: sha256(content).hexdigest() for name, content in images.items()},
        answers={pack.fingerprint_part: said_by(engine, pack, pixels) for pack in packs},
    )
