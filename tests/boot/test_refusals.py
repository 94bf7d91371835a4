"""Whatever is wrong with a model folder: refused under its own name, on record, and the group told."""

from pathlib import Path

import pytest

from gpu_worker.boot.failures import REMEDIES, BootFailedError
from gpu_worker.boot.worker import booted_scorer
from gpu_worker.membership import booting
from gpu_worker.settings import WorkerSettings
from gpu_worker.vitals import Vitals
from parjanya_dagster.asg_executor.boot_hook import BootHook
from parjanya_dagster.control.capacity import newest_boots
from parjanya_dagster.core.belief.boot import Boot, BootFailure
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.boot.damages import DAMAGES
from tests.boot.folders import ENGINE
from tests.builders import a_job
from tests.unit.asg_executor.waiting_group import WaitingGroup


@pytest.mark.parametrize("name", DAMAGES)
def test_folder_that_is_damaged_is_refused_by_its_own_name_before_any_receive(
    name: str, folder: Path
) -> None:
    """Incident 6b: terminal, named, on record before the group is told, and nothing is received."""
    damage, failure, told = DAMAGES[name]
    damage(folder)

    boot, answers = _refused_boot(WorkerSettings(model=folder, device="cpu", micro_batch=1))

    assert boot.failure is failure
    assert boot.error is not None
    assert boot.error.startswith(f"{failure}: ")
    assert told in boot.error
    assert boot.trace[-1].detail == failure
    assert boot.refused_model
    assert answers == [("boot ABANDON", failure)]


def test_worker_without_its_device_is_refused_before_it_reads_a_gigabyte(folder: Path) -> None:
    """A GPU whose driver did not come up is a machine's fault, not the model's."""
    boot, answers = _refused_boot(WorkerSettings(model=folder, device="cuda:7", micro_batch=1))

    assert boot.failure is BootFailure.DEVICE_MISSING
    assert not boot.refused_model
    assert [each.name for each in boot.trace] == ["manifest", "files", "device"]
    assert answers == [("boot ABANDON", BootFailure.DEVICE_MISSING)]


def test_worker_without_a_model_folder_is_misconfigured() -> None:
    """The message names the setting."""
    boot, _ = _refused_boot(WorkerSettings(model=None, device="cpu"))

    assert boot.failure is BootFailure.MISCONFIGURED
    assert "PARJANYA_WORKER_MODEL" in str(boot.error)


def test_every_failure_has_a_remedy() -> None:
    """Every message says what to do."""
    assert REMEDIES.keys() == set(BootFailure)


def _refused_boot(own: WorkerSettings) -> tuple[Boot, list[tuple[str, BootFailure | None]]]:
    """Boot as both entry points do; return the boot on record, and with each answer to the group what was."""
    world = a_fake_platform(plane="worker")
    world.queue.send([a_job()])
    platform = world.platform()
    vitals = Vitals(platform, instance_id="i-1")
    answers: list[tuple[str, BootFailure | None]] = []
    group = WaitingGroup(
        "Pending:Wait",
        on_answer=lambda answer: answers.append((answer, newest_boots(platform)[0].failure)),
    )
    hook = BootHook(group, name="boot")

    with pytest.raises(BootFailedError), booting(hook, vitals):
        booted_scorer(ENGINE, own, machine="i-1", witness=vitals)

    assert world.calls.count("queue.receive") == 0
    [boot] = newest_boots(platform)
    return boot, answers
