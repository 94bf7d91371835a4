"""The worker as a member of its group: it boots, waits for service, leaves, and never polls in between."""

import pytest

from gpu_worker.membership import GroupService, await_service, boot_hook_of, booting, template_version
from gpu_worker.vitals import Vitals
from parjanya_dagster.asg_executor.boot_hook import BootHook
from parjanya_dagster.asg_executor.errors import UnavailableError
from parjanya_dagster.control.capacity import newest_boots
from parjanya_dagster.core.belief.boot import Boot, BootStage
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.unit.asg_executor.waiting_group import WaitingGroup

SILENT = UnavailableError("autoscaling:Any", "timeout")


class Worker:
    """A worker that boots in a group, with what it had said whenever it answered its hook."""

    def __init__(self, *states: str | UnavailableError | None) -> None:
        self.world: FakePlatform = a_fake_platform(plane="worker")
        self.vitals = Vitals(self.world.platform(), instance_id="i-1", every_s=600)
        self.group = WaitingGroup(*states, on_answer=lambda _: self.said.append(self.boot().stage))
        self.hook = BootHook(self.group, name="boot")
        self.said: list[BootStage] = []
        self.pauses: list[float] = []

    def boot(self) -> Boot:
        """Return the boot on record."""
        return newest_boots(self.world.platform())[0]

    def comes_into_service(self, *, patience: int = 99) -> bool:
        """Wait for service for so many pauses, then be told to leave."""
        with booting(self.hook, self.vitals):
            pass
        is_in = await_service(
            self.hook,
            self.vitals,
            should_leave=lambda: len(self.pauses) >= patience,
            pause=self.pauses.append,
        )
        self.vitals.end()
        return is_in


def test_worker_without_a_hook_is_ready_at_once() -> None:
    """No pool, no wait: as before there were pools."""
    worker = Worker("InService")

    assert worker.comes_into_service()

    assert (worker.pauses, worker.group.answers) == ([], [])
    assert worker.boot().is_ready


def test_cold_worker_when_it_has_loaded_tells_its_group_and_is_ready_in_service() -> None:
    """Only the group's word puts it into service."""
    worker = Worker("Pending:Wait", "Pending:Proceed", "InService")

    assert worker.comes_into_service()

    assert (worker.group.answers, worker.said) == (["boot CONTINUE"], [BootStage.STARTED])
    assert len(worker.pauses) == 2
    assert worker.boot().is_ready


def test_warmed_worker_says_so_before_it_lets_itself_be_stopped() -> None:
    """After the answer the machine may stop at any moment."""
    worker = Worker("Warmed:Pending:Wait", "Warmed:Running")

    assert not worker.comes_into_service(patience=3)

    assert (worker.group.answers, worker.said) == (["boot CONTINUE"], [BootStage.WARMING])
    assert worker.boot().stage is BootStage.WARMING


def test_warmed_worker_that_is_wanted_serves_after_its_second_answer() -> None:
    """A pool that keeps machines running hands over the very process that was warmed."""
    worker = Worker("Warmed:Pending:Wait", "Warmed:Running", "Pending", "Pending:Wait", "InService")

    assert worker.comes_into_service()

    assert worker.said == [BootStage.WARMING, BootStage.WARMING]
    assert worker.boot().is_ready


def test_worker_whose_group_is_silent_waits_until_it_is_heard() -> None:
    """It might be one that is only warmed: Blind is never "in service"."""
    worker = Worker(SILENT, SILENT, "InService")

    assert worker.comes_into_service()

    assert len(worker.pauses) == 2


def test_worker_whose_answer_was_lost_gives_it_again() -> None:
    """One dropped connection costs a second, no boot."""
    worker = Worker("Pending:Wait", "Pending:Wait", "InService")
    worker.group.refusals = [SILENT]

    assert worker.comes_into_service()

    assert worker.group.answers == ["boot CONTINUE"]


@pytest.mark.parametrize("state", ["Terminating:Wait", "Warmed:Terminating", None])
def test_worker_whose_group_ends_it_leaves_without_being_ready(state: str | None) -> None:
    """What is terminated before it served is no start to learn from."""
    worker = Worker(state)

    assert not worker.comes_into_service()

    assert worker.boot().stage is BootStage.STARTED


def test_boot_that_fails_is_reported_first_and_then_abandoned() -> None:
    """Incident 6b: the group replaces the instance, and by then Truth says why."""
    worker = Worker("Pending:Wait")
    errors: list[str | None] = []
    worker.group = WaitingGroup("Pending:Wait", on_answer=lambda _: errors.append(worker.boot().error))
    worker.hook = BootHook(worker.group, name="boot")

    with pytest.raises(FileNotFoundError), booting(worker.hook, worker.vitals):
        raise FileNotFoundError("model-00001.safetensors")

    assert (worker.group.answers, errors) == (["boot ABANDON"], ["model-00001.safetensors"])


def test_service_ends_when_the_group_takes_the_instance_back() -> None:
    """Scale-in returns an idle instance to the pool: it goes back to waiting instead of watching."""
    worker = Worker("InService", SILENT, "Warmed:Pending:Wait")
    service = GroupService(
        hook=worker.hook, vitals=worker.vitals, should_leave=lambda: False, look_every_s=0.0
    )

    assert [service.has_ended() for _ in range(3)] == [False, False, True]

    service.look_every_s = 3600
    assert not service.has_ended()


def test_template_version_comes_from_the_group() -> None:
    """Needs no tag on the instance; a group that does not answer costs no boot."""
    group = WaitingGroup("InService")
    group.refusals = [SILENT]

    assert template_version(group) is None
    assert template_version(group) == "41"


def test_hook_is_the_one_of_the_template() -> None:
    """Named like everything else of a deployment."""
    group = WaitingGroup("Pending:Wait")
    hook = boot_hook_of(group, prefix="acme")
    hook.look()

    hook.answer()

    assert group.answers == ["acme-boot CONTINUE"]
