"""What every test of a checkpoint starts from; all of them are skipped where its libraries are missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the engine's libraries are an extra: install .[engine]")

from gpu_worker.engines.qwen3_vl.loading import LoadedModel, load_checkpoint  # noqa: E402 - below the check
from tests.engines.ordinary_api import OrdinaryApi  # noqa: E402 - below the check
from tests.engines.tiny_checkpoint import tiny_checkpoint  # noqa: E402 - below the check


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors gain nothing from more threads, and test processes run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint on disk, shared by the session: copy it before you damage it."""
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def loaded(checkpoint: Path) -> LoadedModel:
    """That checkpoint, loaded by the product, in float32 on the CPU."""
    return load_checkpoint(checkpoint, torch.device("cpu"))


@pytest.fixture(scope="session")
def ordinary(checkpoint: Path) -> OrdinaryApi:
    """That checkpoint, loaded and asked as the library's documentation shows."""
    return OrdinaryApi(checkpoint)
