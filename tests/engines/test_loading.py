"""A checkpoint that would load badly, or load and answer nonsense, is refused by name.

Incident 6b: model files were missing on an instance. Source: shared notes on scoring, section 7.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration

from gpu_worker.engines.checkpoint import CheckpointError, CheckpointFault
from gpu_worker.engines.qwen3_vl.identity import weights_identity
from gpu_worker.engines.qwen3_vl.loading import device_named, load_checkpoint
from gpu_worker.engines.qwen3_vl.weights import INDEX
from parjanya_dagster.core.errors import ConfigError
from tests.engines.asking import a_scorer, numbers
from tests.engines.ordinary_api import noise
from tests.engines.tiny_checkpoint import tiny_checkpoint

CPU = torch.device("cpu")
NORM = "model.language_model.norm.weight"


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoint, to be damaged."""
    return shutil.copytree(checkpoint, tmp_path / "model")


def edited(path: Path, **changes: object) -> None:
    """Change top-level keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def shard_of(folder: Path, tensor: str) -> Path:
    """Return the shard that holds a tensor."""
    return folder / json.loads((folder / INDEX).read_text())["weight_map"][tensor]


def rewritten(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Change the tensors of the shard that holds the last norm."""
    shard = shard_of(folder, NORM)
    tensors = load_file(shard)
    change(tensors)
    save_file(tensors, shard, metadata={"format": "pt"})


def truncated(folder: Path) -> None:
    """Cut a shard's last bytes off, as an interrupted copy does."""
    shard = shard_of(folder, NORM)
    shard.write_bytes(shard.read_bytes()[:-100])


