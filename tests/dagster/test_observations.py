"""The event path as Dagster sees it: one runless observation per tenant, when its backlog changes."""

from collections.abc import Callable
from dataclasses import replace

import dagster as dg
import pytest

from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.defs.assets_scoring import vlm_scores
from parjanya_dagster.defs.observations import MAX_TENANTS
from parjanya_dagster.defs.sensors import intent_gap_sensor
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from tests.builders import TENANT, a_decision, a_row
from tests.dagster.stand_ins import Tick, a_backlog


def _observed(answer: Tick) -> dict[str | None, object]:
    """Return the backlog in each observation, by partition."""
    assert isinstance(answer, dg.SensorResult), answer
    assert not answer.run_requests
    return {
        event.partition: event.metadata["backlog"].value
        for event in answer.asset_events
        if isinstance(event, dg.AssetObservation)
    }


def test_event_path_when_a_backlog_changes_is_observed_once_and_without_a_run(
    world: FakePlatform, instance: dg.DagsterInstance, tick: Callable[..., Tick]
) -> None:
    """Images that no run scored are seen on the asset's page, and never pass for a materialization."""
    a_backlog(world, TENANT)
    world.clock.advance(seconds=7)

    waits = tick(intent_gap_sensor)
    assert _observed(waits) == {TENANT: 1}
    assert isinstance(waits, dg.SensorResult)
    assert isinstance(tick(intent_gap_sensor, cursor=waits.cursor), dg.SkipReason)
    world.images.add(a_row(1, status=Status.ENRICHED, decision=a_decision()))
    settled = tick(intent_gap_sensor, cursor=waits.cursor)
    assert _observed(settled) == {TENANT: 0}
    assert isinstance(settled, dg.SensorResult)
    assert isinstance(tick(intent_gap_sensor, cursor=settled.cursor), dg.SkipReason)

    for event in (*waits.asset_events, *settled.asset_events):
        instance.report_runless_asset_event(event)
    records = instance.fetch_observations(vlm_scores.key, limit=10).records
    told = [record.asset_observation for record in records]
    assert [each.partition for each in told if each] == [TENANT, TENANT]
    first = told[-1]
    assert first is not None
    waited = world.clock() - a_row(1).entered_at
    assert first.metadata["oldest_wait_s"].value == round(waited.total_seconds(), 1)
    assert instance.get_materialized_partitions(vlm_scores.key) == set()
    assert instance.get_runs_count() == 0


def test_event_path_with_many_tenants_tells_of_a_few_in_each_tick_and_of_all_in_the_end(
    world: FakePlatform, instance: dg.DagsterInstance, tick: Callable[..., Tick]
) -> None:
    """A tick is bounded, and nobody is left behind those who always change."""
    tenants = [f"tenant-{number:02}" for number in range(MAX_TENANTS + 5)]
    instance.add_dynamic_partitions("tenant", tenants)
    a_backlog(world, *tenants)

    first = tick(intent_gap_sensor)
    assert isinstance(first, dg.SensorResult)
    for number, tenant in enumerate(tenants, start=100):
        row = a_row(number, tenant_id=tenant)
        world.images.add(replace(row, intent_at=world.clock(), intent_id=f"i-{number}", emissions=1))
    second = tick(intent_gap_sensor, cursor=first.cursor)

    assert len(_observed(first)) == len(_observed(second)) == MAX_TENANTS
    assert set(tenants) - set(_observed(first)) <= set(_observed(second))


def test_event_path_when_a_tenant_has_no_partition_yet_waits_for_discovery(
    world: FakePlatform, tick: Callable[..., Tick]
) -> None:
    """Dagster takes events of partitions that do not exist, and shows them for ever."""
    a_backlog(world, "newcomer")

    assert _observed(tick(intent_gap_sensor)) == {}


def test_event_path_when_the_backlog_cannot_be_read_still_reports_the_gap(
    world: FakePlatform, tick: Callable[..., Tick]
) -> None:
    """The report is a courtesy; the net is the sensor's work, and what it found is told."""
    a_backlog(world, TENANT)
    world.calls.fail("images.listing", UnavailableError("no answer"))

    answer = tick(intent_gap_sensor)

    assert _observed(answer) == {}
    assert isinstance(answer, dg.SensorResult)
    assert _observed(tick(intent_gap_sensor, cursor=answer.cursor)) == {TENANT: 1}


@pytest.mark.parametrize("cursor", ["not JSON", "[]", '{"by_tenant": {}, "overdue": false}'])
def test_cursor_of_another_version_costs_a_report_and_no_tick(tick: Callable[..., Tick], cursor: str) -> None:
    """A cursor is only an optimisation."""
    answer = tick(intent_gap_sensor, cursor=cursor)

    assert isinstance(answer, dg.SensorResult)
    assert [type(event) for event in answer.asset_events] == [dg.AssetCheckEvaluation]
