"""An extra fleet in whole cycles: its jobs, its group, what is learned of it, and what is said about it."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from parjanya_dagster.control.audit import audit_intents
from parjanya_dagster.control.capacity import (
    capacity_memory,
    last_decisions,
    learn_throughput,
    newest_boots,
    observe_capacity,
    write_boot,
)
from parjanya_dagster.control.capacity_report import report_fleets
from parjanya_dagster.control.diagnose import diagnosis_of
from parjanya_dagster.control.reconcile import reconcile_rows, reconcile_world
from parjanya_dagster.control.scan import pending_enrichment
from parjanya_dagster.control.why import waits_of, why
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.truth.row import ImageRow
from parjanya_dagster.simulation.fakes.fleet import FakeFleet
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from parjanya_dagster.simulation.fakes.queue import FakeIntentQueue
from tests.builders import NOON, TENANT, a_key, a_row
from tests.evidence_builders import a_boot

LARGE = "large"


@pytest.fixture
def world() -> FakePlatform:
    """Return a world with an extra fleet, and an image for each of its two fleets."""
    world = a_fake_platform(fleets=(LARGE,))
    world.control.register_tenant(TENANT, now=NOON)
    world.images.add(a_row(1, fleet=LARGE, entered_at=NOON - timedelta(minutes=1)), a_row(2))
    return world


def queue_of(world: FakePlatform) -> FakeIntentQueue:
    """Return the extra fleet's queue."""
    return world.others[LARGE].queue


def group_of(world: FakePlatform) -> FakeFleet:
    """Return the extra fleet's group."""
    return world.others[LARGE].fleet


def images_on(queue: FakeIntentQueue) -> list[str]:
    """Return the images whose jobs lie on a queue."""
    return [job.image_id for job in queue.jobs]


def cycles(world: FakePlatform, times: int, *, every: timedelta = timedelta(minutes=1)) -> None:
    """Run cycles, the first of them past the age at which the sweep takes rows up."""
    for _ in range(times):
        world.clock.advance(seconds=every.total_seconds())
        reconcile_world(world.platform())


@pytest.mark.parametrize("whole", [True, False], ids=["sweep", "event"])
def test_job_goes_to_the_queue_of_its_fleet_and_wakes_its_group(world: FakePlatform, *, whole: bool) -> None:
    """A replay to another fleet reaches it by the sweep as by the stream."""
    world.clock.advance(minutes=1)
    if whole:
        reconcile_world(world.platform())
    else:
        reconcile_rows(world.platform(), [a_key(1), a_key(2)])

    assert images_on(queue_of(world)) == [a_key(1).image_id]
    assert images_on(world.queue) == [a_key(2).image_id]
    assert (world.fleet.desired, group_of(world).desired) == (1, 1)
    assert queue_of(world).jobs[0].fleet == LARGE


def test_event_that_concerns_the_usual_fleet_asks_nothing_of_another(world: FakePlatform) -> None:
    """What there is beside it costs an event nothing."""
    alone = a_fake_platform()
    alone.images.add(a_row(2))
    asked = []
    for each in (world, alone):
        each.calls.clear()
        reconcile_rows(each.platform(), [a_key(2)])
        asked.append(Counter(each.calls.names))

    assert asked[0] == asked[1]


def test_idle_extra_fleet_costs_a_cycle_a_few_reads_and_no_write() -> None:
    """Its queue, its group, and what is remembered of it; nothing else is read twice."""
    costs = []
    for each in (a_fake_platform(fleets=(LARGE,)), a_fake_platform()):
        cycles(each, 2)
        each.calls.clear()
        cycles(each, 1)
        costs.append(Counter(each.calls.names))

    assert costs[0] - costs[1] == {
        "queue.depth@large": 1,
        "fleet.size@large": 1,
        "records.get": 2,
        "control.empty_readings": 2,
    }


def test_queue_that_does_not_answer_keeps_no_other_fleets_jobs_waiting(world: FakePlatform) -> None:
    """The usual queue fails; the extra fleet's jobs are sent all the same, and the next cycle goes on."""
    world.calls.fail("queue.send", UnavailableError("no answer"))
    world.clock.advance(minutes=1)

    reconcile_world(world.platform())

    assert (len(world.queue.jobs), len(queue_of(world).jobs)) == (0, 1)


def test_extra_fleet_goes_back_to_zero_by_itself_while_the_usual_one_works(world: FakePlatform) -> None:
    """Two readings of its own queue lower it; the decision names it."""
    cycles(world, 1)
    [received] = queue_of(world).receive(limit=1, wait_s=0)
    queue_of(world).delete([received.receipt])
    row = world.images.rows[a_key(1)]
    world.images.rows[a_key(1)] = replace(a_row(1, fleet=LARGE, intent_at=None), quarantined=True)
    assert row.intent_at is not None

    cycles(world, 3)

    assert (world.fleet.desired, group_of(world).desired) == (1, 0)
    assert [(each.action, each.fleet) for each in last_decisions(world.platform(), limit=9)] == [
        ("scale_in", LARGE),
        ("scale_out", LARGE),
        ("scale_out", None),
    ]


