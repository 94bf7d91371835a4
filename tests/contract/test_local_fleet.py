"""The realiser as a process against a real group: workers' rights, their death, scale-in, its own end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it publishes no types
import pytest

from tests.conftest import DeployedAws

pytestmark = pytest.mark.local_aws

# a worker that says who AWS thinks it is, then works until it is told to stop
_WORKER = (
    "import boto3, os, time; "
    "print(os.environ['INSTANCE_ID'], boto3.client('sts').get_caller_identity()['Arn'], flush=True); "
    "time.sleep(600)"
)


class Realiser:
    """The realiser process and the group it follows."""

    def __init__(self, deployed: DeployedAws, directory: Path) -> None:
        self._deployed = deployed
        self.directory = directory
        self._groups = deployed.root.client("autoscaling", endpoint_url=deployed.aws.endpoint)
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start it, as the command line does."""
        module = [
            sys.executable,
            "-m",
            "parjanya_dagster.local.fleet",
            f"--aws-dir={self._deployed.aws.state_dir}",
        ]
        options = [
            f"--directory={self.directory}",
            f"--prefix={self._deployed.names.prefix}",
            "--interval-s=0.1",
        ]
        return subprocess.Popen(
            [*module, *options, "--", sys.executable, "-c", _WORKER], stderr=subprocess.DEVNULL
        )

    def desire(self, count: int) -> None:
        """Set the desired capacity."""
        name = self._deployed.names.gpu_group
        self._groups.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=count)

    def instances(self) -> list[str]:
        """The group's instances."""
        name = self._deployed.names.gpu_group
        group = self._groups.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][
            0
        ]
        return [instance["InstanceId"] for instance in group["Instances"]]

    def unprotect_all(self) -> None:
        """Give every instance's protection up."""
        self._groups.set_instance_protection(
            AutoScalingGroupName=self._deployed.names.gpu_group,
            InstanceIds=self.instances(),
            ProtectedFromScaleIn=False,
        )

    def warm(self, count: int) -> None:
        """Prepare instances that wait for their worker to boot."""
        name = self._deployed.names.gpu_group
        self._groups.put_lifecycle_hook(
            AutoScalingGroupName=name,
            LifecycleHookName="boot",
            LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
        )
        self._groups.put_warm_pool(AutoScalingGroupName=name, MaxGroupPreparedCapacity=count)

    def warmed(self) -> dict[str, str]:
        """State by id of the prepared instances."""
        found = self._groups.describe_warm_pool(AutoScalingGroupName=self._deployed.names.gpu_group)
        return {each["InstanceId"]: each["LifecycleState"] for each in found["Instances"]}

    def booted(self, instance_id: str) -> None:
        """Say what a worker says when it has verified and loaded everything."""
        self._groups.complete_lifecycle_action(
            AutoScalingGroupName=self._deployed.names.gpu_group,
            LifecycleHookName="boot",
            InstanceId=instance_id,
            LifecycleActionResult="CONTINUE",
        )

    def forget_pool(self) -> None:
        """Leave the group as the templates made it."""
        name = self._deployed.names.gpu_group
        self._groups.delete_lifecycle_hook(AutoScalingGroupName=name, LifecycleHookName="boot")
        if "WarmPoolConfiguration" in self._groups.describe_warm_pool(AutoScalingGroupName=name):
            self._groups.delete_warm_pool(AutoScalingGroupName=name, ForceDelete=True)

    def log(self, instance_id: str) -> str:
        """What the worker printed."""
        path = self.directory / f"{instance_id}.log"
        return path.read_text() if path.exists() else ""

    def workers(self) -> dict[str, int]:
        """Pid by instance of the workers that run."""
        files = self.directory.glob("*.pid")
        return {file.stem: int(file.read_text().split('"pid": ')[1].split(",")[0]) for file in files}


@pytest.fixture
def realiser(deployed_aws: DeployedAws, tmp_path: Path) -> Iterator[Realiser]:
    """A realiser following the deployed group, with nothing left behind."""
    started = Realiser(deployed_aws, tmp_path)
    yield started
    started.forget_pool()
    if started.instances():
        started.unprotect_all()
    started.desire(0)
    started.process.terminate()
    started.process.wait(30)


def test_realiser_when_group_moves_then_workers_follow(realiser: Realiser, deployed_aws: DeployedAws) -> None:
    """Scale-out runs a worker with the worker's rights; a dead one is replaced; scale-in ends it."""
    realiser.desire(1)
    [first] = realiser.instances()
    _wait_for(lambda: first in realiser.log(first))
    assert realiser.log(first).split() == [
        first,
        f"arn:aws:iam::{deployed_aws.names.account}:user/{deployed_aws.names.prefix}-worker",
    ]

    os.kill(realiser.workers()[first], signal.SIGKILL)
    _wait_for(lambda: realiser.instances() != [first])
    [second] = realiser.instances()
    _wait_for(lambda: second in realiser.log(second))

    worker = psutil.Process(realiser.workers()[second])
    realiser.unprotect_all()
    realiser.desire(0)
    _wait_for(lambda: not worker.is_running())
    assert realiser.workers() == {}


def test_realiser_when_killed_then_its_workers_do_not_survive_the_next(realiser: Realiser) -> None:
    """A realiser that was killed leaks nothing: each instance has one worker again."""
    realiser.desire(1)
    [only] = realiser.instances()
    _wait_for(lambda: only in realiser.log(only))
    before = psutil.Process(realiser.workers()[only])

    realiser.process.kill()
    realiser.process.wait()
    realiser.process = realiser.start()

    _wait_for(lambda: realiser.log(only).count(only) == 2)
    assert not before.is_running()
    assert realiser.instances() == [only]


def test_realiser_when_an_instance_is_only_being_warmed_then_its_worker_runs_until_it_is_stopped(
    realiser: Realiser,
) -> None:
    """A warm instance runs its worker while its boot hook waits, rests without one, and serves as itself."""
    realiser.warm(1)
    [(only, state)] = realiser.warmed().items()
    assert state == "Warmed:Pending:Wait"
    _wait_for(lambda: only in realiser.log(only))

    realiser.booted(only)
    assert realiser.warmed() == {only: "Warmed:Stopped"}
    _wait_for(lambda: realiser.workers() == {})

    realiser.desire(1)
    _wait_for(lambda: only in realiser.workers())
    realiser.booted(only)
    assert realiser.instances() == [only]
    _wait_for(lambda: realiser.log(only).count(f"{only} ") == 2)


def _wait_for(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)
