"""How a group moves its instances, with a clock and surroundings of the test's own."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.local.lifecycle_hooks import Result, Transition, complete_action, prolong_action
from parjanya_dagster.local.scaling_activities import ACTIVITIES_KEPT, activities_of
from parjanya_dagster.local.scaling_group import LaunchFailedError, LaunchTimes, ScalingGroup
from parjanya_dagster.local.warm_pool import POOL, Pool

NOW = 1_000_000.0
BOOTING = LaunchTimes(cold_s=240, warm_s=36, retry_s=10)


@dataclass
class FakeSurroundings:
    """EC2, hooks and bus, as the test wants them."""

    wanted_hooks: dict[Transition, float] = field(default_factory=dict)
    image_exists: bool = True
    told: list[str] = field(default_factory=list)
    ids: "itertools.count[int]" = field(default_factory=itertools.count)

    def hooks(self, transition: Transition) -> list[dict[str, Any]]:
        """One hook per transition that has a timeout."""
        timeout_s = self.wanted_hooks.get(transition)
        hook = {"LifecycleHookName": "hook", "NotificationMetadata": "", "DefaultResult": "ABANDON"}
        return [] if timeout_s is None else [{**hook, "HeartbeatTimeout": timeout_s}]

    def launch(self) -> dict[str, Any]:
        """A machine, if its image exists."""
        if not self.image_exists:
            raise LaunchFailedError("The AMI ID ami-1 does not exist.")
        return {"InstanceId": f"i-{self.new_id()}"}

    def new_id(self) -> str:
        """The next number."""
        return str(next(self.ids))

    def notify(self, detail_type: str, detail: dict[str, Any]) -> None:
        """Remember what was told."""
        assert detail["AutoScalingGroupName"] == "gpu"
        self.told.append(detail_type)


class Scene:
    """One group under a clock."""

    def __init__(self, *, times: LaunchTimes = BOOTING) -> None:
        self.around = FakeSurroundings()
        self.now = NOW
        self._times = times
        self.record: dict[str, Any] = {
            "AutoScalingGroupName": "gpu",
            "MinSize": 0,
            "MaxSize": 4,
            "DesiredCapacity": 0,
            "NewInstancesProtectedFromScaleIn": False,
            "Instances": [],
        }

    def settle(self, *, desired: int | None = None, after_s: float = 0.0, try_again: bool = False) -> bool:
        """Let time pass and everything happen that is due."""
        self.now += after_s
        if desired is not None:
            self.record["DesiredCapacity"] = desired
        return self._group().settle(try_again=try_again)

    def terminate_first(self) -> None:
        """Terminate as a user does."""
        for instance in self.record["Instances"][:1]:
            self._group().terminate(instance, why="the test wants it.")

    def prepare(self, count: int, *, reuse: bool = False, state: str = "Stopped") -> None:
        """Add a warm pool."""
        configuration = {"MinSize": 0, "MaxGroupPreparedCapacity": count, "PoolState": state}
        self.record[POOL] = {**configuration, "ReuseOnScaleIn": reuse}

    def states(self) -> list[str]:
        """States of the group's instances."""
        return [each["LifecycleState"] for each in self.record["Instances"]]

    def warmed(self) -> list[str]:
        """States of the pool's instances."""
        return [each["LifecycleState"] for each in Pool(self.record).instances]

    def history(self) -> list[str]:
        """Status codes, newest first."""
        return [each["StatusCode"] for each in activities_of(self.record)]

    def _group(self) -> ScalingGroup:
        return ScalingGroup(self.record, self.around, times=self._times, now=self.now)


def test_cold_machine_when_launched_then_is_pending_for_as_long_as_it_boots() -> None:
    """In service after the boot, not before."""
    scene = Scene()
    scene.settle(desired=1)
    scene.settle(after_s=239)
    assert (scene.states(), scene.history()) == (["Pending"], ["PreInService"])

    scene.settle(after_s=1)

    assert (scene.states(), scene.history()) == (["InService"], ["Successful"])
    assert scene.around.told == ["EC2 Instance Launch Successful"]


