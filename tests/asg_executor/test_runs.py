"""Whole runs on real agents: what a user sees when nothing goes wrong."""

import dagster as dg
import pytest

from parjanya_dagster.asg_executor.lease import LeaseState
from tests.asg_executor import jobs
from tests.asg_executor.fleets import TestFleet, events_of

pytestmark = pytest.mark.local_aws


def test_chain_when_an_agent_serves_then_tagged_steps_run_warm_and_others_locally(
    shared_fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """Two fleet steps of a run share one process and its globals; the untagged one never goes there."""
    with dg.execute_job(dg.reconstructable(jobs.chain_job), instance=instance) as result:
        assert result.success
        # score_more returns its process's count less the count that score returned: exactly one step later.
        assert result.output_for_node("score_more") == 1
    [prepared] = shared_fleet.diary("prepare")[-1:]
    [scored] = shared_fleet.diary("score")[-1:]
    [more] = shared_fleet.diary("score_more")[-1:]
    assert scored.split()[1:] == more.split()[1:]
    assert scored.split()[2] == shared_fleet.agents[0].instance_id
    assert prepared.split()[1] != scored.split()[1]
    assert shared_fleet.lease_of(result.run_id, "score").state is LeaseState.DONE


def test_fleet_step_when_run_then_events_name_task_instance_log_and_output_is_captured(
    shared_fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """From a step in the UI a person finds the lease, the instance, the agent's log and what it printed."""
    result = dg.execute_job(dg.reconstructable(jobs.score_job), instance=instance)

    events = [
        entry.dagster_event
        for entry in instance.all_logs(result.run_id)
        if entry.dagster_event and entry.dagster_event.step_key == "score"
    ]
    metadata = {
        name: str(value.value)
        for event in events
        for name, value in getattr(event.event_specific_data, "metadata", {}).items()
    }
    agent = shared_fleet.agents[0]
    assert metadata["task"] == shared_fleet.lease_of(result.run_id, "score").lease_id
    assert metadata["instance_id"] == agent.instance_id
    assert metadata["log"] == str(agent.log)
    assert metadata["queue"] == shared_fleet.queue_url
    assert b"scored 7" in _captured_stdout(instance, result.run_id)


def test_steps_when_one_child_executes_them_then_they_see_one_loaded_engine(
    shared_fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """What a step loads stays: six steps, over two runs even, and the model is loaded once."""
    for _ in range(2):
        with dg.execute_job(dg.reconstructable(jobs.engine_job), instance=instance) as result:
            assert result.output_for_node("same")
    users = {line.split()[1] for piece in range(6) for line in shared_fleet.diary(f"used-{piece}")[-2:]}
    [user] = users
    assert [line.split()[1] for line in shared_fleet.diary("loaded")].count(user) == 1


@pytest.mark.parametrize(("limit", "patience_s", "met"), [(1, 1.0, False), (2, 20.0, True)])
def test_pool_when_it_has_a_limit_then_so_many_steps_run_at_once(
    pair_fleet: TestFleet,
    instance: dg.DagsterInstance,
    limit: int,
    patience_s: float,
    met: bool,  # noqa: FBT001 -- a column of the table above
) -> None:
    """Dagster's pools hold for the fleet without a word from this executor: one serialises, two do not."""
    assert pair_fleet.agents
    instance.event_log_storage.set_concurrency_slots("asg_test", limit)
    inputs = {f"occupy_{own}": {"inputs": {"patience_s": patience_s}} for own in (0, 1)}

    job = dg.reconstructable(jobs.pooled_job)
    with dg.execute_job(job, instance=instance, run_config={"ops": inputs}) as result:
        assert [result.output_for_node(f"occupy_{own}") for own in (0, 1)] == [met, met]


def test_fan_out_when_two_agents_serve_then_both_take_pieces(
    fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """Dynamic outputs become one fleet step each; the plan and the sum around them cost no process."""
    first, second = fleet.start_agent(ready=False), fleet.start_agent()

    with dg.execute_job(dg.reconstructable(jobs.fan_out_job), instance=instance) as result:
        assert result.output_for_node("account") == 6
    inline = [message for _, _, message in events_of(result, instance) if "in the run worker" in message]
    assert inline == [
        'Executing step "fan_out" in the run worker.',
        'Executing step "account" in the run worker.',
    ]
    takers = {line.split()[2] for line in fleet.diary("drain")}
    assert len(fleet.diary("drain")) == 6
    assert takers == {first.instance_id, second.instance_id}


def test_user_failure_when_a_policy_allows_then_the_step_is_retried_once(
    shared_fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """An exception in user code is Dagster's business: its retry is a second attempt with its own lease."""
    with dg.execute_job(dg.reconstructable(jobs.failing_job), instance=instance) as result:
        assert result.output_for_node("fail_once") == 1
    assert [kind for kind, _, _ in events_of(result, instance)].count("STEP_UP_FOR_RETRY") == 1
    assert shared_fleet.lease_of(result.run_id, "fail_once", attempt=1).state is LeaseState.DONE


def test_untagged_job_when_no_fleet_is_configured_then_it_runs_in_process(
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: object,
) -> None:
    """Ordinary assets stay fast, and need no AWS, under an executor that is everybody's default."""
    monkeypatch.setenv("ASG_TEST_DIARY", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with dg.execute_job(dg.reconstructable(jobs.local_job), instance=instance) as result:
        assert result.output_for_node("double") == 40
    assert any("in process" in message for _, _, message in events_of(result, instance))


def test_tag_when_it_names_another_fleet_then_the_run_says_so(instance: dg.DagsterInstance) -> None:
    """A mistyped fleet is an error, not a step that waits for ever."""
    result = dg.execute_job(dg.reconstructable(jobs.misdirected_job), instance=instance)

    assert not result.success
    assert any("asg_executor/fleet=quantum" in str(event.event_specific_data) for event in result.all_events)


def _captured_stdout(instance: dg.DagsterInstance, run_id: str) -> bytes:
    [file_key] = [
        entry.dagster_event.logs_captured_data.file_key
        for entry in instance.all_logs(run_id)
        if entry.dagster_event and entry.dagster_event.event_type is dg.DagsterEventType.LOGS_CAPTURED
    ]
    captured = instance.compute_log_manager.get_log_data([run_id, "compute_logs", file_key])
    return captured.stdout or b""
