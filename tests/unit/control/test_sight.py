"""What a cycle reads, what it says of what it could not read, and whom its heartbeat tells."""

from dataclasses import replace
from datetime import timedelta

import pytest

from parjanya_dagster.control.reconcile import reconcile_rows, reconcile_world
from parjanya_dagster.core.errors import DeniedError, UnavailableError
from parjanya_dagster.core.reconcile.actions import EmitIntent
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.truth.row import Lane, Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NOON, TENANT, a_job, a_key, a_row


def reads(world: FakePlatform) -> list[str]:
    """Return the calls that read Truth or a queue."""
    return sorted(name for name in world.calls.names if name not in world.calls.writes)


def test_idle_cycle_reads_each_index_once_and_no_row() -> None:
    """A million finished rows cost what none costs."""
    world = a_fake_platform()
    world.images.add(*(a_row(number, status=Status.ENRICHED) for number in range(500)))
    world.control.register_tenant(TENANT, now=NOON)
    world.clock.advance(hours=3)
    reconcile_world(world.platform())
    world.calls.clear()
    world.clock.advance(seconds=5)

    reconcile_world(world.platform())

    read = reads(world)
    assert read.count("images.due_gaps") == 2
    assert read.count("images.outstanding") == 1
    assert {"images.get_many", "images.results", "dead_letters.receive", "objects.originals"}.isdisjoint(read)
    assert set(world.calls.writes) <= {"control.beat"}


def test_cycle_over_a_deep_backlog_reads_none_of_it() -> None:
    """Jobs that are out and queued are no divergence: nobody re-reads them every minute."""
    world = a_fake_platform()
    rows = [a_row(number) for number in range(300)]
    world.images.add(*rows)
    reconcile_rows(world.platform(), [row.key for row in rows])
    world.calls.clear()
    world.clock.advance(minutes=5)

    cycle = reconcile_world(world.platform())

    assert cycle.snapshot.outstanding == ()
    assert "images.get_many" not in world.calls.names


def test_cycle_over_a_deep_regrade_reads_what_it_may_send() -> None:
    """A million regrades in the gap cost a full queue's cycle nothing at all."""
    world = replace(a_fake_platform(), capacity=CapacityLimits(seconds_per_image=60))
    world.fleet.boots = False
    world.images.add(*(a_row(number, lane=Lane.REGRADE) for number in range(50)))
    platform = world.platform()
    world.clock.advance(minutes=1)

    first = reconcile_world(platform)
    assert len(world.queue.jobs) == 10  # ten minutes of work
    world.calls.clear()
    second = reconcile_world(platform)

    assert len(first.snapshot.gaps) == 10
    assert second.snapshot.gaps == ()
    assert world.calls.count("images.due_gaps") == 1


def test_flood_of_one_tenant_does_not_hide_another_behind_the_bounded_read() -> None:
    """More index entries are looked at than rows are read, so that tenants take turns among them."""
    world = replace(a_fake_platform(), limits=Limits(max_actions=10, max_window=1000))
    world.images.add(*(a_row(number) for number in range(200)))
    world.images.add(a_row(1, tenant_id="zeta", due_at=NOON + timedelta(seconds=1)))
    world.clock.advance(minutes=1)

    reconcile_world(world.platform())

    assert {job.tenant_id for job in world.queue.jobs} == {"acme", "zeta"}


@pytest.mark.parametrize(
    "part",
    [
        "images.due_gaps",
        "images.outstanding",
        "images.get_many",
        "control.empty_readings",
        "control.heartbeats",
    ],
)
@pytest.mark.parametrize("error", [DeniedError("AccessDenied"), UnavailableError("throttled")])
def test_cycle_that_could_not_read_a_part_of_truth_goes_on_and_does_not_beat(
    part: str, error: DeniedError | UnavailableError
) -> None:
    """A plane that cannot see is reported and looks dead; whatever it can still see, it repairs."""
    world = a_fake_platform()
    world.images.add(a_row())
    world.fleet.set_desired(1)
    world.clock.advance(minutes=1)
    world.calls.fail(part, error)

    cycle = reconcile_world(world.platform())

    assert cycle.applied is not None
    assert any(str(error) in each for each in cycle.applied.blind)
    assert world.control.heartbeats() == {}
    assert world.heart.beats == {}
    assert world.fleet.desired == 1