@pytest.mark.parametrize(("state", "boot_s"), [("Stopped", 36), ("Hibernated", 36), ("Running", 0)])
def test_warm_machine_when_needed_then_starts_faster(state: str, boot_s: float) -> None:
    """A stopped machine boots shorter than a new one, a running one not at all."""
    scene = Scene()
    scene.prepare(1, state=state)
    scene.settle()
    scene.settle(after_s=240)
    assert scene.warmed() == [f"Warmed:{state}"]

    scene.settle(desired=1)
    before = scene.states()
    scene.settle(after_s=boot_s)

    assert before == (["Pending"] if boot_s else ["InService"])
    assert (scene.states(), scene.warmed()) == (["InService"], [])


def test_machine_when_still_booting_into_the_pool_then_is_not_given_out() -> None:
    """Scale-out takes what is ready, and launches what is not."""
    scene = Scene()
    scene.prepare(2)
    scene.settle()
    scene.settle(after_s=100, desired=1)

    assert (scene.states(), scene.warmed()) == (["Pending"], ["Warmed:Pending"])


def test_pool_when_smaller_than_before_then_gives_its_youngest_up() -> None:
    """A pool that wants less ends what is too much."""
    scene = Scene(times=LaunchTimes())
    scene.prepare(3)
    scene.settle()
    [first, _, _] = [each["InstanceId"] for each in Pool(scene.record).instances]

    scene.prepare(1)
    scene.settle()

    assert [each["InstanceId"] for each in Pool(scene.record).instances] == [first]


def test_pending_machine_when_not_wanted_any_more_then_ends_though_it_will_be_protected() -> None:
    """Protection starts in service: a machine that does not work yet is given up."""
    scene = Scene()
    scene.record["NewInstancesProtectedFromScaleIn"] = True
    scene.settle(desired=2)
    scene.settle(after_s=240)
    scene.settle(desired=3)

    scene.settle(desired=0)

    assert scene.states() == ["InService", "InService"]


def test_failed_launch_when_tried_again_then_waits_in_between_unless_told() -> None:
    """Incident 6a: one failed activity per try, and a try at once when somebody changes something."""
    scene = Scene()
    scene.around.image_exists = False
    scene.settle(desired=2)
    scene.settle(after_s=9)
    assert scene.history() == ["Failed"]

    scene.settle(after_s=1)
    assert scene.history() == ["Failed", "Failed"]

    scene.around.image_exists = True
    scene.settle()
    assert scene.states() == []
    scene.settle(try_again=True)
    assert scene.states() == ["Pending", "Pending"]


def test_hooked_launch_when_nobody_answers_then_is_abandoned_and_replaced() -> None:
    """The default result ends the wait; the history says that a boot was cancelled."""
    scene = Scene(times=LaunchTimes())
    scene.around.wanted_hooks = {Transition.LAUNCHING: 300}
    scene.settle(desired=1)
    [first] = scene.record["Instances"]

    scene.settle(after_s=300)

    assert scene.states() == ["Pending:Wait"]
    assert scene.record["Instances"] != [first]
    assert scene.history() == ["MidLifecycleAction", "Successful", "Cancelled"]


def test_heartbeats_when_they_go_on_then_a_hundred_timeouts_are_the_limit() -> None:
    """A boot that beats for ever is not waited for for ever."""
    scene = Scene(times=LaunchTimes())
    scene.around.wanted_hooks = {Transition.LAUNCHING: 10}
    scene.settle(desired=1)
    [first] = scene.record["Instances"]

    while prolong_action(first, hook="hook", token="", now=scene.now):
        scene.settle(after_s=9)

    assert 1_000 <= scene.now - NOW < 1_000 + 9


