"""Sensors, tick by tick: what they ask for, and what holds them back."""

from collections.abc import Callable
from datetime import timedelta

import dagster as dg
import pytest

from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.defs.assets_scoring import score_images, vlm_scores
from parjanya_dagster.defs.sensors import (
    FAILURE_BACK_OFF,
    MINIMUM_RUN_INTERVAL,
    backlog_sensor,
    intent_gap_sensor,
    tenant_discovery,
)
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from tests.builders import TENANT, a_row
from tests.dagster.stand_ins import Tick, a_backlog


def _asked_for(answer: Tick) -> list[str | None]:
    assert isinstance(answer, dg.SensorResult), answer
    return [request.partition_key for request in answer.run_requests or []]


def _a_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, *, by_hand: bool = False) -> None:
    """Store a scoring run of the tenant, as the daemon would or as the UI does."""
    run = dg.DagsterRun(
        job_name="__ASSET_JOB" if by_hand else score_images.name,
        asset_selection=frozenset({vlm_scores.key}) if by_hand else None,
        tags={"dagster/partition": TENANT},
        status=status,
    )
    instance.add_run(run)


def test_backlog_when_tenants_wait_asks_for_one_tagged_run_each(
    world: FakePlatform, instance: dg.DagsterInstance, tick: Callable[..., Tick]
) -> None:
    """Each tenant with a backlog gets its own run, tagged with tenant, priority and what waited."""
    instance.add_dynamic_partitions("tenant", ["other"])
    a_backlog(world, TENANT, "other")

    answer = tick(backlog_sensor)

    assert _asked_for(answer) == [TENANT, "other"]
    assert isinstance(answer, dg.SensorResult)
    (first, _) = answer.run_requests or []
    assert first.tags == {"tenant": TENANT, "priority": "normal", "parjanya/backlog": "1"}


def test_backlog_when_a_tenant_has_no_partition_yet_leaves_it_for_discovery(
    world: FakePlatform, tick: Callable[..., Tick]
) -> None:
    """A run for a partition that Dagster does not know would kill the tick for every tenant."""
    a_backlog(world, "newcomer", TENANT)

    assert _asked_for(tick(backlog_sensor)) == [TENANT]


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_backlog_when_a_run_is_active_asks_for_no_second(
    world: FakePlatform,
    instance: dg.DagsterInstance,
    tick: Callable[..., Tick],
    status: dg.DagsterRunStatus,
    *,
    by_hand: bool,
) -> None:
    """At most one active run per tenant, whether a sensor or a person started it."""
    a_backlog(world, TENANT)
    _a_run(instance, status, by_hand=by_hand)
    world.clock.advance(hours=1)

    answer = tick(backlog_sensor)

    assert isinstance(answer, dg.SkipReason)
    assert "a run is active" in (answer.skip_message or "")


def test_backlog_when_a_run_just_began_waits_the_minimum_interval(
    world: FakePlatform, instance: dg.DagsterInstance, tick: Callable[..., Tick]
) -> None:
    """Runs that end at once don't follow each other without a pause; nothing but the run storage is asked."""
    a_backlog(world, TENANT)
    _a_run(instance, dg.DagsterRunStatus.SUCCESS)

    assert isinstance(tick(backlog_sensor), dg.SkipReason)
    world.clock.advance(seconds=MINIMUM_RUN_INTERVAL.total_seconds() + 1)
    assert _asked_for(tick(backlog_sensor)) == [TENANT]


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_backlog_when_the_last_run_did_not_succeed_backs_off(
    world: FakePlatform,
    instance: dg.DagsterInstance,
    tick: Callable[..., Tick],
    status: dg.DagsterRunStatus,
) -> None:
    """A failing or cancelled tenant waits longer, alone, and without a cursor to forget it."""
    instance.add_dynamic_partitions("tenant", ["other"])
    a_backlog(world, TENANT, "other")
    _a_run(instance, status)

    world.clock.advance(seconds=MINIMUM_RUN_INTERVAL.total_seconds() + 1)
    assert _asked_for(tick(backlog_sensor)) == ["other"]
    world.clock.advance(seconds=FAILURE_BACK_OFF.total_seconds())
    assert _asked_for(tick(backlog_sensor)) == [TENANT, "other"]


def test_backlog_when_the_queue_is_empty_starts_nothing(
    world: FakePlatform, tick: Callable[..., Tick]
) -> None:
    """A run could do nothing for rows whose jobs are lost: the fleet must not be woken for them for ever."""
    a_backlog(world, TENANT)
    world.queue.purge()

    answer = tick(backlog_sensor)

    assert isinstance(answer, dg.SkipReason)
    assert "reconciliation" in (answer.skip_message or "")


