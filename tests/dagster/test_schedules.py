"""Schedules: a nightly run per tenant, one for the checks, and a bounded deletion of old runs."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from parjanya_dagster.defs import schedules
from parjanya_dagster.defs.schedules import (
    DELETED_PER_RUN,
    delete_old_runs,
    nightly_truth_schedule,
)
from tests.builders import TENANT

KEPT_DAYS = {"ops": {"delete_finished_runs": {"config": {"keep_days": 30}}}}


def _old_runs(instance: dg.DagsterInstance, count: int, status: dg.DagsterRunStatus) -> list[str]:
    """Store runs as if they had begun years ago; return their ids."""
    runs = [dg.DagsterRun(job_name="old", status=status) for _ in range(count)]
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    for run in runs:
        instance.run_storage.add_historical_run(run, run_creation_time=long_ago)
    return [run.run_id for run in runs]


def test_nightly_truth_asks_for_one_tagged_run_per_tenant() -> None:
    """Every tenant is looked at once a night, at low priority."""
    with dg.instance_for_test() as instance:  # a schedule's context opens its instance by reference
        instance.add_dynamic_partitions("tenant", ["other", TENANT])

        requests: Any = nightly_truth_schedule(dg.build_schedule_context(instance=instance))

    assert [request.partition_key for request in requests] == [TENANT, "other"]
    assert requests[0].tags == {"tenant": TENANT, "priority": "low"}


def test_old_runs_when_finished_are_deleted_and_others_kept(instance: dg.DagsterInstance) -> None:
    """Finished runs go after their days; a run that is still under way is never deleted."""
    finished = _old_runs(instance, 3, dg.DagsterRunStatus.SUCCESS)
    (under_way,) = _old_runs(instance, 1, dg.DagsterRunStatus.STARTED)
    recent = dg.DagsterRun(job_name="recent", status=dg.DagsterRunStatus.SUCCESS)
    instance.add_run(recent)

    result = delete_old_runs.execute_in_process(run_config=KEPT_DAYS, instance=instance)

    assert result.success
    left = {run.run_id for run in instance.get_runs()}
    assert left.isdisjoint(finished)
    assert {under_way, recent.run_id} <= left


def test_old_runs_when_there_are_many_are_deleted_in_bounded_numbers(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run deletes so many and no more, the oldest first; the next night continues."""
    assert DELETED_PER_RUN <= 1000
    monkeypatch.setattr(schedules, "DELETED_PER_RUN", 2)
    oldest = _old_runs(instance, 5, dg.DagsterRunStatus.FAILURE)

    delete_old_runs.execute_in_process(run_config=KEPT_DAYS, instance=instance)

    left = {run.run_id for run in instance.get_runs()}
    assert left.isdisjoint(oldest[:2])
    assert set(oldest[2:]) <= left
