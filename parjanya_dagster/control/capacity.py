"""Capacity's shell: reads what its pure rules look at, carries out what they decided, and keeps why.

Everything it remembers is a record of Truth: PULSE and BOOT written by workers, LEARNED `capacity` and
`throughput`, and one CAPACITY record per decision that changed something.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.readings import reading_of
from parjanya_dagster.core.belief.boot import Boot
from parjanya_dagster.core.belief.pulse import Pulse
from parjanya_dagster.core.belief.signals import Blind, FleetSignal
from parjanya_dagster.core.errors import EdgeError, UnavailableError
from parjanya_dagster.core.ports import EmptyReadings
from parjanya_dagster.core.reconcile.actions import (
    CapacityAction,
    FallBack,
    LearnCapacity,
    ScaleIn,
    ScaleOut,
    Terminate,
)
from parjanya_dagster.core.reconcile.capacity_memory import CapacityMemory, with_rate
from parjanya_dagster.core.reconcile.capacity_plan import CapacityPlan, plan_of
from parjanya_dagster.core.reconcile.capacity_view import CapacityView
from parjanya_dagster.core.reconcile.fleet_actions import DEMAND, SURPLUS
from parjanya_dagster.core.records import RecordKind

LEASE: Final = "capacity"
_LEASE_S: Final = 30
_MEMORY: Final = "capacity"
_THROUGHPUT: Final = "throughput"
_BOOTS_READ: Final = 64
_LEAST_IMAGES: Final = 8
"""A drain of fewer measures how a worker starts, not how fast it is."""
_PULSE_LIFE: Final = timedelta(days=1)
_BOOT_LIFE: Final = timedelta(days=7)
_DECISION_LIFE: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One change of the fleet as it was recorded.

    Args:
        action: `scale_out`, `scale_in`, `terminate` or `fall_back`.
        fleet: the extra fleet that was changed; None is the usual one.
        desired: capacity asked for; None where the action names none.
        plan: what it was chosen from, with every option's time and price; None where there was none.
    """

    at: datetime
    plane: str
    action: str
    desired: int | None
    reason: str
    plan: CapacityPlan | None
    fleet: str | None = None


def observe_capacity(platform: Platform, fleet: FleetSignal, *, whole: bool = True) -> CapacityView:
    """Return what capacity looks at; an event's look reads only what was learned.

    Args:
        fleet: the group, as read in this cycle: pulses are read of its instances.
        whole: read pulses, boots, launches and the remembered runs too.
    """
    memory, rates = _memory(platform), _rates(platform)
    if not whole:
        return CapacityView(memory=memory, rates=rates, quiet=_run(platform, DEMAND))
    size = None if isinstance(fleet, Blind) else fleet.value
    is_idle = size is not None and size.desired == 0 and not size.instances
    names = [each.instance_id for each in size.instances] if size else []
    return CapacityView(
        memory=memory,
        rates=rates,
        pulses=reading_of(platform, "pulses", lambda: _pulses(platform, names)),
        # nothing is asked for and nobody is there: nothing boots
        boots=None if is_idle else reading_of(platform, "boots", lambda: newest_boots(platform)),
        launches=None if is_idle else platform.fleet.launches(),
        quiet=_run(platform, DEMAND),
        surplus=_run(platform, SURPLUS),
    )


def apply_capacity(platform: Platform, action: CapacityAction) -> bool:
    """Carry out an action; return whether anything was changed.

    Raising is safe for any plane and harmless twice: it sets an absolute number, and never one below what is
    asked for already. Whatever lowers needs the lease, and its token still in force right before the call.

    Raises:
        EdgeError: the group or Truth did not answer; the next cycle decides again.
    """
    match action:
        case ScaleOut():
            return _scale_out(platform, action)
        case ScaleIn(desired=desired, reason=reason):
            lowers = _lowers(platform, lambda desired_now: desired_now > desired)
            if lowers:
                platform.fleet.set_desired(desired)
                _record(platform, "scale_in", desired=desired, reason=reason, plan=action.plan)
            return lowers
        case Terminate(instance_id=instance_id, reason=reason):
            ends = _lowers(platform, lambda _desired: True) and platform.fleet.terminate(instance_id)
            if ends:
                platform.records.remove(RecordKind.PULSE, instance_id)
                _record(platform, "terminate", desired=None, reason=f"{instance_id}: {reason}")
            return ends
        case FallBack(version=version, reason=reason):
            may = _lowers(platform, lambda _desired: True)
            if may:
                platform.fleet.use_template(version)
                _record(platform, "fall_back", desired=None, reason=f"to version {version}: {reason}")
            return may
        case LearnCapacity(before=before, after=after):
            return _learn(platform, before, after)
        case _:
            assert_never(action)


def write_pulse(platform: Platform, pulse: Pulse) -> None:
    """Write a worker's pulse, replacing its last one.

    Raises:
        EdgeError: Truth did not answer.
    """
    platform.records.put(
        RecordKind.PULSE, pulse.instance_id, pulse.document(), expires_at=pulse.at + _PULSE_LIFE
    )


def write_boot(platform: Platform, boot: Boot) -> None:
    """Write how far a boot has come, replacing what it said before.

    Raises:
        EdgeError: Truth did not answer.
    """
    document = boot.document() | ({"fleet": platform.fleet_name} if platform.fleet_name else {})
    platform.records.put(RecordKind.BOOT, boot.boot_id, document, expires_at=boot.started_at + _BOOT_LIFE)


