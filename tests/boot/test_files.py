"""Files without an engine: hashes, headers of shards, listings, and files that are whole or not there."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gpu_worker.boot.compatibility import same_minor
from gpu_worker.boot.failures import BootFailedError, failure_of
from gpu_worker.boot.folder import model_files
from gpu_worker.boot.golden_images import as_png, from_png, golden_images
from gpu_worker.boot.hashing import Progress, hashes_of
from gpu_worker.boot.shards import TensorForm, read_header, read_tensors
from gpu_worker.boot.whole_file import part_of, write_whole
from gpu_worker.engines.checkpoint import CheckpointError, CheckpointFault
from gpu_worker.engines.engine import EngineOutOfMemoryError
from parjanya_dagster.core.belief.boot import BootFailure
from parjanya_dagster.core.errors import ConfigError
from tests.boot.folders import write_shard

_HALF_WRITTEN = """
import sys
from pathlib import Path
from gpu_worker.boot import whole_file

def hang(_descriptor):
    print("written", flush=True)
    sys.stdin.read()

whole_file.os.fsync = hang
whole_file.write_whole(Path(sys.argv[1]), b"new")
"""


def test_hashes_are_those_of_the_files_and_every_byte_is_counted(tmp_path: Path) -> None:
    """Each file once, whatever its size, and the progress ends at the whole."""
    contents = {"empty": b"", "small": b"abc", "large": bytes(range(256)) * 50_000}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    told: list[Progress] = []

    found = dict(hashes_of(tmp_path, {name: len(each) for name, each in contents.items()}, tell=told.append))

    assert found == {name: hashlib.sha256(each).hexdigest() for name, each in contents.items()}
    assert told[-1].done_bytes == told[-1].total_bytes == sum(map(len, contents.values()))
    assert told[-1].megabytes_per_s > 0


def test_hashing_that_is_left_early_leaves_no_thread_behind(tmp_path: Path) -> None:
    """The first file that differs ends the reading of all the others."""
    sizes = {}
    for number in range(6):
        with (tmp_path / str(number)).open("wb") as file:
            file.truncate(256 << 20)  # a hole: nothing on the disk
        sizes[str(number)] = 256 << 20
    (tmp_path / "small").write_bytes(b"x")
    told: list[Progress] = []

    with closing(hashes_of(tmp_path, sizes | {"small": 1}, tell=told.append, threads=7)) as hashes:
        first, _ = next(hashes)

    assert first == "small"
    assert not [each for each in threading.enumerate() if each.name.startswith("hash")]
    assert all(each.done_bytes < sum(sizes.values()) for each in told)


def test_hashing_of_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    """A volume that fails in the middle is no folder that differs."""
    with pytest.raises(FileNotFoundError):
        list(hashes_of(tmp_path, {"gone": 7}))


def _header(**tensors: dict[str, Any]) -> dict[str, Any]:
    return {"__metadata__": {"format": "pt"}, **tensors}


A = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
B = {"dtype": "BF16", "shape": [3], "data_offsets": [16, 22]}


def test_header_of_a_whole_shard_gives_its_tensors(tmp_path: Path) -> None:
    """Without reading a single number."""
    write_shard(tmp_path / "x", _header(a=A, b=B), bytes(22))

    assert read_header(tmp_path / "x") == {
        "a": TensorForm(dtype="F32", shape=(2, 2)),
        "b": TensorForm(dtype="BF16", shape=(3,)),
    }


@pytest.mark.parametrize(
    ("header", "size_bytes", "told"),
    [
        pytest.param(_header(a=A, b=B), 21, "the end of the file should begin at byte 22", id="cut"),
        pytest.param(_header(a=A, b=B), 23, "begins at 23", id="too long"),
        pytest.param(
            _header(a=A, b=B | {"data_offsets": [18, 24]}), 24, "b should begin at byte 16", id="gap"
        ),
        pytest.param(_header(a=A | {"shape": [2, 3]}), 16, "16 bytes for F32 [2, 3]", id="wrong length"),
        pytest.param(_header(a=A | {"dtype": "X9"}), 16, "16 bytes for X9", id="unknown type"),
        pytest.param(_header(a={"dtype": "F32"}), 16, "KeyError", id="no shape"),
    ],
)
def test_shard_that_is_not_whole_is_refused(
    header: dict[str, Any], size_bytes: int, told: str, tmp_path: Path
) -> None:
    """Header, data and file must be exactly each other's."""
    write_shard(tmp_path / "x", header, bytes(size_bytes))

    with pytest.raises(BootFailedError, match=f"(?s)^shard_truncated: x.*{told}".replace("[", r"\[")):
        read_header(tmp_path / "x")