def test_backlog_when_the_queue_cannot_be_read_goes_by_truth(
    world: FakePlatform, tick: Callable[..., Tick]
) -> None:
    """Blind is never zero."""
    a_backlog(world, TENANT)
    world.calls.fail("queue.depth", UnavailableError("no answer"))

    assert _asked_for(tick(backlog_sensor)) == [TENANT]


def test_backlog_with_many_tenants_reads_a_bounded_number_of_times(
    world: FakePlatform, instance: dg.DagsterInstance, tick: Callable[..., Tick]
) -> None:
    """A tick costs the same calls with fifty tenants as with one."""
    tenants = [f"tenant-{number}" for number in range(50)]
    instance.add_dynamic_partitions("tenant", tenants)
    a_backlog(world, *tenants)
    world.calls.clear()

    assert len(_asked_for(tick(backlog_sensor))) == 50
    assert len(world.calls.names) <= 4


def test_backlog_without_one_skips(tick: Callable[..., Tick]) -> None:
    """An idle platform starts no run."""
    assert isinstance(tick(backlog_sensor), dg.SkipReason)


def test_discovery_when_truth_knows_more_adds_partitions(
    world: FakePlatform, tick: Callable[..., Tick]
) -> None:
    """Onboarding a tenant or publishing a version needs no change in Dagster."""
    world.control.register_tenant("newcomer", now=world.clock())
    world.control.publish_policy("v2", "{}", now=world.clock())

    answer = tick(tenant_discovery)

    assert isinstance(answer, dg.SensorResult)
    added = {
        str(request.partitions_def_name): request.partition_keys
        for request in answer.dynamic_partitions_requests or []
    }
    assert added == {"tenant": ["newcomer"], "policy_version": ["v2"]}


def test_discovery_when_everything_is_known_skips(tick: Callable[..., Tick]) -> None:
    """A partition is never removed and never added twice."""
    assert isinstance(tick(tenant_discovery), dg.SkipReason)


def test_intent_gap_when_rows_have_no_job_repairs_beats_and_reports_once(
    world: FakePlatform, tick: Callable[..., Tick]
) -> None:
    """The second net sends what the stream missed; its check is evaluated when the gap changes."""
    world.images.add(a_row(1, due_at=world.clock() - timedelta(minutes=5)))

    found = tick(intent_gap_sensor)

    assert len(world.queue.jobs) == 1
    assert "dagster" in world.control.heartbeats()
    assert isinstance(found, dg.SensorResult)
    (evaluation, _) = found.asset_events
    assert isinstance(evaluation, dg.AssetCheckEvaluation)
    assert (evaluation.check_name, evaluation.passed) == ("intent_gap", False)
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR

    repaired = tick(intent_gap_sensor, cursor=found.cursor)
    assert isinstance(repaired, dg.SensorResult)
    (evaluation,) = repaired.asset_events
    assert isinstance(evaluation, dg.AssetCheckEvaluation)
    assert evaluation.passed

    assert isinstance(tick(intent_gap_sensor, cursor=repaired.cursor), dg.SkipReason)


def test_intent_gap_when_an_evaluation_is_runless_can_be_reported_again_and_again(
    world: FakePlatform, instance: dg.DagsterInstance, tick: Callable[..., Tick]
) -> None:
    """Dagster 1.13 refuses the second runless evaluation of a partitioned check; ours has no partitions."""
    for _ in range(3):
        world.images.add(a_row(1, due_at=world.clock() - timedelta(minutes=5)))
        answer = tick(intent_gap_sensor)
        assert isinstance(answer, dg.SensorResult)
        for event in answer.asset_events:
            instance.report_runless_asset_event(event)


def test_intent_gap_when_the_event_path_is_busy_reports_no_gap(
    world: FakePlatform, tick: Callable[..., Tick]
) -> None:
    """Seconds-old rows are the stream's: reporting them would make every upload a change."""
    empty = tick(intent_gap_sensor)
    assert isinstance(empty, dg.SensorResult)
    world.images.add(a_row(1, due_at=world.clock() - timedelta(seconds=5)))

    busy = tick(intent_gap_sensor, cursor=empty.cursor)

    assert isinstance(busy, dg.SensorResult)
    assert [type(event) for event in busy.asset_events] == [dg.AssetObservation]
    assert world.queue.jobs == []


def test_intent_gap_when_the_queue_cannot_be_read_does_not_beat(
    world: FakePlatform, tick: Callable[..., Tick]
) -> None:
    """A heartbeat means that Truth and the queue were really read."""
    world.images.add(a_row(1, status=Status.ENRICHED))
    world.calls.fail("queue.depth", UnavailableError("no answer"))

    tick(intent_gap_sensor)

    assert world.control.heartbeats() == {}
