"""The boot hook as an instance answers it: once per wait, never unasked, and alive while it loads."""

import time
from collections.abc import Callable

import pytest

from parjanya_dagster.asg_executor.boot_hook import BootHook
from parjanya_dagster.asg_executor.errors import UnavailableError
from parjanya_dagster.asg_executor.instance import Identity, Standing, standing_of
from tests.unit.asg_executor.waiting_group import WaitingGroup, not_awaited

SILENT = UnavailableError("autoscaling:Any", "timeout")


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        ("InService", Standing.IN_SERVICE),
        ("Pending", Standing.BOOTING),
        ("Pending:Wait", Standing.BOOTING),
        ("Warmed:Pending:Wait", Standing.WARMING),
        ("Warmed:Stopped", Standing.WARMING),
        ("Warmed:Running", Standing.WARMING),
        ("Warmed:Terminating", Standing.LEAVING),
        ("Terminating:Wait", Standing.LEAVING),
        ("Standby", Standing.LEAVING),
        (None, Standing.LEAVING),
    ],
)
def test_standing_follows_from_the_groups_word(state: str | None, standing: Standing) -> None:
    """An instance of the warm pool is neither in service nor on its way out."""
    assert standing_of(state) is standing


def test_hook_is_answered_once_for_each_wait() -> None:
    """An instance is waited for as it enters the pool, and again as it leaves it."""
    group = WaitingGroup(
        "Warmed:Pending:Wait",
        "Warmed:Pending:Wait",
        "Warmed:Running",
        "Pending",
        "Pending:Wait",
        "InService",
        "Warmed:Pending:Wait",
    )
    hook = BootHook(group, name="boot")

    answered = []
    for _ in range(7):
        hook.look()
        hook.answer()
        answered.append(len(group.answers))

    assert answered == [1, 1, 1, 1, 2, 2, 3]
    assert set(group.answers) == {"boot CONTINUE"}


@pytest.mark.parametrize("state", ["Terminating:Wait", "InService", "Pending", None])
def test_hook_is_not_answered_when_nobody_waits_for_a_boot(state: str | None) -> None:
    """The drain of an instance that ends is another hook's affair."""
    group = WaitingGroup(state)
    hook = BootHook(group, name="boot")

    hook.look()
    hook.answer()

    assert group.answers == []


def test_hook_that_has_no_name_is_never_answered() -> None:
    """Without the parameter the agent is what it was."""
    group = WaitingGroup("Pending:Wait")
    hook = BootHook(group, name="")

    hook.begin()
    hook.look()
    hook.answer()

    assert not hook.abandon()
    assert group.answers == []


def test_machine_of_no_group_is_in_service() -> None:
    """A worker by hand needs no AWS for its boot."""
    group = WaitingGroup("Pending:Wait")
    group.identity = Identity(instance_id="i-1", group=None)
    hook = BootHook(group, name="boot")

    hook.begin()
    assert hook.look() is Standing.IN_SERVICE
    hook.answer()

    assert not hook.abandon()
    assert group.answers == []


def test_answer_that_did_not_arrive_is_given_again() -> None:
    """Silence says nothing; a refusal says that it is not waited for."""
    group = WaitingGroup("Pending:Wait")
    hook = BootHook(group, name="boot")
    hook.look()
    group.refusals = [SILENT]
    with pytest.raises(UnavailableError):
        hook.answer()

    hook.answer()
    hook.answer()
    assert group.answers == ["boot CONTINUE"]

    other = WaitingGroup("Pending:Wait")
    other.refusals = [not_awaited()]
    hook = BootHook(other, name="boot")
    for _ in range(2):
        hook.look()
        hook.answer()
    assert other.answers == []


@pytest.mark.parametrize(("refusals", "is_heard"), [([], True), ([not_awaited()], False), ([SILENT], False)])
def test_boot_that_failed_is_abandoned_where_it_is_waited_for(
    refusals: list[UnavailableError],
    is_heard: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    """Whoever gives up learns whether the group ends the instance, or has to end by itself."""
    group = WaitingGroup("Pending:Wait")
    group.refusals = [*refusals]

    assert BootHook(group, name="boot").abandon() is is_heard
    assert group.answers == ["boot ABANDON"] * is_heard


def test_long_boot_keeps_the_group_waiting_until_it_is_over() -> None:
    """A third of the timeout is the longest silence, and one call that failed is made good."""
    group = WaitingGroup("Pending:Wait", timeout_s=0.06)
    hook = BootHook(group, name="boot")

    hook.begin()
    _await(lambda: group.answers.count("boot goes on") >= 2)
    hook.look()
    hook.answer()
    beats = group.answers.count("boot goes on")
    time.sleep(0.1)  # longer than a timeout: whoever still beat would show

    assert group.answers.count("boot goes on") <= beats + 1
    assert "boot CONTINUE" in group.answers


def test_group_without_the_hook_is_not_told_anything() -> None:
    """A group without a warm pool has no such hook."""
    group = WaitingGroup("InService", timeout_s=None)
    hook = BootHook(group, name="boot")

    hook.begin()
    assert hook.look() is Standing.IN_SERVICE
    hook.answer()

    assert group.answers == []


def _await(is_so: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
