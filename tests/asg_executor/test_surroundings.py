"""What a fleet step needs beside a worker: somebody who starts instances, and a place for its output."""

import json
import logging
from pathlib import Path

import boto3
import dagster as dg
import pytest

from tests.asg_executor import jobs
from tests.asg_executor.conftest import SQLITE
from tests.asg_executor.fleets import TestFleet

pytestmark = pytest.mark.local_aws

LOG_DIRECTORY = "ASG_TEST_LOG_DIRECTORY"
BUCKET = "asg-test-logs"


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> str:
    """Events on SQLite; captured output in a bucket, for the test that is about it."""
    if "captured" not in request.node.name:
        return SQLITE
    return (
        "compute_logs:\n  module: dagster_aws.s3.compute_log_manager\n  class: S3ComputeLogManager\n"
        f"  config:\n    bucket: {BUCKET}\n    local_dir: {{env: {LOG_DIRECTORY}}}\n"
        "    endpoint_url: {env: AWS_ENDPOINT_URL}\n"
    )


def test_capacity_when_the_call_is_denied_then_the_step_stays_queued_and_the_run_is_warned(
    shared_fleet: TestFleet,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A missing permission costs time, not the step: whoever else raises the fleet lets it run."""
    allowed = ["sqs:GetQueueUrl", "sqs:SendMessage", "dynamodb:GetItem", "dynamodb:PutItem"]
    enter_as(monkeypatch, [*allowed, "dynamodb:UpdateItem"])
    monkeypatch.setenv("ASG_EXECUTOR_AUTO_SCALING_GROUP", shared_fleet.name)

    result = dg.execute_job(dg.reconstructable(jobs.score_job), instance=instance)

    assert result.success
    [warning] = [entry for entry in instance.all_logs(result.run_id) if entry.level == logging.WARNING]
    assert warning.step_key == "score"
    assert "capacity could not be raised" in warning.user_message
    assert "autoscaling:DescribeAutoScalingGroups" in warning.user_message


def test_step_when_it_can_not_be_queued_then_the_run_is_warned_and_the_step_fails_with_the_reason(
    shared_fleet: TestFleet,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A queue that refuses ends the attempt at the next look, under the step's own retry policy."""
    assert shared_fleet.agents
    enter_as(monkeypatch, ["sqs:GetQueueUrl", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"])

    result = dg.execute_job(dg.reconstructable(jobs.score_job), instance=instance)

    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "sqs:SendMessage" in str(failure.step_failure_data.error)
    levels = [entry.level for entry in instance.all_logs(result.run_id)]
    assert logging.WARNING in levels


def test_output_when_captured_to_a_bucket_then_the_ui_shows_what_another_machine_printed(
    fleet: TestFleet,
    dagster_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The step's log in the UI is the instance's: nothing of it lies on the disk that the UI can see."""
    assert dagster_home.is_dir()
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    fleet.start_agent(**{LOG_DIRECTORY: str(tmp_path / "of-the-instance")})
    monkeypatch.setenv(LOG_DIRECTORY, str(tmp_path / "of-the-ui"))

    with dg.DagsterInstance.get() as instance:
        result = dg.execute_job(dg.reconstructable(jobs.score_job), instance=instance)
        [captured] = [
            entry.dagster_event.logs_captured_data
            for entry in instance.all_logs(result.run_id)
            if entry.dagster_event and entry.dagster_event.event_type is dg.DagsterEventType.LOGS_CAPTURED
        ]
        assert captured.step_keys == ["score"]
        key = [result.run_id, "compute_logs", captured.file_key]
        shown = instance.compute_log_manager.get_log_data(key)
        link = instance.compute_log_manager.get_log_metadata(key).stdout_download_url

    assert b"scored 7" in (shown.stdout or b"")
    assert link is not None
    assert BUCKET in link
    assert "scored 7" in fleet.agents[0].log.read_text()


def enter_as(patch: pytest.MonkeyPatch, actions: list[str]) -> None:
    """Let this process call AWS as somebody who may do these things and no more."""
    iam = boto3.client("iam")
    name = "-".join(["limited", *(action.split(":")[1][:4] for action in actions)]).lower()
    iam.create_user(UserName=name)
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}],
    }
    iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    patch.setattr(boto3, "DEFAULT_SESSION", None)  # it would keep the credentials it has found before
