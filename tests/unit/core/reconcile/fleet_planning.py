"""Readings of a fleet at noon, and what is planned from them; the tests of its actions share them."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from parjanya_dagster.core.belief.pulse import Pulse
from parjanya_dagster.core.belief.signals import Blind, FleetSize, Instance, Launch, Reading
from parjanya_dagster.core.ports import EmptyReadings
from parjanya_dagster.core.reconcile.actions import (
    LearnCapacity,
    RememberEmptyReadings,
    ReportBlind,
)
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.capacity_memory import BootMark, CapacityMemory
from parjanya_dagster.core.reconcile.capacity_view import CapacityView, FleetReading
from parjanya_dagster.core.reconcile.fleet_actions import FleetAction, fleet_actions
from tests.builders import NOON, a_fleet, a_queue

LIMITS = CapacityLimits(
    seconds_per_image=1.0,
    time_allowed=timedelta(minutes=5),
    max_instances=4,
    cold_start=timedelta(minutes=1),
    usd_per_instance_hour=1.0,
)
GAP = timedelta(seconds=90)
BLIND = Blind(signal="unreadable", reason="AccessDenied", at=NOON)


def ago(seconds: float) -> datetime:
    """Return a time before noon."""
    return NOON - timedelta(seconds=seconds)


def a_run(seconds: float = 60, last: float = 5) -> EmptyReadings:
    """Return a run of readings that began and was last continued so long ago."""
    return EmptyReadings(since=ago(seconds), last_read_at=ago(last))


def a_member(number: int = 1, **changes: Any) -> Instance:  # noqa: ANN401 - any field
    """Return an instance in service."""
    member = Instance(
        instance_id=f"i-{number}", lifecycle="InService", is_protected=True, template_version="2"
    )
    return replace(member, **changes)


def a_group(desired: int, *members: Instance, **changes: Any) -> Reading[FleetSize]:  # noqa: ANN401 - any field
    """Return a reading of a group that launches template version 2."""
    size = FleetSize(
        desired=desired,
        in_service=sum(each.is_in_service for each in members),
        min_size=0,
        max_size=4,
        instances=members,
        template_version="2",
    )
    return Reading(value=replace(size, **changes), at=NOON)


def a_pulse(number: int = 1, *, held: int = 0, seconds: float = 5) -> Pulse:
    """Return a pulse."""
    return Pulse(
        instance_id=f"i-{number}",
        at=ago(seconds),
        progress_at=ago(seconds),
        held=held,
        settled=0,
        stage="draining",
    )


def a_view(*pulses: Pulse, **changes: Any) -> CapacityView:  # noqa: ANN401 - any field
    """Return a view with everything readable."""
    view = CapacityView(
        pulses=Reading(value={each.instance_id: each for each in pulses}, at=NOON),
        boots=Reading(value=(), at=NOON),
        launches=Reading(value=(), at=NOON),
    )
    return replace(view, **changes)


def a_reading(**changes: Any) -> FleetReading:  # noqa: ANN401 - any field
    """Return a reading in which nothing waits and nothing runs."""
    reading = FleetReading(
        queue=a_queue(),
        fleet=a_fleet(),
        view=a_view(),
        gaps=0,
        steps=Reading(value=0, at=NOON),
        reading_gap=GAP,
    )
    return replace(reading, **changes)


def planned(**changes: Any) -> list[FleetAction]:  # noqa: ANN401 - any field
    """Return the actions at noon."""
    return fleet_actions(a_reading(**changes), limits=LIMITS, now=NOON)


def kinds(actions: list[FleetAction]) -> list[type]:
    """Return the actions' types, in order."""
    return [type(action) for action in actions]


def changed(**changes: Any) -> list[FleetAction]:  # noqa: ANN401 - any field
    """Return the actions at noon that change the fleet: all but memories and reports."""
    others = (LearnCapacity, RememberEmptyReadings, ReportBlind)
    return [each for each in planned(**changes) if not isinstance(each, others)]


OLD = Launch(activity_id="a-1", instance_id="i-1", is_warm=False, started_at=ago(3600))


def launched(view: CapacityView, *launches: Launch) -> CapacityView:
    """Return the view with these launches."""
    return replace(view, launches=Reading(value=launches, at=NOON))


def broken(version: str = "2", *, good: str | None = None, minutes: float = 1) -> CapacityMemory:
    """Return a memory after three failed boots of a version."""
    marks = tuple(
        BootMark(mark=f"m{number}", version=version, at=ago(60 * minutes + 3 - number), error="no weights")
        for number in range(3)
    )
    return CapacityMemory(marks=marks, good_version=good)
