"""The workers' group and its instances: launches, boots, protection, notices and deaths."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from parjanya_dagster.core.belief.signals import Instance, Launch
from parjanya_dagster.core.errors import DeniedError
from parjanya_dagster.simulation.draws import between
from parjanya_dagster.simulation.fakes.fleet import FakeFleet
from parjanya_dagster.simulation.faults import Chaos, Fault
from parjanya_dagster.simulation.kernel import MS_PER_S, Kernel

_NOTICE_S: Final = 120
_RELAUNCH_S: Final = 30
_NO_CAPACITY: Final = "InsufficientInstanceCapacity"
_NO_IMAGE: Final = "InvalidAMIID.NotFound"
_REFUSED_S: Final = 60
_COLD_S: Final = (60.0, 200.0)
_WARM_S: Final = (15.0, 30.0)
_LIFE_S: Final = (10.0, 900.0)
_PENDING: Final = "Pending"
GOOD_TEMPLATE: Final = "1"
BROKEN_TEMPLATE: Final = "2"
"""The version of the launch template whose image is gone."""


class Occupant(Protocol):
    """What runs on an instance."""

    def leave(self, reason: str) -> None:
        """Receive no more, and end."""

    def die(self) -> None:
        """End at once."""


class Group:
    """Auto Scaling: launches and terminates until there are as many instances as desired.

    Args:
        fleet: what the product sees of the group; its members and history are kept here.
        occupy: starts what runs on an instance that came into service.
        on_launched: told how many instances are paid for from now on.
        label: what the ids of its instances have beside their numbers.
    """

    def __init__(
        self,
        kernel: Kernel,
        chaos: Chaos,
        fleet: FakeFleet,
        *,
        seed: str,
        occupy: Callable[[str], Occupant],
        on_launched: Callable[[int], None],
        label: str = "",
    ) -> None:
        self._ended_s = 0.0
        self._kernel = kernel
        self._chaos = chaos
        self._fleet = fleet
        self._seed = seed
        self._occupy = occupy
        self._on_launched = on_launched
        self._label = label
        self._occupants: dict[str, Occupant] = {}
        self._launched_ms: dict[str, int] = {}
        fleet.boots = False
        fleet.on_terminate = self._end

    @property
    def paid_s(self) -> float:
        """Seconds of all instances together, from launch to end or until now."""
        running = (self._kernel.now_ms - at for at in self._launched_ms.values())
        return self._ended_s + sum(running) / MS_PER_S

    def desired_changed(self) -> None:
        """Let the group notice what is desired now."""
        self._kernel.after(1, self._converge)

    def instance(self, instance_id: str) -> Instance | None:
        """Return a member, or None for one that is gone."""
        return next((each for each in self._fleet.members if each.instance_id == instance_id), None)

    def protect(self, instance_id: str, *, protected: bool) -> None:
        """Change a member's protection, as its worker does.

        Raises:
            DeniedError: the group has begun to terminate it.
        """
        member = self.instance(instance_id)
        if member is None or not member.is_in_service:
            raise DeniedError(f"{instance_id} is not in service")
        self._put(replace(member, is_protected=protected))
        self._kernel.after(1, self._converge)

    def occupied_by(self, instance_id: str, occupant: Occupant) -> None:
        """Note what runs on an instance."""
        self._occupants[instance_id] = occupant

    def _converge(self) -> None:
        """Launch what is missing, and end what is too much and not protected, booting instances first."""
        surplus = len(self._fleet.members) - self._fleet.desired
        for _ in range(-surplus):
            self._launch()
        booting = [each for each in self._fleet.members if not each.is_in_service]
        free = [each for each in self._fleet.members if each.is_in_service and not each.is_protected]
        for member in [*booting, *free][: max(surplus, 0)]:
            self._end(member.instance_id)

    def _launch(self) -> None:
        number = len(self._fleet.history) + 1
        instance_id = f"i-{self._label}{number}"
        is_refused = self._chaos.strikes(Fault.LAUNCH_REFUSED, instance_id)
        is_broken = self._fleet.template_version == BROKEN_TEMPLATE
        is_warm = self._fleet.warm > 0 and not is_broken
        self._fleet.history.append(
            Launch(
                activity_id=f"activity-{self._label}{number}",
                instance_id=None if is_refused or is_broken else instance_id,
                is_warm=is_warm,
                started_at=self._kernel.clock.now,
                error=_NO_CAPACITY if is_refused else _NO_IMAGE if is_broken else self._fleet.refusal,
                blames_template=is_broken or self._fleet.refusal is not None,
            )
        )
        if is_refused or is_broken or self._fleet.refusal:
            self._kernel.after(_REFUSED_S, self._converge)
            return
        self._fleet.warm = max(self._fleet.warm - 1, 0)
        self._launched_ms[instance_id] = self._kernel.now_ms
        self._fleet.members.append(
            Instance(
                instance_id=instance_id,
                lifecycle=_PENDING,
                is_protected=True,
                template_version=self._fleet.template_version,
            )
        )
        self._on_launched(len(self._fleet.members))
        delay_s = between(*(_WARM_S if is_warm else _COLD_S), self._seed, "boot", instance_id)
        self._kernel.after(delay_s, lambda: self._booted(instance_id))

    def _booted(self, instance_id: str) -> None:
        member = self.instance(instance_id)
        if member is None:
            return
        if self._chaos.strikes(Fault.BOOT_FAILED, instance_id):
            self.lose(instance_id)
            return
        self._put(replace(member, lifecycle="InService"))
        if not self._chaos.strikes(Fault.WORKER_HUNG, instance_id):
            self._occupants[instance_id] = self._occupy(instance_id)
        life_s = between(*_LIFE_S, self._seed, "life", instance_id)
        if self._chaos.strikes(Fault.INSTANCE_DIED, instance_id):
            self._kernel.after(life_s, lambda: self.lose(instance_id))
        if self._chaos.strikes(Fault.SPOT_NOTICE, instance_id):
            self._kernel.after(life_s, lambda: self._notify(instance_id))

    def _notify(self, instance_id: str) -> None:
        if instance_id in self._occupants:
            self._occupants[instance_id].leave("spot interruption")
        self._kernel.after(_NOTICE_S, lambda: self.lose(instance_id))

    def lose(self, instance_id: str) -> None:
        """End an instance without a notice; the group replaces it."""
        self._end(instance_id)
        self._kernel.after(_RELAUNCH_S, self._converge)

    def _end(self, instance_id: str) -> None:
        if self.instance(instance_id) is None:
            return
        self._fleet.members = [each for each in self._fleet.members if each.instance_id != instance_id]
        self._count()
        self._ended_s += (self._kernel.now_ms - self._launched_ms.pop(instance_id)) / MS_PER_S
        occupant = self._occupants.pop(instance_id, None)
        if occupant is not None:
            occupant.die()

    def _put(self, member: Instance) -> None:
        self._fleet.members = [
            member if each.instance_id == member.instance_id else each for each in self._fleet.members
        ]
        self._count()

    def _count(self) -> None:
        self._fleet.in_service = sum(each.is_in_service for each in self._fleet.members)