def test_lane_that_cannot_be_read_keeps_no_other_waiting() -> None:
    """Fresh rows are sent while the regrades' part of the index does not answer."""
    world = a_fake_platform()
    world.images.add(a_row(1, lane=Lane.REGRADE), a_row(2))
    world.clock.advance(minutes=1)
    platform = world.platform()
    due_gaps = world.images.due_gaps

    def half_blind(lane: Lane, **given: object) -> object:
        if lane is Lane.REGRADE:
            raise UnavailableError("throttled")
        return due_gaps(lane, **given)  # type: ignore[arg-type]  # passed on as they came

    world.images.due_gaps = half_blind  # type: ignore[method-assign, assignment]  # one lane of two fails

    cycle = reconcile_world(platform)

    assert [a.row.lane for a in cycle.actions if isinstance(a, EmitIntent)] == [Lane.FRESH]
    assert [blind.signal for blind in cycle.snapshot.unread] == ["index gap, lane regrade"]


def test_outage_of_denied_reads_never_lowers_nor_exceeds_the_maximum() -> None:
    """KEDA issue 8036 for a whole night: capacity stays what it was, and never grows beyond its bound."""
    world = a_fake_platform()
    world.images.add(*(a_row(number) for number in range(4000)))
    world.fleet.set_desired(2)
    world.calls.fail("queue.depth", DeniedError("AccessDenied"), times=10_000)
    seen = set()

    for _ in range(60):
        world.clock.advance(minutes=1)
        reconcile_world(world.platform())
        seen.add(world.fleet.desired)

    assert min(seen) >= 2
    assert max(seen) <= 4
    assert world.control.heartbeats() == {}


def test_heartbeat_is_written_each_cycle_and_heard_once_a_minute() -> None:
    """An alarm's period needs one data point, and each is paid for."""
    world = a_fake_platform()
    for _ in range(25):
        reconcile_world(world.platform())
        world.clock.advance(seconds=5)

    assert world.calls.count("control.beat") == 25
    assert len(world.heart.beats["lambda"]) == 3


def test_heartbeat_of_one_plane_says_nothing_of_the_other() -> None:
    """One plane's health never masks the other's blindness."""
    world = a_fake_platform()
    reconcile_world(world.platform())

    reconcile_world(replace(world.platform(), plane="dagster"), dry_run=True)

    assert set(world.control.heartbeats()) == set(world.heart.beats) == {"lambda"}


@pytest.mark.parametrize("name", ["heart.beat", "control.beat"])
def test_heartbeat_that_cannot_be_written_does_not_undo_the_cycle(name: str) -> None:
    """The work is done; that nobody heard of it is a fault of its own."""
    world = a_fake_platform()
    world.images.add(a_row())
    world.clock.advance(minutes=1)
    world.calls.fail(name, DeniedError("AccessDenied"))

    cycle = reconcile_world(world.platform())

    assert cycle.applied is not None
    assert cycle.applied.faults == ["heartbeat: AccessDenied"]
    assert len(world.queue.jobs) == 1


def test_readings_that_grew_old_during_a_slow_cycle_are_blind() -> None:
    """What was read two minutes ago says nothing about now."""
    world = a_fake_platform()
    world.queue.send([a_job()])
    slow = replace(
        world.platform(), limits=Limits(cycle_time=timedelta(0), reading_life=timedelta(seconds=1))
    )
    ticking = replace(slow, clock=lambda: world.clock.advance(seconds=1))

    cycle = reconcile_world(ticking)

    assert cycle.applied is not None
    assert any(each.startswith("queue.depth: stale") for each in cycle.applied.blind)
    assert world.control.heartbeats() == {}


def test_events_of_rows_that_wait_for_nothing_ask_nobody() -> None:
    """A settled row costs its event one read."""
    world = a_fake_platform()
    world.images.add(a_row(status=Status.ENRICHED))

    cycle = reconcile_rows(world.platform(), [a_key(), a_key(), a_key(2)])

    assert (cycle.actions, world.calls.names) == ((), ["images.get_many"])
