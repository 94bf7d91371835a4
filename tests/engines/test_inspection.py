"""What a checkpoint's configuration promises about its tensors."""

import json
from pathlib import Path

import pytest

from gpu_worker.engines.qwen3_vl.inspection import expected_tensors
from tests.engines.tiny_checkpoint import tiny_checkpoint


@pytest.mark.parametrize("is_of_the_text_alone", [True, False])
def test_bfloat16_checkpoint_is_expected_in_bfloat16(tmp_path: Path, *, is_of_the_text_alone: bool) -> None:
    """The published checkpoint is in bfloat16 and says so of its text part; it must not be refused."""
    folder = tiny_checkpoint(tmp_path)
    document = json.loads((folder / "config.json").read_text())
    del document["dtype"]
    (document["text_config"] if is_of_the_text_alone else document)["dtype"] = "bfloat16"
    (folder / "config.json").write_text(json.dumps(document))

    expected = expected_tensors(folder)

    assert {dtype for dtype, _ in expected.values()} == {"BF16"}