@pytest.mark.parametrize(("hook", "token"), [("other", ""), ("hook", "other")])
def test_action_when_of_another_name_or_token_then_is_not_completed(hook: str, token: str) -> None:
    """Only the action that is meant ends."""
    scene = Scene(times=LaunchTimes())
    scene.around.wanted_hooks = {Transition.LAUNCHING: 10}
    scene.settle(desired=1)
    [only] = scene.record["Instances"]

    assert not complete_action(only, hook=hook, token=token, result=Result.CONTINUE)

    scene.settle()
    assert scene.states() == ["Pending:Wait"]


def test_hooked_end_when_abandoned_then_ends_all_the_same() -> None:
    """No result of a drain hook keeps an instance."""
    scene = Scene(times=LaunchTimes())
    scene.settle(desired=1)
    scene.around.wanted_hooks = {Transition.TERMINATING: 10}
    [only] = scene.record["Instances"]
    scene.settle(desired=0)

    complete_action(only, hook="hook", token="", result=Result.ABANDON)
    scene.settle()

    assert scene.states() == []


def test_pool_when_full_then_scale_in_ends_the_machine() -> None:
    """Reuse never grows a pool beyond what it wants."""
    scene = Scene(times=LaunchTimes())
    scene.settle(desired=2)
    scene.prepare(1, reuse=True)

    scene.settle(desired=0)

    assert (scene.states(), scene.warmed()) == ([], ["Warmed:Stopped"])


def test_history_when_long_then_forgets_its_oldest() -> None:
    """The record does not grow for ever, and an activity that is forgotten can still end."""
    scene = Scene(times=LaunchTimes(cold_s=5_000, retry_s=10))
    scene.settle(desired=1)
    scene.around.image_exists = False
    scene.record["DesiredCapacity"] = 2
    for _ in range(ACTIVITIES_KEPT):
        scene.settle(after_s=10)

    scene.settle(after_s=5_000)

    assert len(scene.history()) == ACTIVITIES_KEPT
    assert scene.states() == ["InService"]


_STEPS: list[Callable[[Scene], object]] = [
    lambda scene: scene.settle(desired=0),
    lambda scene: scene.settle(desired=1),
    lambda scene: scene.settle(desired=4),
    lambda scene: scene.settle(after_s=40),
    lambda scene: scene.settle(after_s=240),
    lambda scene: scene.prepare(2, reuse=True),
    lambda scene: scene.prepare(3),
    lambda scene: scene.around.wanted_hooks.update({Transition.LAUNCHING: 60}),
    lambda scene: scene.around.wanted_hooks.update({Transition.TERMINATING: 60}),
    lambda scene: scene.around.wanted_hooks.clear(),
    lambda scene: setattr(scene.around, "image_exists", not scene.around.image_exists),
    Scene.terminate_first,
    lambda scene: [
        complete_action(each, hook="hook", token="", result=Result.CONTINUE)
        for each in [*scene.record["Instances"], *Pool(scene.record).instances]
    ],
]


@given(st.lists(st.sampled_from(_STEPS), max_size=30))
def test_group_when_anything_happened_then_time_brings_it_to_what_is_wanted(
    steps: list[Callable[[Scene], object]],
) -> None:
    """Capacity and pool are reached once hooks and launches work; an instance is never in two places."""
    scene = Scene()
    for step in steps:
        step(scene)
        everywhere = [
            each["InstanceId"] for each in [*scene.record["Instances"], *Pool(scene.record).instances]
        ]
        assert len(everywhere) == len(set(everywhere))
    scene.around.wanted_hooks.clear()
    scene.around.image_exists = True

    for _ in range(12):
        scene.settle(after_s=240)

    assert scene.states() == ["InService"] * scene.record["DesiredCapacity"]
    assert scene.warmed() == ["Warmed:Stopped"] * Pool(scene.record).wanted
    assert not scene.settle(after_s=240)
