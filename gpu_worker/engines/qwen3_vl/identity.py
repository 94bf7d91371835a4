"""Which weights these are: their part of the fingerprint.

A manifest's content hash, where there is one, stands for every byte. Without it, hashing 17 GB would take
longer than loading them, so each tensor is sampled: that tells trainings apart, though not a flipped bit.
"""

import hashlib
import json
from pathlib import Path
from typing import Final

from gpu_worker.engines.checkpoint import CheckpointError, CheckpointFault
from gpu_worker.engines.qwen3_vl.weights import shards_of

MANIFEST: Final = "manifest.json"

_SAMPLE_BYTES: Final = 64
_LENGTH_BYTES: Final = 8  # of a shard's header, little endian: the safetensors format


def weights_identity(folder: Path) -> str:
    """Return `manifest:…` or `sampled:…`, by what the folder allows, with 64 hex digits.

    Raises:
        CheckpointError: the manifest is none, or a shard is missing or has no header.
    """
    manifest = folder / MANIFEST
    if manifest.is_file():
        return f"manifest:{_content_hash(manifest)}"
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for shard in shards_of(folder):
        digest.update(_sampled(shard))
    return f"sampled:{digest.hexdigest()}"


def _content_hash(manifest: Path) -> str:
    """Return the identity of the files it lists, which a manifest made anew for the same ones keeps."""
    try:
        return str(json.loads(manifest.read_bytes())["content_hash"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(CheckpointFault.UNREADABLE, f"{manifest} is no manifest: {error!r}") from error


def _sampled(shard: Path) -> bytes:
    """Return a shard's header and some bytes from the middle of each tensor."""
    with shard.open("rb") as file:
        try:
            header = file.read(int.from_bytes(file.read(_LENGTH_BYTES), "little"))
            tensors = json.loads(header)
            tensors.pop("__metadata__", None)
            spans = sorted(tensor["data_offsets"] for tensor in tensors.values())
        except (ValueError, KeyError, AttributeError, MemoryError, OverflowError) as error:
            raise CheckpointError(CheckpointFault.UNREADABLE, f"{shard} has no header: {error}") from error
        parts = [header]
        for start, end in spans:
            file.seek(_LENGTH_BYTES + len(header) + (start + end) // 2)
            parts.append(file.read(min(_SAMPLE_BYTES, (end - start) // 2)))
    return b"".join(parts)
