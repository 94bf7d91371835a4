"""What a real boot reports is what the diagnosis finds: incident 6b from the code that causes it."""

from pathlib import Path

import pytest

from gpu_worker.boot.failures import BootFailedError
from gpu_worker.boot.worker import booted_scorer
from gpu_worker.settings import WorkerSettings
from gpu_worker.vitals import Vitals
from parjanya_dagster.control.diagnose import diagnosis_of
from parjanya_dagster.core.reconcile.findings import Kind
from parjanya_dagster.simulation.scene_acts import as_plane, opening, stream, upload
from tests.boot.folders import ENGINE, SHARD, flip_a_bit


def test_diagnosis_names_the_file_that_a_worker_refused(folder: Path) -> None:
    """Incident 6b: one boot is proof enough, and the finding carries the name of its failure."""
    flip_a_bit(folder / SHARD)
    world = opening()
    platform = as_plane(world, "worker")
    stream(world, upload(world, 1))
    vitals = Vitals(platform, instance_id="i-6b", template_version=world.fleet.template_version)

    own = WorkerSettings(model=folder, device="cpu", micro_batch=1)
    with pytest.raises(BootFailedError), vitals.booting():
        booted_scorer(ENGINE, own, machine="i-6b", witness=vitals)

    [finding] = [each for each in diagnosis_of(world.platform()) if each.incident == "6b"]
    assert finding.kind is Kind.MODEL_MISSING
    assert f"refused the model files: hash_differs: {SHARD}: sha256 is " in finding.summary


def test_diagnosis_does_not_blame_the_model_for_a_machine_without_its_gpu(folder: Path) -> None:
    """Another machine may well load it: one such boot is no finding."""
    world = opening()
    platform = as_plane(world, "worker")
    stream(world, upload(world, 1))
    vitals = Vitals(platform, instance_id="i-6a", template_version=world.fleet.template_version)

    own = WorkerSettings(model=folder, device="cuda:7", micro_batch=1)
    with pytest.raises(BootFailedError, match=r"^device_missing"), vitals.booting():
        booted_scorer(ENGINE, own, machine="i-6a", witness=vitals)

    assert Kind.MODEL_MISSING not in {each.kind for each in diagnosis_of(world.platform())}