def newest_boots(platform: Platform) -> tuple[Boot, ...]:
    """Return the newest boots of this fleet, newest first.

    Raises:
        EdgeError: Truth did not answer.
    """
    found = platform.records.newest(RecordKind.BOOT, limit=_BOOTS_READ)
    own = (document for _, document in found if document.get("fleet") == platform.fleet_name)
    return tuple(Boot.of(document) for document in own)


def capacity_memory(platform: Platform) -> CapacityMemory:
    """Return what was learned of starts, of gaps in demand, and whom nothing was heard of.

    Raises:
        EdgeError: Truth did not answer.
    """
    document = platform.records.get(RecordKind.LEARNED, platform.remembered_as(_MEMORY))
    return CapacityMemory.of(document) if document else CapacityMemory()


def learn_throughput(platform: Platform, *, images: int, seconds: float) -> None:
    """Remember how fast a drain was; too small a drain says nothing. A lost race loses one sample.

    Args:
        images: settled by the drain.
        seconds: from its beginning to the last of them.

    Raises:
        EdgeError: Truth did not answer.
    """
    if images < _LEAST_IMAGES or seconds <= 0:
        return
    name = platform.remembered_as(_THROUGHPUT)
    before = platform.records.get(RecordKind.LEARNED, name)
    rates = [float(each) for each in before["images_per_s"]] if before else []
    after = {"images_per_s": with_rate(rates, round(images / seconds, 3))}
    if before is None:
        platform.records.create(RecordKind.LEARNED, name, after)
    else:
        platform.records.replace(RecordKind.LEARNED, name, before, after)


def last_decisions(platform: Platform, *, limit: int) -> list[Decision]:
    """Return the newest decisions, newest first.

    Raises:
        EdgeError: Truth did not answer.
    """
    return [
        Decision(
            at=datetime.fromisoformat(document["at"]),
            plane=document["plane"],
            action=document["action"],
            desired=document["desired"],
            reason=document["reason"],
            plan=plan_of(document["plan"], at=datetime.fromisoformat(document["at"]))
            if document["plan"]
            else None,
            fleet=document.get("fleet"),
        )
        for _, document in platform.records.newest(RecordKind.CAPACITY, limit=limit)
    ]


def _scale_out(platform: Platform, action: ScaleOut) -> bool:
    """Raise, unless another plane did so meanwhile: the lower of two wishes must not win."""
    size = platform.fleet.size()
    if isinstance(size, Blind):
        raise UnavailableError(f"while raising the capacity: {size.reason}")
    if size.value.desired >= action.desired:
        return False
    platform.fleet.set_desired(min(action.desired, platform.capacity.most, size.value.max_size))
    _record(platform, "scale_out", desired=action.desired, reason=action.reason, plan=action.plan)
    return True


def _lowers(platform: Platform, is_due: Callable[[int], bool]) -> bool:
    """Take the lease and look again: whether this process may lower now, and it is still due.

    The token is checked last. A process that was suspended since, or another run of the same function, has
    been fenced; what remains is the time of one call, and the next cycle of any plane raises again.
    """
    now = platform.clock()
    token = platform.control.take_lease(LEASE, platform.plane, now=now, duration_s=_LEASE_S)
    if token is None:
        return False
    size = platform.fleet.size()
    if isinstance(size, Blind) or not is_due(size.value.desired):
        return False
    return platform.control.holds_lease(LEASE, token, now=platform.clock())


def _learn(platform: Platform, before: CapacityMemory, after: CapacityMemory) -> bool:
    stored, new = before.document(), after.document()
    name = platform.remembered_as(_MEMORY)
    return platform.records.replace(RecordKind.LEARNED, name, stored, new) or platform.records.create(
        RecordKind.LEARNED, name, new
    )


def _record(
    platform: Platform, action: str, *, desired: int | None, reason: str, plan: CapacityPlan | None = None
) -> None:
    now = platform.clock()
    document = {
        "at": now.isoformat(),
        "plane": platform.plane,
        "action": action,
        "desired": desired,
        "reason": reason,
        "plan": plan.document() if plan else None,
        "fleet": platform.fleet_name,
    }
    name = platform.remembered_as(action)
    record_id = f"{now.isoformat(timespec='microseconds')}#{platform.plane}#{name}"
    platform.records.put(RecordKind.CAPACITY, record_id, document, expires_at=now + _DECISION_LIFE)


def _memory(platform: Platform) -> CapacityMemory | Blind:
    learned = reading_of(platform, "capacity memory", lambda: capacity_memory(platform))
    return learned if isinstance(learned, Blind) else learned.value


def _run(platform: Platform, signal: str) -> EmptyReadings | None:
    """Return a remembered run of readings; without it nothing is lowered."""
    try:
        return platform.control.empty_readings(platform.remembered_as(signal))
    except EdgeError:
        return None


def _rates(platform: Platform) -> tuple[float, ...]:
    """Return what drains measured; without it the prior serves as well."""
    try:
        document = platform.records.get(RecordKind.LEARNED, platform.remembered_as(_THROUGHPUT))
    except EdgeError:
        return ()
    return tuple(float(each) for each in document["images_per_s"]) if document else ()


def _pulses(platform: Platform, instance_ids: list[str]) -> dict[str, Pulse]:
    found = {name: platform.records.get(RecordKind.PULSE, name) for name in instance_ids}
    return {name: Pulse.of(name, document) for name, document in found.items() if document}