DAMAGES: dict[str, tuple[CheckpointFault, str, Callable[[Path], object]]] = {
    "auto_map": (
        CheckpointFault.REMOTE_CODE,
        "auto_map",
        lambda folder: edited(folder / "config.json", auto_map={"AutoModel": "modeling.Model"}),
    ),
    "another model": (
        CheckpointFault.WRONG_MODEL,
        "qwen2_5_vl",
        lambda folder: edited(folder / "config.json", model_type="qwen2_5_vl"),
    ),
    "broken config": (
        CheckpointFault.UNREADABLE,
        "config.json",
        lambda folder: (folder / "config.json").write_text("{"),
    ),
    "config missing": (
        CheckpointFault.MISSING_FILE,
        "config.json",
        lambda folder: (folder / "config.json").unlink(),
    ),
    "tokenizer missing": (
        CheckpointFault.MISSING_FILE,
        "tokenizer.json",
        lambda folder: (folder / "tokenizer.json").unlink(),
    ),
    "broken tokenizer": (
        CheckpointFault.UNREADABLE,
        "tokenizer.json",
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
    ),
    "other normalisation": (
        CheckpointFault.WRONG_PREPROCESSING,
        "image_mean",
        lambda folder: edited(folder / "preprocessor_config.json", image_mean=[0.48, 0.46, 0.41]),
    ),
    "other patches": (
        CheckpointFault.WRONG_PREPROCESSING,
        "patch",
        lambda folder: edited(
            folder / "config.json",
            vision_config={"patch_size": 14, "temporal_patch_size": 2, "spatial_merge_size": 2},
        ),
    ),
    "preprocessor missing": (
        CheckpointFault.MISSING_FILE,
        "preprocessor_config.json",
        lambda folder: (folder / "preprocessor_config.json").unlink(),
    ),
    "index broken": (
        CheckpointFault.UNREADABLE,
        INDEX,
        lambda folder: (folder / INDEX).write_text("[]"),
    ),
    "shard missing": (
        CheckpointFault.MISSING_FILE,
        "00003",
        lambda folder: (folder / "model-00003-of-00003.safetensors").unlink(),
    ),
    "shard truncated": (CheckpointFault.UNREADABLE, "damaged", truncated),
    "tensor missing": (
        CheckpointFault.WRONG_TENSORS,
        f"missing {NORM}",
        lambda folder: rewritten(folder, lambda tensors: tensors.pop(NORM)),
    ),
    "tensor unexpected": (
        CheckpointFault.WRONG_TENSORS,
        "unexpected adapter.weight",
        lambda folder: rewritten(folder, lambda tensors: tensors.update({"adapter.weight": torch.ones(2)})),
    ),
    "tensor of another shape": (
        CheckpointFault.WRONG_TENSORS,
        r"\[3\], not \[64\]",
        lambda folder: rewritten(folder, lambda tensors: tensors.update({NORM: torch.ones(3)})),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoint_is_refused_by_name(folder: Path, damage: str) -> None:
    """Incident 6b: what is wrong has a name before the first message is received."""
    fault, said, do_damage = DAMAGES[damage]
    do_damage(folder)

    with pytest.raises(CheckpointError, match=said) as refused:
        load_checkpoint(folder, CPU)

    assert refused.value.fault is fault


def test_library_alone_would_fill_a_missing_tensor_with_random_numbers(folder: Path) -> None:
    """Incident 6b can be silent: this is why tensors are counted."""
    rewritten(folder, lambda tensors: tensors.pop(NORM))

    _, found = Qwen3VLForConditionalGeneration.from_pretrained(folder, output_loading_info=True)

    assert found["missing_keys"] == {NORM}


def test_checkpoint_in_one_file_or_with_a_tied_head_loads(tmp_path: Path) -> None:
    """Small models of the family have one shard and use their embeddings as the head."""
    tied = tiny_checkpoint(tmp_path / "tied", tied=True)
    shards = [load_file(shard) for shard in tied.glob("*.safetensors")]
    tensors = {name: tensor for shard in shards for name, tensor in shard.items()}
    one = shutil.copytree(tied, tmp_path / "one", ignore=shutil.ignore_patterns("*.safetensors*"))
    save_file(tensors, one / "model.safetensors", metadata={"format": "pt"})

    first, second = (numbers(a_scorer(load_checkpoint(each, CPU)), noise(8, 8)) for each in (tied, one))

    assert "lm_head.weight" not in tensors
    assert torch.equal(first, second)
    assert torch.isfinite(first).all()


def test_bfloat16_is_asked_for_and_given(folder: Path) -> None:
    """A GPU's arithmetic on the CPU: the same answers to two decimals, and named in the fingerprint."""
    exact, coarse = load_checkpoint(folder, CPU), load_checkpoint(folder, CPU, dtype=torch.bfloat16)

    assert (exact.dtype, coarse.dtype, exact.hardware) == ("float32", "bfloat16", "cpu")
    difference = numbers(a_scorer(exact), noise(8, 8)) - numbers(a_scorer(coarse), noise(8, 8))
    assert float(difference.abs().max()) < 0.05


def test_weights_are_identified_by_manifest_or_by_samples_of_every_tensor(folder: Path) -> None:
    """Answers of one training are never taken for those of another."""
    sampled = weights_identity(folder)
    rewritten(folder, lambda tensors: tensors.update({NORM: tensors[NORM] * 2}))
    trained = weights_identity(folder)
    (folder / "manifest.json").write_text('{"content_hash": "77", "made_at": "2026-11-22"}')

    assert sampled.startswith("sampled:")
    assert trained not in (sampled, weights_identity(folder))
    assert weights_identity(folder) == "manifest:77"
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(CheckpointError, match="no manifest"):
        weights_identity(folder)


@pytest.mark.parametrize("name", ["cuda:7", "cuda", "abacus"])
def test_device_that_is_not_there_is_refused(name: str) -> None:
    """A wrong setting is told before anything is loaded."""
    if torch.cuda.is_available() and name == "cuda":
        pytest.skip(reason="this machine has a GPU")

    with pytest.raises(ConfigError, match=name):
        device_named(name)


def test_device_auto_is_the_first_gpu_or_the_cpu() -> None:
    """One setting serves the laptop and the instance."""
    assert device_named("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_named("cpu") == CPU
