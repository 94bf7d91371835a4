"""Model folders in every state of disrepair, made from one that is good."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from gpu_worker.boot.baking import bake_golden, bake_manifest
from gpu_worker.boot.folder import model_files
from gpu_worker.boot.golden import GOLDEN
from gpu_worker.boot.manifest import MANIFEST, FileEntry, content_hash_of
from gpu_worker.boot.shards import INDEX
from gpu_worker.boot.verification import Request, boot
from gpu_worker.engines.engine import EngineOptions
from gpu_worker.prompts.pack import shipped_pack

ENGINE = "qwen3_vl"
SHARD = "model-00002-of-00003.safetensors"
TENSOR = "model.language_model.norm.weight"
"""A vector of 64 numbers."""

Damage = Callable[[Path], None]


def options_of(folder: Path, *, device: str = "cpu") -> EngineOptions:
    """Return how the tests load a folder: small batches, since nothing here is about speed."""
    return EngineOptions(model=folder, device=device, micro_batch=1)


def a_request(folder: Path, **changes: Any) -> Request:  # noqa: ANN401 - any field
    """Return what asks a folder to boot."""
    return Request(**{"engine": ENGINE, "options": options_of(folder), "pack": shipped_pack()} | changes)


def bake(folder: Path) -> Path:
    """Make a checkpoint ready for workers, by the product's own means."""
    now = datetime.now(UTC)
    bake_manifest(folder, engine=ENGINE, packs=[shipped_pack()], revision="test", force=False, now=now)
    bake_golden(folder, boot(a_request(folder, without_golden=True)), force=False, now=now)
    return folder


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file in place."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def rebless(folder: Path) -> None:
    """Let the manifest list what is there now, and golden answers belong to it: deeper stages must object."""
    entries = {
        name: FileEntry(size_bytes=size, sha256=sha256((folder / name).read_bytes()).hexdigest())
        for name, size in model_files(folder).items()
    }
    content_hash = content_hash_of(entries)
    listed = {name: entry.model_dump() for name, entry in entries.items()}
    edit(folder / MANIFEST, lambda document: document.update(files=listed, content_hash=content_hash))
    edit(folder / GOLDEN, lambda document: document.update(model=content_hash))


def flip_a_bit(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Cut a file's last kilobyte off."""
    path.write_bytes(path.read_bytes()[:-1024])


def rewrite_header(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the header of a safetensors file, and leave its numbers as they are."""
    header, data = parts_of(path)
    change(header)
    write_shard(path, header, data)


def drop_tensor(folder: Path, name: str) -> None:
    """Take a tensor out of its shard and out of the index, consistently."""
    index = json.loads((folder / INDEX).read_text())
    shard = folder / index["weight_map"].pop(name)
    (folder / INDEX).write_text(json.dumps(index))
    header, data = parts_of(shard)
    begin, end = header.pop(name)["data_offsets"]
    for entry in header.values():
        if "data_offsets" in entry and entry["data_offsets"][0] >= end:
            entry["data_offsets"] = [offset - (end - begin) for offset in entry["data_offsets"]]
    write_shard(shard, header, data[:begin] + data[end:])


def shard_of(folder: Path, name: str) -> Path:
    """Return the shard that holds a tensor."""
    return folder / str(json.loads((folder / INDEX).read_text())["weight_map"][name])


def parts_of(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return header and data of a safetensors file."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:start]), content[start:]


def write_shard(path: Path, header: Mapping[str, Any], data: bytes) -> None:
    """Write a safetensors file."""
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def move_label_tokens(folder: Path) -> None:
    """Let two labels of the tokenizer change places."""

    def swap(document: dict[str, Any]) -> None:
        vocabulary = document["model"]["vocab"]
        vocabulary["Yes"], vocabulary["No"] = vocabulary["No"], vocabulary["Yes"]

    edit(folder / "tokenizer.json", swap)


def shift_golden(folder: Path, difference: float) -> None:
    """Move one golden probability."""

    def shift(document: dict[str, Any]) -> None:
        [said] = document["answers"].values()
        first = next(iter(next(iter(said.values())).values()))
        label = min(first, key=first.__getitem__)
        first[label] += difference

    edit(folder / GOLDEN, shift)
