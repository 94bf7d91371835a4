"""The fleet's actions on instances that fall silent, and on templates that cannot boot."""

from typing import Any

import pytest

from parjanya_dagster.core.belief.boot import Boot, BootStage
from parjanya_dagster.core.belief.signals import Reading
from parjanya_dagster.core.reconcile.actions import (
    FallBack,
    LearnCapacity,
    ScaleIn,
    ScaleOut,
    Terminate,
)
from parjanya_dagster.core.reconcile.capacity_memory import CapacityMemory
from tests.builders import NOON, a_queue
from tests.unit.core.reconcile.fleet_planning import (
    BLIND,
    OLD,
    a_group,
    a_member,
    a_pulse,
    a_run,
    a_view,
    ago,
    broken,
    changed,
    kinds,
    launched,
    planned,
)


def test_silent_instance_is_suspected_then_ended_and_its_boot_counted() -> None:
    """No pulse for long: terminate and decrement, after a second look."""
    silent = {"queue": a_queue(1), "fleet": a_group(1, a_member())}

    [suspicion] = planned(**silent, view=launched(a_view(), OLD))
    assert isinstance(suspicion, LearnCapacity)
    assert suspicion.after.suspects == {"i-1": NOON}

    doubted = CapacityMemory(suspects={"i-1": ago(100)})
    counted, end = planned(**silent, view=launched(a_view(memory=doubted), OLD))
    assert isinstance(counted, LearnCapacity)
    assert [each.mark for each in counted.after.marks] == ["i-1"]
    assert isinstance(end, Terminate)
    assert end.instance_id == "i-1"


def test_suspect_that_pulses_again_is_forgotten() -> None:
    """Suspicion ends with the first sign of life."""
    [action] = planned(
        queue=a_queue(1),
        fleet=a_group(1, a_member()),
        view=a_view(a_pulse(), memory=CapacityMemory(suspects={"i-1": ago(80)})),
    )

    assert action == LearnCapacity(before=CapacityMemory(suspects={"i-1": ago(80)}), after=CapacityMemory())


@pytest.mark.parametrize("changes", [{"queue": BLIND}, {"steps": BLIND}, {"whole": False}])
def test_silent_instance_is_not_ended_under_blind(changes: dict[str, Any]) -> None:
    """Ending one lowers what is desired, and nothing lowers under Blind."""
    doubted = CapacityMemory(suspects={"i-1": ago(100)})
    silent: dict[str, Any] = {
        "fleet": a_group(1, a_member()),
        "view": launched(a_view(memory=doubted), OLD),
    }

    assert Terminate in kinds(planned(**silent))
    assert Terminate not in kinds(planned(**(silent | changes)))


def test_fleet_is_not_lowered_in_the_cycle_that_ends_an_instance() -> None:
    """Ending one takes one away by itself: both together would take two."""
    doubted = CapacityMemory(suspects={"i-1": ago(100)})
    view = launched(a_view(memory=doubted, quiet=a_run()), OLD)

    actions = planned(fleet=a_group(1, a_member()), view=view)

    assert kinds(actions) == [LearnCapacity, Terminate]


def test_broken_template_is_launched_no_more() -> None:
    """Three failed boots in a row: nothing is relaunched, whatever waits."""
    assert changed(queue=a_queue(9), fleet=a_group(0), view=a_view(memory=broken())) == []
    [action] = changed(
        queue=a_queue(9), fleet=a_group(1, a_member(lifecycle="Pending")), view=a_view(memory=broken())
    )
    assert isinstance(action, ScaleIn)
    assert action.desired == 0
    assert "no weights" in action.reason


def test_broken_template_leaves_alone_what_lives() -> None:
    """Instances that came up before go on."""
    view = a_view(a_pulse(1), memory=broken())

    [action] = changed(queue=a_queue(5_000), fleet=a_group(3, a_member(1), a_member(2)), view=view)

    assert isinstance(action, ScaleIn)
    assert action.desired == 1


def test_broken_template_is_tried_once_after_its_pause() -> None:
    """One launch decides, not a fleet."""
    [action] = changed(queue=a_queue(5_000), fleet=a_group(0), view=a_view(memory=broken(minutes=6)))

    assert isinstance(action, ScaleOut)
    assert action.desired == 1


def test_broken_template_falls_back_to_the_last_good_version() -> None:
    """Work goes on; the capacity is not lowered on the way."""
    broken_group = {"queue": a_queue(9), "fleet": a_group(1, a_member(lifecycle="Pending"))}

    [action] = changed(**broken_group, view=a_view(memory=broken(good="1")))
    assert isinstance(action, FallBack)
    assert action.version == "1"

    fallen = a_group(0, template_version="1")
    [raised] = changed(queue=a_queue(9), fleet=fallen, view=a_view(memory=broken(good="1")))
    assert isinstance(raised, ScaleOut)


def test_broken_template_is_left_as_it_is_under_blind() -> None:
    """Neither fall-back nor lowering from half a picture; nor is it launched."""
    blind = {"queue": BLIND, "gaps": 9, "fleet": a_group(1)}

    assert changed(**blind, view=a_view(memory=broken(good="1"))) == []


def test_third_boot_that_fails_opens_the_breaker_in_the_same_cycle() -> None:
    """Evidence counts when it is read, not a cycle later."""
    boots = tuple(
        Boot(
            instance_id=f"i-{number}",
            started_at=ago(120 - number),
            stage=BootStage.VERIFYING,
            at=ago(60 - number),
            error="no weights",
        )
        for number in range(3)
    )
    view = a_view(boots=Reading(value=boots, at=NOON))

    failing = {"queue": a_queue(9), "fleet": a_group(1), "view": view}

    assert kinds(changed(**failing)) == [ScaleIn]
    assert [len(each.after.marks) for each in planned(**failing) if isinstance(each, LearnCapacity)] == [3]
