"""The fleet's health: a young instance, a dead one, one that hangs, and an outage that silences all."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from parjanya_dagster.core.belief.boot import Boot, BootStage
from parjanya_dagster.core.belief.pulse import Pulse
from parjanya_dagster.core.belief.signals import Blind, FleetSize, Instance, Launch, Reading
from parjanya_dagster.core.reconcile.capacity import HealthLimits
from parjanya_dagster.core.reconcile.capacity_view import CapacityView
from parjanya_dagster.core.reconcile.fleet_health import Doubt, doubts_of, living, may_hold_work, one_to_end
from tests.builders import NOON

LIMITS = HealthLimits()
START = timedelta(minutes=4)
BLIND = Blind(signal="pulses", reason="AccessDenied", at=NOON)


def ago(minutes: float) -> datetime:
    """Return a time before noon."""
    return NOON - timedelta(minutes=minutes)


def a_pulse(minutes: float = 0.1, *, held: int = 0, stuck_min: float = 0.1) -> Pulse:
    """Return a pulse of `i-1`."""
    return Pulse(
        instance_id="i-1", at=ago(minutes), progress_at=ago(stuck_min), held=held, settled=5, stage="draining"
    )


def a_boot(stage: BootStage = BootStage.READY, *, minutes: float = 30, error: str | None = None) -> Boot:
    """Return a boot of `i-1`, all of it so many minutes ago."""
    return Boot(instance_id="i-1", started_at=ago(minutes), stage=stage, at=ago(minutes), error=error)


def a_launch(minutes: float) -> Launch:
    """Return the launch of `i-1`."""
    return Launch(activity_id="a-1", instance_id="i-1", is_warm=False, started_at=ago(minutes))


def a_size(*instance_ids: str, lifecycle: str = "InService", desired: int = 1) -> FleetSize:
    """Return a group of these instances."""
    instances = tuple(
        Instance(instance_id=each, lifecycle=lifecycle, is_protected=True, template_version="3")
        for each in instance_ids
    )
    return FleetSize(desired=desired, in_service=len(instances), min_size=0, max_size=4, instances=instances)


def a_view(
    pulse: Pulse | None = None, boot: Boot | None = None, launch: Launch | None = None
) -> CapacityView:
    """Return a view of `i-1`, everything readable."""
    pulses: Mapping[str, Pulse] = {"i-1": pulse} if pulse else {}
    return CapacityView(
        pulses=Reading(value=pulses, at=NOON),
        boots=Reading(value=(boot,) if boot else (), at=NOON),
        launches=Reading(value=(launch,) if launch else (), at=NOON),
    )


def doubted(view: CapacityView, size: FleetSize | None = None) -> list[Doubt]:
    """Return the doubts at noon."""
    return doubts_of(size or a_size("i-1"), view, LIMITS, start=START, now=NOON)


@pytest.mark.parametrize(
    ("why", "view"),
    [
        ("it pulses and holds nothing", a_view(a_pulse(stuck_min=60), launch=a_launch(60))),
        ("it holds work and gets on", a_view(a_pulse(held=3, stuck_min=14))),
        ("it was launched moments ago", a_view(launch=a_launch(11))),
        ("it boots again", a_view(a_pulse(20), boot=a_boot(BootStage.LOADING, minutes=10))),
        ("its age is unknown", a_view()),
        ("its pulse is late", a_view(a_pulse(2.9))),
        ("a boot failed, and another came up", a_view(a_pulse(1), boot=a_boot(minutes=2, error="x"))),
    ],
)
def test_instance_is_not_doubted_when(why: str, view: CapacityView) -> None:
    """An instance younger than its boot bound (three starts, at least five minutes) is never reaped."""
    assert doubted(view) == [], why


@pytest.mark.parametrize(
    ("reason", "view", "is_certain", "never_came_up"),
    [
        ("it has shown no pulse for 4 min", a_view(a_pulse(4), boot=a_boot()), False, False),
        (
            "it holds 3 messages without progress for 16 min",
            a_view(a_pulse(held=3, stuck_min=16)),
            False,
            False,
        ),
        ("it holds 1 message without progress", a_view(a_pulse(held=1, stuck_min=16)), False, False),
        (
            "its boot failed while verifying: no weights",
            a_view(boot=a_boot(BootStage.VERIFYING, minutes=1, error="no weights")),
            True,
            False,
        ),
        ("no pulse 13 min after its start; its worker never said", a_view(launch=a_launch(13)), False, True),
        (
            "the last it said was 'loading'",
            a_view(boot=a_boot(BootStage.LOADING, minutes=13), launch=a_launch(14)),
            False,
            True,
        ),
    ],
)
def test_instance_is_doubted_for_a_reason_a_person_can_read(
    reason: str, view: CapacityView, *, is_certain: bool, never_came_up: bool
) -> None:
    """No pulse, no progress while holding work, or a boot that failed."""
    [doubt] = doubted(view)

    assert reason in doubt.reason
    assert (doubt.is_certain, doubt.never_came_up) == (is_certain, never_came_up)


@pytest.mark.parametrize(
    "changes", [{part: unread} for part in ("pulses", "boots", "launches") for unread in (BLIND, None)]
)
def test_nobody_is_doubted_unless_everything_was_read(changes: dict[str, Any]) -> None:
    """Silence of the table is not silence of the instances."""
    assert doubted(replace(a_view(launch=a_launch(60)), **changes)) == []


@pytest.mark.parametrize("lifecycle", ["Pending", "Pending:Wait", "Terminating:Wait", "Standby"])
def test_instance_that_is_not_in_service_is_left_to_the_group(lifecycle: str) -> None:
    """Whatever comes or goes is Auto Scaling's own."""
    assert doubted(a_view(launch=a_launch(60)), a_size("i-1", lifecycle=lifecycle)) == []


