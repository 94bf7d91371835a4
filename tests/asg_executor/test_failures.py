"""The failure matrix, each case with real processes: what was reproduced once must stay repaired."""

import os
import signal
import subprocess
import sys

import dagster as dg
import pytest

from parjanya_dagster.asg_executor.lease import LeaseState, StepOutcome
from parjanya_dagster.asg_executor.step_queue import StepMessage, StepQueue
from tests.asg_executor import jobs
from tests.asg_executor.fleets import TestFleet, events_of, meanwhile, wait_until

pytestmark = pytest.mark.local_aws


def kinds(result: dg.JobExecutionResult, instance: dg.DagsterInstance) -> list[str]:
    """Return the types of the run's events."""
    return [kind for kind, _, _ in events_of(result, instance)]


def run_worker(statements: str) -> "subprocess.Popen[bytes]":
    """Start a run worker of the test's own, which may be killed: `job` is the one long step, unretried."""
    program = (
        "import dagster as dg; from tests.asg_executor import jobs\n"
        "job = dg.reconstructable(jobs.unretried_job)\n"
        "with dg.DagsterInstance.get() as instance:\n"
        f"    {statements}\n"
    )
    return subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)


def test_killed_instance_when_a_policy_allows_then_another_takes_the_retry(
    fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """A machine that vanishes costs one attempt: its lease falls silent, is fenced, and is retried."""
    first = fleet.start_agent()

    def lose_the_instance() -> None:
        wait_until(lambda: fleet.diary("started-0"), what="the first attempt runs")
        first.signal_all(signal.SIGKILL)
        fleet.start_agent(ready=False)

    with meanwhile(lose_the_instance):
        result = dg.execute_job(dg.reconstructable(jobs.retried_job), instance=instance)

    assert result.success
    assert kinds(result, instance).count("STEP_UP_FOR_RETRY") == 1
    assert fleet.lease_of(result.run_id, "linger_with_retry", 0).state is LeaseState.FENCED
    assert fleet.diary("started-1")[0].split()[2] == fleet.agents[1].instance_id


def test_killed_instance_when_there_is_no_policy_then_the_run_fails_and_names_the_silence(
    fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """Without a retry policy one lost machine fails the run: soon, and with the worker's name."""
    agent = fleet.start_agent()

    def lose_the_instance() -> None:
        wait_until(lambda: fleet.diary("started-0"), what="the step runs")
        agent.signal_all(signal.SIGKILL)

    with meanwhile(lose_the_instance):
        result = dg.execute_job(dg.reconstructable(jobs.unretried_job), instance=instance)

    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert f"worker {agent.instance_id}/" in str(failure.step_failure_data.error)
    assert "has been silent" in str(failure.step_failure_data.error)


def test_run_worker_when_it_is_killed_then_a_resumed_one_finds_the_step_still_running(
    shared_fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """The handler keeps nothing in memory: who resumes the run waits for the step instead of repeating it."""
    before = len(shared_fleet.diary("started-0"))
    worker = run_worker("dg.execute_job(job, instance=instance)")
    wait_until(lambda: len(shared_fleet.diary("started-0")) > before, what="the step runs")
    worker.kill()
    worker.wait(30)
    [run] = instance.get_runs()

    # What `dagster api resume_run` does, which a launcher with `supports_resume_run` starts.
    resumed = run_worker(
        "from dagster._core.execution.api import execute_run_iterator\n"
        f"    run = instance.get_run_by_id({run.run_id!r})\n"
        "    list(execute_run_iterator(job, run, instance, resume_from_failure=True))",
    )
    said = "Checking on status of in-progress step linger from previous run"
    wait_until(
        lambda: any(said in entry.message for entry in instance.all_logs(run.run_id)),
        what="the resumed run worker looks for the step",
    )
    shared_fleet.hurry()
    assert resumed.wait(30) == 0
    (shared_fleet.directory / "diary" / "hurry").unlink()

    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.SUCCESS
    assert len(shared_fleet.diary("started-0")) == before + 1


def test_paused_instance_when_it_wakes_late_then_its_result_is_fenced(
    fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """A zombie's late success once ended a run while its successor was working; now it writes no result."""
    fleet.start_agent()
    fleet.start_agent()

    def pause_and_wake() -> None:
        wait_until(lambda: fleet.diary("started-0"), what="the first attempt runs")
        zombie_id = fleet.diary("started-0")[0].split()[2]
        [sleeper] = [agent for agent in fleet.agents if agent.instance_id == zombie_id]
        sleeper.signal_all(signal.SIGSTOP)
        wait_until(lambda: fleet.diary("started-1"), what="the second attempt runs")
        # The child wakes first and has its result at once: only its own look at the lease can stop it.
        fleet.hurry()
        sleeper.signal_child(signal.SIGCONT)
        wait_until(lambda: "late_result_fenced" in sleeper.log.read_text(), what="the result is refused")
        sleeper.process.send_signal(signal.SIGCONT)
        wait_until(lambda: "child_died" in sleeper.log.read_text(), what="the supervisor sees it")

    with meanwhile(pause_and_wake):
        result = dg.execute_job(dg.reconstructable(jobs.retried_job), instance=instance)

    assert result.success
    assert kinds(result, instance).count("STEP_SUCCESS") == 1
    assert fleet.lease_of(result.run_id, "linger_with_retry", 1).outcome is StepOutcome.FINISHED


def test_agent_when_told_to_leave_mid_step_then_the_attempt_is_interrupted_and_retried(
    fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """A scale-in or Spot notice is no failure: user code cleans up and the retry comes at once."""
    first = fleet.start_agent("--grace=0.5")

    def ask_to_leave() -> None:
        wait_until(lambda: fleet.diary("started-0"), what="the first attempt runs")
        assert first.stop() == 0
        fleet.start_agent(ready=False)

    with meanwhile(ask_to_leave):
        result = dg.execute_job(dg.reconstructable(jobs.retried_job), instance=instance)

    assert result.success
    assert fleet.lease_of(result.run_id, "linger_with_retry", 0).outcome is StepOutcome.INTERRUPTED
    assert fleet.diary("cleaned-0")
    assert "STEP_FAILURE" not in kinds(result, instance)


def test_killed_worker_process_when_no_policy_then_the_run_fails_and_the_agent_starts_another(
    shared_fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """A crash of the interpreter is reported by the supervisor at once, and the instance stays useful."""
    agent = shared_fleet.agents[0]
    before = len(shared_fleet.diary("started-0"))
    starts = agent.log.read_text().count("child_ready")

    def crash() -> None:
        wait_until(lambda: len(shared_fleet.diary("started-0")) > before, what="the step runs")
        os.kill(int(shared_fleet.diary("started-0")[-1].split()[1]), signal.SIGKILL)

    with meanwhile(crash):
        result = dg.execute_job(dg.reconstructable(jobs.unretried_job), instance=instance)

    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "worker_died" in str(failure.step_failure_data.error)
    wait_until(lambda: agent.log.read_text().count("child_ready") > starts, what="a new child is ready")


def test_broken_code_when_a_worker_cannot_import_then_the_step_fails_with_its_error(
    fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """An error outside user code writes no step result; it once left a step in progress for ever."""
    fleet.start_agent(preload="dagster", ASG_TEST_BREAK_IMPORT="1")

    result = dg.execute_job(dg.reconstructable(jobs.score_job), instance=instance)

    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "without a step result" in str(failure.step_failure_data.error)
    assert "broken code on purpose" in str(failure.step_failure_data.error)


def test_no_worker_when_the_wait_is_over_then_the_run_says_what_to_check(
    fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """A step nobody takes fails with advice; a worker that comes too late finds nothing to claim."""
    result = dg.execute_job(dg.reconstructable(jobs.impatient_job), instance=instance)

    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "no worker took the step" in str(failure.step_failure_data.error)
    late = fleet.start_agent()
    wait_until(lambda: "step_not_claimed" in late.log.read_text(), what="the late message is dropped")
    assert not fleet.diary("score")


def test_code_version_when_another_is_wanted_then_the_agent_refuses_and_asks_for_deployment(
    fleet: TestFleet,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A step never runs on other code than its run's; the refusal is part of the final message."""
    agent = fleet.start_agent("--code-version=old")
    monkeypatch.setenv("ASG_EXECUTOR_CODE_VERSION", "new")

    result = dg.execute_job(dg.reconstructable(jobs.impatient_job), instance=instance)

    assert agent.process.wait(20) == 3
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "runs code old, the step wants new" in str(failure.step_failure_data.error)


def test_duplicate_delivery_when_a_message_comes_twice_then_the_step_runs_once(
    shared_fleet: TestFleet,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SQS delivers at least once; the lease makes the second delivery find nothing to claim."""
    send = StepQueue.send
    before = len(shared_fleet.diary("score"))
    log = shared_fleet.agents[0].log
    dropped = log.read_text().count("step_not_claimed")

    def send_twice(queue: StepQueue, message: StepMessage) -> None:
        send(queue, message)
        send(queue, message)

    monkeypatch.setattr(StepQueue, "send", send_twice)
    result = dg.execute_job(dg.reconstructable(jobs.score_job), instance=instance)

    assert result.success
    wait_until(lambda: log.read_text().count("step_not_claimed") > dropped, what="the duplicate is dropped")
    assert len(shared_fleet.diary("score")) == before + 1


def test_cancelled_run_when_a_step_is_executing_then_it_is_interrupted_and_the_worker_stays_warm(
    shared_fleet: TestFleet,
    instance: dg.DagsterInstance,
) -> None:
    """Cancelling reaches the step's `finally` on the instance; the process with the model survives."""
    before = len(shared_fleet.diary("started-0")), len(shared_fleet.diary("cleaned-0"))
    worker = run_worker("dg.execute_job(job, instance=instance)")
    wait_until(lambda: len(shared_fleet.diary("started-0")) > before[0], what="the step runs")
    worker.send_signal(signal.SIGINT)
    worker.wait(30)

    wait_until(lambda: len(shared_fleet.diary("cleaned-0")) > before[1], what="the step is interrupted")
    [run] = instance.get_runs()
    wait_until(
        lambda: shared_fleet.lease_of(run.run_id, "linger").outcome is StepOutcome.CANCELLED,
        what="the lease says so",
    )
    again = dg.execute_job(dg.reconstructable(jobs.score_job), instance=instance)
    assert again.success
    assert shared_fleet.diary("score")[-1].split()[1] == shared_fleet.diary("started-0")[-1].split()[1]
