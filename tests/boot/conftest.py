"""A model folder that is ready for workers, as small as they come, and copies of it to damage."""

import shutil
from pathlib import Path

import pytest
import torch

from tests.boot.folders import bake
from tests.engines.tiny_checkpoint import tiny_checkpoint


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small tensors gain nothing from more threads, and test processes run side by side."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good model folder, shared by the session: `folder` is a copy that may be damaged."""
    return bake(tiny_checkpoint(tmp_path_factory.mktemp("ready")))


@pytest.fixture
def folder(ready: Path, tmp_path: Path) -> Path:
    """A good model folder of the test's own."""
    return Path(shutil.copytree(ready, tmp_path / "model"))
