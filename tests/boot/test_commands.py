"""The commands about model folders, as a person types them."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpu_worker.boot.golden import GOLDEN, Golden
from gpu_worker.boot.golden_images import golden_images
from gpu_worker.boot.manifest import MANIFEST, read_manifest
from gpu_worker.boot.verification import StageName
from gpu_worker.main import main
from gpu_worker.prompts.pack import shipped_pack
from tests.boot.folders import SHARD, TENSOR, drop_tensor, flip_a_bit
from tests.engines.tiny_checkpoint import tiny_checkpoint


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as it was published, shared by the session."""
    return tiny_checkpoint(tmp_path_factory.mktemp("bare"))


@pytest.fixture
def published(bare: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may make ready, or damage."""
    return Path(shutil.copytree(bare, tmp_path / "model"))


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is about speed."""
    monkeypatch.setenv("PARJANYA_WORKER_MICRO_BATCH", "1")


def test_published_checkpoint_becomes_a_folder_that_boots(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`manifest`, `golden`, `verify`: nothing else makes a folder ready."""
    model, pack = f"--model={published}", shipped_pack("photo-1")

    assert main(["manifest", model, "--pack=photo-1", "--pack=house-1", "--revision=abc"]) == 0
    assert main(["golden", model, "--pack=photo-1", "--pack=house-1", "--device=cpu"]) == 0
    capsys.readouterr()
    assert main(["verify", model, "--pack=photo-1", "--device=cpu", "--json"]) == 0

    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert (document["ready"], document["failure"]) == (True, None)
    assert [each["name"] for each in document["stages"]] == list(StageName)
    assert "MB/s" in shown.err
    manifest = read_manifest(published)
    assert (manifest.revision, set(manifest.compatible.packs)) == ("abc", {"photo-1", "house-1"})
    assert manifest.made_with.keys() >= {"torch", "transformers", "safetensors", "tokenizers"}
    assert sorted(manifest.files) == sorted(
        each.name for each in published.iterdir() if each.name not in (MANIFEST, GOLDEN, "golden")
    )
    tokens = manifest.compatible.packs["photo-1"].label_tokens
    assert {name: set(labels) for name, labels in tokens.items()} == {
        each.id: set(each.label_names) for each in pack.questions
    }
    golden = Golden.model_validate_json((published / GOLDEN).read_bytes())
    assert (golden.dtype, golden.hardware, golden.tolerance) == ("float32", "cpu", 1e-4)
    assert {each.partition("@")[0] for each in golden.answers} == {"photo-1", "house-1"}
    assert set(golden.images) == set(golden_images())


def test_verify_of_a_damaged_folder_shows_how_far_it_came_and_what_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table of stages and times, the failure by name, and exit status 3."""
    flip_a_bit(folder / SHARD)

    assert main(["verify", f"--model={folder}", "--device=cpu"]) == 3

    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[1:-1]] == ["manifest", "files", "device", "hashes", "all"]
    assert shown[-1].startswith(f"hash_differs: {SHARD}: sha256 is ")
    assert "copy the file again" in shown[-1]


def test_verify_without_a_folder_boots_the_engine_of_the_settings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On a laptop: the engine that came with the package."""
    assert main(["verify"]) == 0

    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        *("stage", "load", "golden", "all")
    ]


def test_manifest_of_a_folder_that_no_worker_would_load_is_not_written(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Baking fails, not the fleet."""
    drop_tensor(published, TENSOR)

    assert main(["manifest", f"--model={published}"]) == 3

    assert "not written: load_incomplete" in capsys.readouterr().err
    assert not (published / MANIFEST).exists()


def test_manifest_that_is_there_is_written_over_only_by_force(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever repairs a folder by blessing it should have to say so."""
    before = (folder / MANIFEST).read_bytes()

    assert main(["manifest", f"--model={folder}"]) == 2
    assert (folder / MANIFEST).read_bytes() == before
    assert "--force" in capsys.readouterr().err

    assert main(["manifest", f"--model={folder}", "--force"]) == 0
    assert (folder / MANIFEST).read_bytes() != before
    assert main(["verify", f"--model={folder}", "--device=cpu"]) == 0, "the same files are the same model"


def test_golden_answers_that_are_there_are_written_over_only_by_force(folder: Path) -> None:
    """They are what a change of library or hardware is measured by."""
    before = (folder / GOLDEN).read_bytes()

    assert main(["golden", f"--model={folder}", "--device=cpu"]) == 2
    assert (folder / GOLDEN).read_bytes() == before

    assert main(["golden", f"--model={folder}", "--device=cpu", "--force"]) == 0
    assert (folder / GOLDEN).read_bytes() != before


def test_golden_answers_are_made_only_from_a_folder_that_is_as_its_manifest_says(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a damaged model says must not become the measure."""
    (folder / GOLDEN).unlink()
    flip_a_bit(folder / SHARD)

    assert main(["golden", f"--model={folder}", "--device=cpu"]) == 3

    assert "hash_differs" in capsys.readouterr().out
    assert not (folder / GOLDEN).exists()


def test_engine_without_a_folder_has_no_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the engines that have one."""
    assert main(["manifest", f"--model={tmp_path}", "--engine=cpu"]) == 2

    assert "qwen3_vl" in capsys.readouterr().err


def test_manifest_whose_process_is_killed_while_it_reads_is_not_there(published: Path) -> None:
    """Kill -9 in the middle: no half manifest, and the next attempt succeeds."""
    slow = published / "notes.txt"
    with slow.open("wb") as file:
        file.truncate(64 << 30)  # a hole of 64 GB: nothing on the disk, minutes to read

    command = [sys.executable, "-m", "gpu_worker", "manifest", f"--model={published}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"MB/s" in process.stderr.readline()
        os.kill(process.pid, signal.SIGKILL)

    assert not (published / MANIFEST).exists()
    slow.unlink()
    assert main(["manifest", f"--model={published}"]) == 0
