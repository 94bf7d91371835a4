"""Builders for diagnoses: evidence of a platform on which nothing is wrong, to change one part at a time."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from parjanya_dagster.core.belief.boot import Boot, BootStage
from parjanya_dagster.core.belief.pulse import Pulse
from parjanya_dagster.core.belief.signals import Blind, FleetSize, Launch, Reading
from parjanya_dagster.core.names import NO_SOURCES
from parjanya_dagster.core.reconcile.actions import Ruling
from parjanya_dagster.core.reconcile.boot_breaker import BreakerLimits
from parjanya_dagster.core.reconcile.capacity_memory import CapacityMemory
from parjanya_dagster.core.reconcile.dead_letters import DeadLetterRecord
from parjanya_dagster.core.reconcile.evidence import PLANES, Evidence, Patience, Rows
from parjanya_dagster.core.truth.row import ImageRow
from tests.builders import NAMES, NOON, TENANT, a_key, a_queue, a_row

PATIENCE = Patience()
LONG_AGO = NOON - timedelta(minutes=5)
TEMPLATE = "7"


def read(value: Any) -> Reading[Any]:  # noqa: ANN401 - any signal's value
    """Return a reading at noon."""
    return Reading(value=value, at=NOON)


def denied(signal: str = "queue.depth") -> Blind:
    """Return a signal that was refused."""
    return Blind(signal=signal, reason=f"{signal}: AccessDenied", at=NOON)


def a_group(desired: int = 0, in_service: int | None = None, **changes: Any) -> Reading[FleetSize]:  # noqa: ANN401 - any field
    """Return a reading of the fleet; all of `desired` in service by default."""
    size = FleetSize(
        desired=desired,
        in_service=desired if in_service is None else in_service,
        min_size=0,
        max_size=4,
        template_version=TEMPLATE,
    )
    return Reading(value=replace(size, **changes), at=NOON)


def some_evidence(
    *,
    gaps: tuple[ImageRow, ...] = (),
    outstanding: tuple[ImageRow, ...] = (),
    **changes: Any,  # noqa: ANN401 - any field
) -> Evidence:
    """Return evidence of a healthy platform with one tenant and one decided image, but for the changes."""
    newest = changes.pop("newest", ())
    healthy = Evidence(
        rows=read(Rows(gaps=gaps, outstanding=outstanding, newest=newest)),
        queue=a_queue(),
        dead_letter_queue=a_queue(),
        fleet=a_group(),
        steps=read(0),
        heartbeats=read(dict.fromkeys(PLANES, NOON)),
        registry=read((TENANT,)),
        traces=read({TENANT: "backlog counter"}),
        launches=read(()),
        boots=read(()),
        pulses=read({}),
        memory=read(CapacityMemory()),
        dead_letters=read(()),
        residues=read(()),
        names=NAMES,
        sources=read(NO_SOURCES),
        breaker_limits=BreakerLimits(),
    )
    return replace(healthy, **changes)


def changed(evidence: Evidence, **changes: Any) -> Evidence:  # noqa: ANN401 - any part
    """Return the evidence with some parts replaced."""
    return replace(evidence, **changes)


def a_missed_row(number: int = 1, **changes: Any) -> ImageRow:  # noqa: ANN401 - any field
    """Return a row that has been due to be scored for five minutes and has no job."""
    return a_row(number, **{"due_at": LONG_AGO, "entered_at": LONG_AGO, **changes})


def a_sent_row(number: int = 1, *, at: datetime = LONG_AGO, **changes: Any) -> ImageRow:  # noqa: ANN401 - any field
    """Return a row whose job was sent five minutes ago."""
    return a_row(number, **{"intent_at": at, "intent_id": f"intent-{number}", "emissions": 1, **changes})


def a_boot(number: int = 1, **changes: Any) -> Boot:  # noqa: ANN401 - any field
    """Return the start of instance `number`, which came up `number` minutes before noon."""
    at = NOON - timedelta(minutes=number)
    boot = Boot(
        instance_id=f"i-{number}",
        started_at=at,
        stage=BootStage.READY,
        at=at + timedelta(seconds=30),
        template_version=TEMPLATE,
    )
    return replace(boot, **changes)


def a_refused_launch(number: int = 1, **changes: Any) -> Launch:  # noqa: ANN401 - any field
    """Return a launch that EC2 refused `number` minutes before noon."""
    launch = Launch(
        activity_id=f"activity-{number}",
        instance_id=None,
        is_warm=False,
        started_at=NOON - timedelta(minutes=number),
        error="InvalidAMIID.NotFound: the image was deregistered",
        blames_template=True,
    )
    return replace(launch, **changes)


def a_pulse(instance_id: str = "i-1", *, at: datetime = NOON, **changes: Any) -> Pulse:  # noqa: ANN401 - any field
    """Return a pulse with progress in the same moment."""
    pulse = Pulse(instance_id=instance_id, at=at, progress_at=at, held=1, settled=3, stage="draining")
    return replace(pulse, **changes)


def a_dead_letter(number: int = 1, **changes: Any) -> DeadLetterRecord:  # noqa: ANN401 - any field
    """Return the record of a job that was given up with nothing against its image, found five minutes ago."""
    letter = DeadLetterRecord(
        message_id=f"message-{number}",
        ruling=Ruling.RETURNED,
        evidence="nothing speaks against the image; return 1 of 3",
        blames_image=False,
        receive_count=21,
        sent_at=LONG_AGO,
        found_at=LONG_AGO,
        image=str(a_key(number)),
    )
    return replace(letter, **changes)
