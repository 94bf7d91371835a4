"""What every test of an engine with a checkpoint starts from."""

from pathlib import Path

import pytest
import torch

from tests.engines.tiny_checkpoint import tiny_checkpoint


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small tensors gain nothing from more threads, and test processes run side by side."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint on disk, shared by the session: copy it before you damage it."""
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))
