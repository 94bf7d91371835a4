"""The example as a stranger runs it: its README's own lines, and its permissions, which are enough."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from parjanya_dagster.local.stack import LocalAws
from tests.asg_executor.conftest import CREDENTIALS
from tests.asg_executor.fleets import REPOSITORY, TestFleet, wait_until
from tests.asg_executor.postgres import Postgres

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

pytestmark = pytest.mark.local_aws

EXAMPLE = REPOSITORY / "examples" / "asg_executor"
WAIT_S = 120


@pytest.fixture
def clean_environment(tmp_path: Path) -> dict[str, str]:
    """What a shell has in which the environment is active, and nothing of AWS or Dagster."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**kept, "PATH": path, "TMPDIR": str(tmp_path)}


def test_readme_when_its_lines_are_run_then_every_batch_is_scored_on_the_instance(
    clean_environment: dict[str, str], tmp_path: Path
) -> None:
    """What the README says works as it is written, beginning with nothing but a checkout."""
    [lines] = re.findall(r"```bash\n(.*?)```", (EXAMPLE / "README.md").read_text(), flags=re.DOTALL)

    # The output goes to a file: a process that outlived the script would hold a pipe open.
    with (tmp_path / "said").open("w+b") as said:
        shell = ["bash", "-euo", "pipefail", "-c", lines]
        ended = subprocess.run(
            shell, cwd=EXAMPLE, env=clean_environment, stdout=said, stderr=said, timeout=WAIT_S, check=False
        )
    output = (tmp_path / "said").read_text()

    assert ended.returncode == 0, output[-4000:]
    assert "RUN_SUCCESS" in output
    for batch in range(4):
        assert re.search(rf"scored batch {batch} in [\d.]+ s: {batch * batch}\b", output)
    took_s = [float(seconds) for seconds in re.findall(r"scored batch \d in ([\d.]+) s", output)]
    assert 1 <= sum(seconds > 0.9 for seconds in took_s) <= 2, "each of the two children loads the model once"
    assert "i-example" in output


def test_permissions_when_each_side_has_only_its_own_then_the_job_runs_over_postgres(
    fleet_aws: LocalAws, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two policies are complete, and the storage for several machines is valid as it is written."""
    fleet = TestFleet(endpoint=fleet_aws.endpoint, directory=tmp_path / "fleet", name="asg-example")
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text((EXAMPLE / "dagster-aws.yaml").read_text())
    environment = {
        **CREDENTIALS,
        **fleet.environment,
        "AWS_ENDPOINT_URL": fleet_aws.endpoint,
        "DAGSTER_HOME": str(home),
        "PYTHONPATH": f"{EXAMPLE}:{REPOSITORY}",
        "EXAMPLE_BUCKET": "asg-example-of-a-test",
        "ASG_EXECUTOR_AUTO_SCALING_GROUP": fleet.name,
        "DAGSTER_PG_HOST": "127.0.0.1",
        "DAGSTER_PG_PORT": str(postgres.port),
        "DAGSTER_PG_USER": "dagster",
        "DAGSTER_PG_PASSWORD": "any",
        "DAGSTER_PG_DB": postgres.create_database(),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    fleet.create()
    boto3.client("s3").create_bucket(Bucket=environment["EXAMPLE_BUCKET"])
    boto3.client("autoscaling").set_desired_capacity(AutoScalingGroupName=fleet.name, DesiredCapacity=1)
    [member] = group_of(fleet)["Instances"]
    job = [sys.executable, "-m", "dagster", "job", "execute", "-m", "definitions", "-j", "scoring"]

    agent = fleet.start_agent(
        "--idle-after=1",
        preload="definitions",
        **key_of("instance"),
        INSTANCE_ID=member["InstanceId"],
        AUTO_SCALING_GROUP=fleet.name,
    )
    try:
        run_worker = {**os.environ, **key_of("run-worker")}
        ended = subprocess.run(job, env=run_worker, capture_output=True, timeout=WAIT_S, check=False)
        assert ended.returncode == 0, ended.stderr[-4000:]
        assert group_of(fleet)["DesiredCapacity"] > 1
        wait_until(lambda: not protection_of(fleet, member["InstanceId"]), what="the idle instance is free")
    finally:
        fleet.stop()

    said = ended.stderr.decode() + agent.log.read_text()
    assert "AccessDenied" not in said
    assert said.count("scored batch") >= 4


def key_of(side: str) -> dict[str, str]:
    """Return the environment of somebody who has the example's policy for that side, and no other right."""
    iam = boto3.client("iam")
    iam.create_user(UserName=f"example-{side}")
    policy = (EXAMPLE / "iam" / f"{side}.json").read_text()
    iam.put_user_policy(UserName=f"example-{side}", PolicyName="only", PolicyDocument=policy)
    key = iam.create_access_key(UserName=f"example-{side}")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def group_of(fleet: TestFleet) -> "AutoScalingGroupTypeDef":
    """Return the group as it is described now."""
    answer = boto3.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[fleet.name])
    return answer["AutoScalingGroups"][0]


def protection_of(fleet: TestFleet, instance_id: str) -> bool:
    """Whether an instance of the group is protected from scale-in."""
    [member] = [each for each in group_of(fleet)["Instances"] if each["InstanceId"] == instance_id]
    return member["ProtectedFromScaleIn"]