def test_job_on_another_fleets_queue_is_not_lost_and_one_on_none_is_sent_again(world: FakePlatform) -> None:
    """All queues empty for two minutes prove a loss; the usual one alone does not."""
    cycles(world, 1)
    world.queue.purge()
    cycles(world, 5)
    assert world.images.rows[a_key(2)].emissions == 1

    queue_of(world).purge()
    cycles(world, 5)

    assert [world.images.rows[a_key(number)].emissions for number in (1, 2)] == [2, 2]


def test_dead_letter_of_an_extra_fleet_is_settled_and_its_image_goes_back_there(world: FakePlatform) -> None:
    """All fleets share the dead letters, so that one sweep sees to them."""
    cycles(world, 1)
    queue_of(world).receive_limit = 1
    queue_of(world).receive(limit=1, wait_s=0)
    world.clock.advance(minutes=4)
    assert queue_of(world).receive(limit=1, wait_s=0) == []
    assert [len(each.dead_bodies) for each in (world.queue, queue_of(world))] == [1, 0]

    cycles(world, 3)

    row = world.images.rows[a_key(1)]
    assert (row.fleet, row.returns, row.intent_at is not None) == (LARGE, 1, True)
    assert images_on(queue_of(world)) == [a_key(1).image_id]


def test_what_is_learned_of_one_fleet_is_not_believed_of_another(world: FakePlatform) -> None:
    """Another instance type boots and works at another pace, from a template with versions of its own."""
    usual, large = world.platform(), world.platform().of_fleet(LARGE)
    learn_throughput(large, images=100, seconds=10)
    write_boot(large, a_boot(1))
    write_boot(usual, a_boot(2))

    assert [each.instance_id for each in newest_boots(large)] == ["i-1"]
    assert [each.instance_id for each in newest_boots(usual)] == ["i-2"]
    cycles(world, 3)
    assert [each.mark.partition("#")[2] for each in capacity_memory(large).marks] == ["i-1"]
    assert [each.mark.partition("#")[2] for each in capacity_memory(usual).marks] == ["i-2"]
    assert observe_capacity(large, large.fleet.size()).rates == (10.0,)
    assert observe_capacity(usual, usual.fleet.size()).rates == ()


def test_report_on_capacity_is_of_each_fleet_by_itself(world: FakePlatform) -> None:
    """What waits, what it costs and what comes next, fleet by fleet."""
    world.clock.advance(minutes=1)

    usual, large = report_fleets(world.platform())

    assert [(each.fleet, each.next_steps) for each in (usual, large)] == [
        (None, ["raise to 1: 1 without a job yet"]),
        (LARGE, ["raise to 1: 1 without a job yet"]),
    ]
    assert large.document()["of_fleet"] == LARGE


def test_step_that_nobody_asked_for_is_found_on_the_fleet_it_is_missing_from(world: FakePlatform) -> None:
    """Incident 3 on an extra fleet: its jobs wait and its capacity is 0, while the usual fleet works."""
    cycles(world, 1)
    group_of(world).set_desired(0)
    world.clock.advance(minutes=5)
    for plane in ("lambda", "dagster"):
        world.control.beat(plane, now=world.clock())

    assert [each.summary for each in diagnosis_of(world.platform())] == [
        "fleet large: 1 job waiting for up to 5 min, and no instance asked for"
    ]
    assert "queue of fleet large, and no instance" in why(world.platform(), str(a_key(1))).reason


def test_audit_of_intents_counts_every_queue(world: FakePlatform) -> None:
    """A job on an extra fleet's queue is accounted for; an unreadable one is unknown, not nothing."""
    cycles(world, 1)
    world.clock.advance(minutes=1)

    assert audit_intents(world.platform()).unaccounted == 0
    world.calls.fail("queue.depth@large", UnavailableError("no answer"))
    assert audit_intents(world.platform()).messages is None


def test_wait_names_the_fleet_it_is_for(world: FakePlatform) -> None:
    """An operator who sent an image elsewhere sees where it waits, and for what."""
    cycles(world, 1)
    rows: list[ImageRow] = [world.images.rows[a_key(number)] for number in (1, 2)]

    answers = waits_of(world.platform(), rows)

    assert "queue of fleet large (" in answers[a_key(1)].reason
    assert "fleet" not in answers[a_key(2)].reason
    assert "a replay sent it to fleet large" in answers[a_key(1)].evidence
    gone = replace(world, others={}).platform()
    assert "the usual one scores it" in "".join(waits_of(gone, rows)[a_key(1)].evidence)
    assert "fleet large" in why(world.platform(), f"tenant:{TENANT}").reason


def test_scoring_run_plans_no_images_of_another_fleet(world: FakePlatform) -> None:
    """Its drain would wait for outcomes that only that fleet brings."""
    world.clock.advance(minutes=1)

    assert pending_enrichment(world.platform(), TENANT) == [a_key(2)]
