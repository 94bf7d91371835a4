"""The shards of a checkpoint by their headers: complete, as their index says, and of the model's shapes.

A missing tensor loads as a random one with nothing but a log line; a header is read in microseconds. Format
of a safetensors file: 8 bytes little-endian length, that much JSON, then the tensors without gaps.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, Final

from gpu_worker.boot.failures import BootFailedError
from gpu_worker.boot.folder import read_json
from parjanya_dagster.core.belief.boot import BootFailure

INDEX: Final = "model.safetensors.index.json"
_SUFFIX: Final = ".safetensors"
_LENGTH_BYTES: Final = 8
_LONGEST_HEADER: Final = 100_000_000
"""Bytes; source: the safetensors library refuses longer ones."""
_ITEM_BYTES: Final[Mapping[str, int]] = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"), 1),
}
_NAMED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorForm:
    """What a tensor is, its numbers apart.

    Args:
        dtype: as safetensors writes it: `F32`, `BF16`, ...; None where any will do.
    """

    dtype: str | None
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype or 'any'} {list(self.shape)}"

    def fits(self, asked: "TensorForm") -> bool:
        """Whether it is what was asked for."""
        return self.shape == asked.shape and asked.dtype in (None, self.dtype)


def read_tensors(folder: Path) -> dict[str, TensorForm]:
    """Return every tensor of a checkpoint, once shards and index agree.

    Raises:
        BootFailedError: `shard_truncated`, `index_incomplete` or `config_invalid`.
        OSError: a shard cannot be read.
    """
    shards = {path.name: read_header(path) for path in sorted(folder.glob(f"*{_SUFFIX}"))}
    if not shards:
        raise BootFailedError(BootFailure.INDEX_INCOMPLETE, str(folder), f"it holds no file *{_SUFFIX}")
    where = {name: shard for shard, tensors in shards.items() for name in tensors}
    index = folder / INDEX
    if index.is_file():
        _require_same(_weight_map(index), where)
    elif len(shards) > 1:
        what = f"there are {len(shards)} shards and no index"
        raise BootFailedError(BootFailure.INDEX_INCOMPLETE, INDEX, what)
    return {name: form for tensors in shards.values() for name, form in tensors.items()}


def read_header(path: Path) -> dict[str, TensorForm]:
    """Return the tensors that a shard says it holds, once its size is exactly theirs.

    Raises:
        BootFailedError: `shard_truncated`.
        OSError: it cannot be read.
    """
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        start = _LENGTH_BYTES + header_bytes
        if header_bytes > _LONGEST_HEADER or start > size_bytes:
            what = f"a header of {header_bytes:,} bytes in a file of {size_bytes:,}"
            raise BootFailedError(BootFailure.SHARD_TRUNCATED, path.name, what)
        text = file.read(header_bytes)
    try:
        entries = {name: each for name, each in json.loads(text).items() if name != "__metadata__"}
        forms = {name: _form(each) for name, each in entries.items()}
        spans = sorted((*map(int, each["data_offsets"]), name) for name, each in entries.items())
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        what = f"its header cannot be read: {error!r}"
        raise BootFailedError(BootFailure.SHARD_TRUNCATED, path.name, what) from error
    _require_contiguous(path.name, spans, forms, data_bytes=size_bytes - start)
    return forms


def require_expected(found: Mapping[str, TensorForm], expected: Mapping[str, TensorForm]) -> None:
    """Demand exactly the tensors of the model that is to be loaded, in its types and shapes.

    Args:
        expected: of the model without its numbers.

    Raises:
        BootFailedError: `load_incomplete` or `dtype_or_shape_differs`.
    """
    missing, unexpected = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or unexpected:
        parts = [
            f"{_some(names)} {word}" for names, word in ((missing, "missing"), (unexpected, "unexpected"))
        ]
        what = "; ".join(part for part, names in zip(parts, (missing, unexpected), strict=True) if names)
        raise BootFailedError(BootFailure.LOAD_INCOMPLETE, "tensors", what)
    for name, form in expected.items():
        if not found[name].fits(form):
            what = f"{found[name]} there, {form} in the model that its configuration describes"
            raise BootFailedError(BootFailure.DTYPE_OR_SHAPE_DIFFERS, name, what)


def _weight_map(index: Path) -> Mapping[str, str]:
    document = read_json(index)
    named = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(named, dict):
        raise BootFailedError(BootFailure.INDEX_INCOMPLETE, INDEX, "it has no weight_map")
    return named


def _require_same(index: Mapping[str, str], where: Mapping[str, str]) -> None:
    for words, names in (
        ("in the index and in no shard", sorted(index.keys() - where.keys())),
        ("in a shard and not in the index", sorted(where.keys() - index.keys())),
        (
            "in another shard than the index says",
            sorted(n for n in index if where.get(n, index[n]) != index[n]),
        ),
    ):
        if names:
            raise BootFailedError(BootFailure.INDEX_INCOMPLETE, INDEX, f"{_some(names)} {words}")


def _form(entry: Mapping[str, Any]) -> TensorForm:
    return TensorForm(dtype=str(entry["dtype"]), shape=tuple(int(side) for side in entry["shape"]))


def _require_contiguous(
    shard: str, spans: list[tuple[int, int, str]], forms: Mapping[str, TensorForm], *, data_bytes: int
) -> None:
    """Demand that tensors follow each other without gaps, each as long as its form, up to the file's end."""
    for begin, end, name in spans:
        wanted = prod(forms[name].shape) * _ITEM_BYTES.get(forms[name].dtype or "", 0)
        if end - begin != wanted:
            what = f"{end - begin:,} bytes for {forms[name]}"
            raise BootFailedError(BootFailure.SHARD_TRUNCATED, f"{shard}: {name}", what)
    edges = [(0, 0, ""), *spans, (data_bytes, data_bytes, "the end of the file")]
    for (_, end, _), (begin, _, name) in pairwise(edges):
        if end != begin:
            what = f"{name} should begin at byte {end:,} of the data and begins at {begin:,}"
            raise BootFailedError(BootFailure.SHARD_TRUNCATED, shard, what)


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