@pytest.mark.parametrize("content", [b"", b"\x10", b"\xff" * 8, (99).to_bytes(8, "little") + b"{}", bytes(9)])
def test_shard_that_has_no_header_is_refused(content: bytes, tmp_path: Path) -> None:
    """Whatever stands where a header's length should."""
    (tmp_path / "x").write_bytes(content)

    with pytest.raises(BootFailedError, match=r"^shard_truncated: x"):
        read_header(tmp_path / "x")


def test_only_shard_needs_no_index(tmp_path: Path) -> None:
    """Small models are published in one file."""
    write_shard(tmp_path / "model.safetensors", _header(a=A), bytes(16))

    assert list(read_tensors(tmp_path)) == ["a"]


def test_index_that_names_the_wrong_shard_is_refused(tmp_path: Path) -> None:
    """The loader would look for the tensor where it is not."""
    write_shard(tmp_path / "1.safetensors", _header(a=A), bytes(16))
    write_shard(tmp_path / "2.safetensors", _header(c=A), bytes(16))
    index = {"weight_map": {"a": "2.safetensors", "c": "2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))

    with pytest.raises(BootFailedError, match=r"^index_incomplete: .*a in another shard than the index says"):
        read_tensors(tmp_path)


def test_folder_without_weights_is_refused(tmp_path: Path) -> None:
    """A checkout without its large files is one."""
    with pytest.raises(BootFailedError, match=r"^index_incomplete: "):
        read_tensors(tmp_path)


def test_link_to_a_folder_counts_as_a_file_that_nobody_listed(tmp_path: Path) -> None:
    """What is behind it was never looked at."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "model" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "model" / "gone").symlink_to(tmp_path / "nowhere")

    assert list(model_files(tmp_path / "model")) == ["config.json", "gone", "link"]


def test_process_that_is_killed_while_it_writes_leaves_what_was_there(tmp_path: Path) -> None:
    """Kill -9 in the middle of a write: the old file is whole, and the next write is not in its way."""
    path = tmp_path / "manifest.json"
    path.write_bytes(b"old")
    with subprocess.Popen(
        [sys.executable, "-c", _HALF_WRITTEN, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        assert part_of(path).read_bytes() == b"new"
        os.kill(writer.pid, signal.SIGKILL)

    assert path.read_bytes() == b"old"
    assert model_files(tmp_path) == {}, "what a killed process left is no file of the model"
    write_whole(path, b"newer")
    assert [each.name for each in tmp_path.iterdir()] == ["manifest.json"]
    assert path.read_bytes() == b"newer"


def test_golden_images_are_the_same_each_time_and_survive_their_file() -> None:
    """What an engine is asked about is fixed bit by bit, in shapes that differ."""
    images = golden_images()

    for name, pixels in golden_images().items():
        assert (pixels == images[name]).all()
        assert (from_png(as_png(pixels)) == pixels).all()
    ratios = sorted(pixels.shape[1] / pixels.shape[0] for pixels in images.values())
    assert ratios[0] < 1 / 10
    assert ratios[-1] > 10


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (EngineOutOfMemoryError("cuda:0 has no room"), BootFailure.OUT_OF_MEMORY),
        (RuntimeError("CUDA out of memory. Tried to allocate 1.16 GiB"), BootFailure.OUT_OF_MEMORY),
        (MemoryError(), BootFailure.OUT_OF_MEMORY),
        (CheckpointError(CheckpointFault.WRONG_TENSORS, "missing x"), BootFailure.LOAD_INCOMPLETE),
        (CheckpointError(CheckpointFault.WRONG_MODEL, "gemma3"), BootFailure.INCOMPATIBLE),
        (ConfigError("no such engine"), BootFailure.MISCONFIGURED),
        (PermissionError(13, "Permission denied", "/model/config.json"), BootFailure.FILE_UNREADABLE),
        (OSError("the volume is gone"), BootFailure.FILE_UNREADABLE),
        (KeyError("x"), BootFailure.UNEXPECTED),
    ],
)
def test_whatever_ends_a_boot_has_a_name(error: Exception, failure: BootFailure) -> None:
    """Libraries raise anything; a person reads one word first, then where and what to do."""
    named = failure_of(error, stage="load")

    assert named.failure is failure
    where = "/model/config.json" if isinstance(error, PermissionError) else "load"
    assert str(named).startswith(f"{failure}: {where}: ")


@pytest.mark.parametrize(
    ("version", "below"), [("5.23.0", "5.24"), ("5.23.1.dev0", "5.24"), ("6", "6.1"), ("2.13.0+cpu", "2.14")]
)
def test_folder_is_for_the_minor_version_it_was_made_with(version: str, below: str) -> None:
    """Libraries have changed silently what an argument means from one minor version to the next."""
    assert same_minor(version).below == below
