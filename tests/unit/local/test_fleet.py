"""The realiser's decisions and one cycle of it, with a fake group and fake processes."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.local.fleet import Fleet
from parjanya_dagster.local.instances import FleetChanges, fleet_changes, is_on, replacement_delay_s

_IDS = st.frozensets(st.sampled_from(["i-1", "i-2", "i-3", "i-4"]))


@dataclass
class FakeProcess:
    """A process that ends when told to, or when the test says so."""

    exit_status: int | None = None
    asked: bool = False
    obeys: bool = True

    def ask_to_end(self) -> None:
        """End at once, unless it is stuck."""
        self.asked = True
        if self.obeys:
            self.exit_status = 0

    def kill(self) -> None:
        """End for certain."""
        self.exit_status = -9


@dataclass
class FakeGroup:
    """A group that holds what the test puts there, and can be unreadable."""

    instances: set[str] = field(default_factory=set)
    replaced: list[str] = field(default_factory=list)
    readable: bool = True

    def switched_on(self) -> frozenset[str]:
        """The instances, or an error while unreadable."""
        if not self.readable:
            raise LookupError("there is no such group")
        return frozenset(self.instances)

    def replace(self, instance_id: str) -> None:
        """Swap the instance for a new one, as the group does."""
        self.replaced.append(instance_id)
        self.instances.remove(instance_id)
        self.instances.add(f"{instance_id}'")


class Scene:
    """A fleet over fakes, its processes by instance."""

    def __init__(self, *, grace_s: float = 20.0) -> None:
        self.group = FakeGroup()
        self.processes: dict[str, FakeProcess] = {}
        self.obeys = True
        self.fleet = Fleet(self.group, self._start, grace_s=grace_s)

    def _start(self, instance_id: str) -> FakeProcess:
        before = self.processes.get(instance_id)
        assert before is None or before.exit_status is not None, "an instance has one process at a time"
        self.processes[instance_id] = FakeProcess(obeys=self.obeys)
        return self.processes[instance_id]


@given(_IDS, _IDS, _IDS)
def test_changes_when_carried_out_then_nothing_is_left_to_do(
    switched_on: frozenset[str], running: frozenset[str], dead: frozenset[str]
) -> None:
    """The decision reaches its goal in one step: processes equal the group, minus the dead."""
    dead = dead - running
    changes = fleet_changes(switched_on, running=running, dead=dead)

    after = (running | set(changes.start)) - set(changes.stop)

    assert after == switched_on - dead
    assert fleet_changes(switched_on, running=after, dead=dead) == FleetChanges(
        start=(), stop=(), replace=changes.replace
    )


def test_replacement_delay_when_deaths_go_on_then_grows_to_a_minute() -> None:
    """A worker that cannot boot is not relaunched in a tight loop."""
    assert [replacement_delay_s(deaths) for deaths in (1, 2, 3, 7, 1000)] == [1, 2, 4, 60, 60]


def test_instance_when_switched_on_then_gets_one_worker() -> None:
    """One process per instance, however often the group is read."""
    scene = Scene()
    scene.group.instances = {"i-1", "i-2"}

    scene.fleet.follow(0)
    scene.fleet.follow(1)

    assert sorted(scene.processes) == ["i-1", "i-2"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("Pending", False),
        ("Pending:Wait", True),
        ("Pending:Proceed", True),
        ("InService", True),
        ("Terminating", False),
        ("Terminating:Wait", True),
        ("Warmed:Pending", False),
        ("Warmed:Pending:Wait", True),
        ("Warmed:Stopped", False),
        ("Warmed:Hibernated", False),
        ("Warmed:Running", True),
        ("Warmed:Terminating:Wait", False),
    ],
)
def test_machine_when_in_a_state_then_is_on_or_off(
    state: str,
    expected: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    """A worker runs where a machine would: in service, and while a hook waits for what runs on it."""
    assert is_on(state) == expected


def test_instance_when_stopped_and_started_again_then_first_worker_ends_before() -> None:
    """A machine that leaves the warm pool quickly is off before it is on again."""
    scene = Scene(grace_s=10)
    scene.obeys = False
    scene.group.instances = {"i-1"}
    scene.fleet.follow(0)
    first = scene.processes["i-1"]
    scene.group.instances = set()
    scene.fleet.follow(1)

    scene.group.instances = {"i-1"}
    scene.fleet.follow(2)
    assert scene.processes["i-1"] is first
    first.exit_status = 0
    scene.fleet.follow(3)

    assert scene.processes["i-1"] is not first


def test_instance_when_gone_then_worker_is_asked_and_later_killed() -> None:
    """A terminated instance's worker gets SIGTERM, and SIGKILL when its grace is over."""
    scene = Scene(grace_s=10)
    scene.obeys = False
    scene.group.instances = {"i-1"}
    scene.fleet.follow(0)

    scene.group.instances = set()
    scene.fleet.follow(1)
    scene.fleet.follow(10)
    assert scene.processes["i-1"].asked
    assert scene.processes["i-1"].exit_status is None

    scene.fleet.follow(11)
    assert scene.processes["i-1"].exit_status == -9


def test_worker_when_it_dies_then_instance_is_replaced_not_restarted() -> None:
    """A dead machine stays dead: the group is told, once, and launches another."""
    scene = Scene()
    scene.group.instances = {"i-1"}
    scene.fleet.follow(0)

    scene.processes["i-1"].exit_status = 1
    scene.fleet.follow(1)
    assert scene.group.replaced == []
    scene.fleet.follow(2)
    scene.fleet.follow(3)

    assert scene.group.replaced == ["i-1"]
    assert sorted(scene.processes) == ["i-1", "i-1'"]


@pytest.mark.parametrize(("lived_s", "expected_wait_s"), [(1, 2), (60, 1)])
def test_worker_when_it_dies_again_then_back_off_depends_on_its_life(
    lived_s: int, expected_wait_s: int
) -> None:
    """Only deaths of young workers count as boot failures."""
    scene = Scene()
    scene.group.instances = {"i-1"}
    scene.fleet.follow(0)
    scene.processes["i-1"].exit_status = 1
    scene.fleet.follow(1)
    scene.fleet.follow(2)
    scene.fleet.follow(3)  # the replacement's worker starts

    died_at = 3 + lived_s
    scene.processes["i-1'"].exit_status = 1
    scene.fleet.follow(died_at)
    scene.fleet.follow(died_at + expected_wait_s - 0.1)
    assert scene.group.replaced == ["i-1"]

    scene.fleet.follow(died_at + expected_wait_s)
    assert scene.group.replaced == ["i-1", "i-1'"]


def test_group_when_unreadable_then_nothing_changes() -> None:
    """Blind is never zero: an unreadable group ends no worker."""
    scene = Scene()
    scene.group.instances = {"i-1"}
    scene.fleet.follow(0)

    scene.group.readable = False
    scene.fleet.follow(1)

    assert not scene.processes["i-1"].asked


def test_fleet_when_switched_off_then_workers_end_and_group_stays() -> None:
    """Stopping the realiser is the laptop's power switch, not a scale-in."""
    scene = Scene()
    scene.group.instances = {"i-1", "i-2"}
    scene.fleet.follow(0)

    scene.fleet.end_all(1)

    assert scene.fleet.has_ended(1)
    assert all(process.asked for process in scene.processes.values())
    assert scene.group.instances == {"i-1", "i-2"}
