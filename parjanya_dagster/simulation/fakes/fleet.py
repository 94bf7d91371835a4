"""In-memory twin of the workers' Auto Scaling group."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from parjanya_dagster.core.belief.signals import (
    Blind,
    FleetSignal,
    FleetSize,
    Instance,
    Launch,
    LaunchesSignal,
    Reading,
)
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.simulation.fakes.calls import Calls, Twist, suffix_of


class FakeFleet:
    """A group whose instances are in service at once, unless somebody else boots them.

    Attributes:
        boots: it launches and ends instances itself; a simulator that does so switches this off, and keeps
            `members` and `in_service`.
        members: its instances, oldest first.
        history: its launches, oldest first.
        refusal: why EC2 refuses to launch; None when it launches.
        on_desired: told of every change of the desired capacity, as (before, after).
        on_terminate: told which instance is to end.
        on_twice: told of a desired capacity that will be set `again`: the call was delivered twice.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        calls: Calls | None = None,
        *,
        desired: int = 0,
        min_size: int = 0,
        max_size: int = 4,
        fleet: str | None = None,
    ) -> None:
        self.desired = 0
        self.in_service = 0
        self.boots = True
        self.members: list[Instance] = []
        self.history: list[Launch] = []
        self.refusal: str | None = None
        self.template_version = "1"
        self.warm = 0
        self.on_desired: Callable[[int, int], None] = _nobody
        self.on_terminate: Callable[[str], None] = _nobody
        self.on_twice: Callable[[int], None] = _nobody
        self._min_size = min_size
        self._max_size = max_size
        self._clock = clock
        self._calls = calls or Calls()
        self._of = suffix_of(fleet)
        self._want(desired)

    def protect(self, instance_id: str, *, protected: bool) -> None:
        """Set an instance's protection, as its worker does; unprotected and surplus, it leaves."""
        self.members = [
            replace(each, is_protected=protected) if each.instance_id == instance_id else each
            for each in self.members
        ]
        self._converge()

    def size(self) -> FleetSignal:
        """See `Fleet`; Blind when a test asked `fleet.size` to fail."""
        try:
            with self._calls(f"fleet.size{self._of}"):
                size = FleetSize(
                    desired=self.desired,
                    in_service=self.in_service,
                    min_size=self._min_size,
                    max_size=self._max_size,
                    instances=tuple(self.members),
                    template_version=self.template_version,
                    warm=self.warm,
                )
                return Reading(value=size, at=self._clock())
        except EdgeError as error:
            return Blind(signal="fleet.size", reason=str(error), at=self._clock())

    def launches(self) -> LaunchesSignal:
        """See `Fleet`; Blind when a test asked `fleet.launches` to fail."""
        try:
            with self._calls(f"fleet.launches{self._of}"):
                return Reading(value=tuple(reversed(self.history)), at=self._clock())
        except EdgeError as error:
            return Blind(signal="fleet.launches", reason=str(error), at=self._clock())

    def set_desired(self, desired: int) -> None:
        """See `Fleet`."""
        with self._calls(f"fleet.set_desired{self._of}"):
            if not self._min_size <= desired <= self._max_size:
                raise EdgeError(f"desired {desired} is outside [{self._min_size}, {self._max_size}]")
            self._want(desired)
            if self._calls.twist is Twist.TWICE:
                self.on_twice(desired)

    def again(self, desired: int) -> None:
        """Set the desired capacity as a call did before, whatever was called since."""
        self._want(desired)

    def terminate(self, instance_id: str) -> bool:
        """See `Fleet`."""
        with self._calls(f"fleet.terminate{self._of}"):
            member = next((each for each in self.members if each.instance_id == instance_id), None)
            if member is None or "Terminat" in member.lifecycle:
                return False
            self.on_terminate(instance_id)
            if self.boots:
                self.members.remove(member)
            self._want(max(self.desired - 1, self._min_size))
            return True

    def use_template(self, version: str) -> None:
        """See `Fleet`."""
        with self._calls(f"fleet.use_template{self._of}"):
            self.template_version = version

    def _want(self, desired: int) -> None:
        before, self.desired = self.desired, desired
        if before != desired:
            self.on_desired(before, desired)
        self._converge()

    def _converge(self) -> None:
        """Launch what is missing, and let go of the youngest that nothing protects."""
        if not self.boots:
            return
        while len(self.members) < self.desired and self._launch():
            pass
        for member in [each for each in reversed(self.members) if not each.is_protected]:
            if len(self.members) > self.desired:
                self.members.remove(member)
        self.in_service = len(self.members)

    def _launch(self) -> bool:
        number = len(self.history) + 1
        launch = Launch(
            activity_id=f"activity-{number}",
            instance_id=None if self.refusal else f"i-{number:017x}",
            is_warm=self.warm > 0,
            started_at=self._clock(),
            error=self.refusal,
            blames_template=self.refusal is not None,
        )
        self.history.append(launch)
        if launch.instance_id is None:
            return False
        member = Instance(
            instance_id=launch.instance_id,
            lifecycle="InService",
            is_protected=False,  # as its worker leaves it when idle; a test protects one that is busy
            template_version=self.template_version,
        )
        self.members.append(member)
        self.warm = max(self.warm - 1, 0)
        return True


def _nobody(*_told: object) -> None:
    return