def test_instance_is_ended_only_after_it_was_doubted_for_a_while() -> None:
    """A control plane that slept looks twice before it ends anybody."""
    [doubt] = doubted(a_view(launch=a_launch(60)))

    assert one_to_end([doubt], {}, LIMITS, now=NOON) is None
    assert one_to_end([doubt], {"i-1": ago(1)}, LIMITS, now=NOON) is None
    assert one_to_end([doubt], {"i-1": ago(1.5)}, LIMITS, now=NOON) is doubt
    assert one_to_end([], {"i-1": ago(9)}, LIMITS, now=NOON) is None


def test_instance_that_said_so_itself_is_ended_at_once() -> None:
    """A boot that failed is no guess."""
    [doubt] = doubted(a_view(boot=a_boot(minutes=1, error="x")))

    assert one_to_end([doubt], {}, LIMITS, now=NOON) is doubt


def test_one_instance_is_ended_per_cycle_the_longest_doubted_first() -> None:
    """An outage that silences a whole fleet costs one instance a minute, not the fleet."""
    view = replace(
        a_view(),
        launches=Reading(
            value=(a_launch(60), replace(a_launch(60), instance_id="i-2", activity_id="a-2")), at=NOON
        ),
    )
    doubts = doubted(view, a_size("i-1", "i-2"))

    ended = one_to_end(doubts, {"i-1": ago(2), "i-2": ago(3)}, LIMITS, now=NOON)

    assert len(doubts) == 2
    assert ended is not None
    assert ended.instance.instance_id == "i-2"


def test_end_of_an_instance_that_never_came_up_is_a_failed_boot() -> None:
    """Incident 6a: it died before its worker could say so."""
    [doubt] = doubted(a_view(launch=a_launch(60)))
    mark = doubt.mark(version="4", now=NOON)

    assert mark is not None
    assert (mark.mark, mark.version, mark.error) == ("i-1", "3", doubt.reason)
    nameless = replace(doubt, instance=replace(doubt.instance, template_version=None))
    assert nameless.mark(version=None, now=NOON) is None
    [silent] = doubted(a_view(a_pulse(4)))
    assert silent.mark(version="4", now=NOON) is None


def test_living_are_those_in_service_that_pulse() -> None:
    """What the breaker leaves alone."""
    two = a_size("i-1", "i-2")

    assert living(two, a_view(a_pulse()), LIMITS, now=NOON) == 1
    assert living(two, a_view(a_pulse(5)), LIMITS, now=NOON) == 0
    assert living(two, replace(a_view(), pulses=BLIND), LIMITS, now=NOON) == 2
    assert living(two, CapacityView(), LIMITS, now=NOON) == 2


@pytest.mark.parametrize(
    ("why", "size", "steps", "view", "held"),
    [
        ("nobody is there", a_size(desired=0), 0, a_view(), False),
        ("somebody is being launched", a_size(desired=1), 0, a_view(), True),
        ("all idle", a_size("i-1"), 0, a_view(a_pulse()), False),
        ("all booting", a_size("i-1", lifecycle="Pending:Wait"), 0, a_view(), False),
        ("it holds some", a_size("i-1"), 0, a_view(a_pulse(held=1)), True),
        ("it is silent", a_size("i-1"), 0, a_view(a_pulse(5)), True),
        ("it never spoke", a_size("i-1"), 0, a_view(), True),
        ("a step runs", a_size("i-1"), 1, a_view(a_pulse()), True),
        ("steps are unreadable", a_size("i-1"), None, a_view(a_pulse()), True),
        ("pulses are unreadable", a_size("i-1"), 0, replace(a_view(), pulses=BLIND), True),
        ("pulses were not looked at", a_size("i-1"), 0, CapacityView(), True),
    ],
)
def test_messages_in_flight_may_be_held_unless_everybody_is_known_to_be_idle(
    why: str, size: FleetSize, steps: int | None, view: CapacityView, *, held: bool
) -> None:
    """Messages in back-off keep no GPU awake; whatever is not known counts as work."""
    signal = BLIND if steps is None else Reading(value=steps, at=NOON)

    assert may_hold_work(size, signal, view, LIMITS, now=NOON) is held, why
