"""A fleet with a warm pool and real workers: prepared, woken, taken back; then its image is gone."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from infra.deploy import DeploySettings, deploy
from parjanya_dagster.control.capacity import last_decisions, newest_boots
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import publish_policy
from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.uploads import UploadRequest, request_upload
from parjanya_dagster.core.belief.boot import BootStage
from parjanya_dagster.core.ports import Token
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.local.credentials import Profile, create_users, local_environment, root_session
from parjanya_dagster.local.deployment import KNOWN_DIFFERENCES, worker_image
from parjanya_dagster.local.samples import write_samples
from parjanya_dagster.local.stack import LocalAws
from parjanya_dagster.policies.shipped import shipped_policy
from parjanya_dagster.settings import load_settings
from parjanya_dagster.wiring import platform_from

pytestmark = [pytest.mark.local_aws, pytest.mark.end_to_end]

PREFIX: Final = "parjanya-pool"
TENANT: Final = "acme"
PATIENCE_S: Final = 90.0
_COLD_S: Final = 6.0
_MACHINES: Final = {
    "PARJANYA_LOCAL_BOOT_S": str(_COLD_S),
    "PARJANYA_LOCAL_WARM_BOOT_S": "0.5",
    "PARJANYA_LOCAL_LAUNCH_RETRY_S": "0.5",
}


class PooledFleet:
    """A deployment of at most one instance, which a pool prepares; its workers are real processes."""

    def __init__(self, aws: LocalAws, platform: Platform, directory: Path) -> None:
        self.platform = platform
        self._aws = aws
        self._root = root_session(aws)
        self._directory = directory
        self._name = f"{PREFIX}-gpu"
        self._groups = self._root.client("autoscaling", endpoint_url=aws.endpoint)
        self._ec2 = self._root.client("ec2", endpoint_url=aws.endpoint)
        self._photos = iter(write_samples(directory / "photos", count=2))

    def realise(self) -> "subprocess.Popen[bytes]":
        """Start the process that runs a worker for each machine."""
        fleet = [sys.executable, "-m", "parjanya_dagster.local.fleet", f"--aws-dir={self._aws.state_dir}"]
        options = [f"--directory={self._directory}", f"--prefix={PREFIX}", "--interval-s=0.1"]
        worker = [sys.executable, "-m", "gpu_worker", "headless"]
        settings = ["PARJANYA_WORKER_IDLE_AFTER_S=0.5", "PARJANYA_WORKER_WATCH_EVERY_S=0.2"]
        return subprocess.Popen([*fleet, *options, "--", "/usr/bin/env", *settings, *worker])

    def upload(self) -> ImageKey:
        """Upload one more photo, as any client does."""
        body = next(self._photos).read_bytes()
        request = UploadRequest(
            file_name="a.jpg",
            content_type="image/jpeg",
            size_bytes=len(body),
            sha256=sha256(body).hexdigest(),
        )
        token = Token(tenant_id=TENANT, role="photographer", subject="ada")
        ticket = request_upload(self.platform, token, request)
        httpx.put(ticket.put.url, content=body, headers=dict(ticket.put.headers)).raise_for_status()
        return ImageKey(tenant_id=TENANT, image_id=ticket.image_id)

    def await_verdict(self, key: ImageKey) -> None:
        """Wait until an image is scored, while the control plane goes about its cycles."""
        self.reconcile_until(lambda: self._status(key) is Status.ENRICHED, f"{key} is scored")

    def reconcile_until(self, holds: Callable[[], object], what: str) -> None:
        """Run the control plane's cycles until something holds; see `wait_until`."""
        self.wait_until(holds, what, meanwhile=lambda: reconcile_world(self.platform))

    def wait_until(
        self, holds: Callable[[], object], what: str, *, meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        """Wait until something holds.

        Raises:
            AssertionError: it did not in time; the group's history and the workers' logs are quoted.
        """
        give_up_at = time.monotonic() + PATIENCE_S
        while not holds():
            meanwhile()
            assert time.monotonic() < give_up_at, f"{what}: not in time\n{self._story()}"
            time.sleep(0.2)

    def is_offered(self) -> bool:
        """Whether no instance is protected from scale-in."""
        return not any(each["ProtectedFromScaleIn"] for each in self.group()["Instances"])

    def pool(self) -> dict[str, str]:
        """State by id of the prepared instances."""
        found = self._groups.describe_warm_pool(AutoScalingGroupName=self._name)
        return {each["InstanceId"]: each["LifecycleState"] for each in found["Instances"]}

    def group(self) -> Any:  # noqa: ANN401 - boto3's answer
        """The group as described."""
        return self._groups.describe_auto_scaling_groups(AutoScalingGroupNames=[self._name])[
            "AutoScalingGroups"
        ][0]

    def instances(self) -> dict[str, str]:
        """State by id of the group's instances."""
        return {each["InstanceId"]: each["LifecycleState"] for each in self.group()["Instances"]}

    def launch_s(self, kind: str) -> float:
        """Return how long the newest launch of a kind took, until its instance had booted."""
        took = [
            (each["EndTime"] - each["StartTime"]).total_seconds()
            for each in self._activities()
            if kind in each["Description"] and each["StatusCode"] == "Successful"
        ]
        return float(took[0])

    def bake_and_lose(self) -> None:
        """Deploy a new image, let the pool go as a refresh would, and deregister the image."""
        image = self._ec2.register_image(Name=f"{PREFIX}-lost")["ImageId"]
        deploy_with_pool(self._aws, image)
        self._ec2.deregister_image(ImageId=image)
        for instance_id in self.pool():
            self._groups.terminate_instance_in_auto_scaling_group(
                InstanceId=instance_id, ShouldDecrementDesiredCapacity=False
            )

    def _status(self, key: ImageKey) -> Status | None:
        row = self.platform.images.get(key)
        return row.status if row else None

    def _activities(self) -> Any:  # noqa: ANN401 - boto3's answer
        return self._groups.describe_scaling_activities(AutoScalingGroupName=self._name)["Activities"]

    def _story(self) -> str:
        history = [f"{each['StatusCode']} {each['Description']}" for each in self._activities()[:8]]
        logs = [path.read_text()[-1500:] for path in sorted(self._directory.glob("*.log"))]
        return "\n".join([str(self.group()["Instances"]), str(self.pool()), *history, *logs])


def deploy_with_pool(aws: LocalAws, image: str) -> None:
    """Deploy everything with a pool of one and a fleet of at most one, from this image."""
    settings = DeploySettings(
        prefix=PREFIX,
        image_id=image,
        subnets=("subnet-00000001",),
        max_instances=1,
        warm_pool_size=1,
        boot_s=30,
        require_tls=False,
        known_differences=KNOWN_DIFFERENCES,
    )
    deploy(root_session(aws), settings, endpoint_url=aws.endpoint)


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PooledFleet]:
    """A local AWS of its own whose machines take their time, with a pool and one tenant."""
    for name, value in _MACHINES.items():
        monkeypatch.setenv(name, value)
    aws = LocalAws.start(tmp_path / "aws", 0, ends_with_parent=True)
    deploy_with_pool(aws, worker_image(root_session(aws), prefix=PREFIX, endpoint_url=aws.endpoint))
    create_users(aws, prefix=PREFIX)
    for name, value in local_environment(aws, Profile.OPERATOR, prefix=PREFIX).items():
        monkeypatch.setenv(name, value)
    platform = platform_from(load_settings(), plane="dagster")
    add_tenant(platform, TENANT)
    publish_policy(platform, shipped_policy().canonical)
    started = PooledFleet(
        aws, replace(platform, limits=replace(platform.limits, sweep_age=timedelta(0))), tmp_path
    )
    realiser = started.realise()
    yield started
    realiser.terminate()
    realiser.wait(60)
    aws.stop()


def test_pool_prepares_a_worker_wakes_it_takes_it_back_and_outlives_a_lost_image(fleet: PooledFleet) -> None:
    """Field lessons (buildkite 838, kops 16582) and incident 6a, with real workers from pool to fall-back."""
    fleet.reconcile_until(lambda: set(fleet.pool().values()) == {"Warmed:Stopped"}, "the pool is prepared")
    [prepared] = fleet.pool()
    assert [boot.stage for boot in newest_boots(fleet.platform)] == [BootStage.WARMING]

    fleet.await_verdict(fleet.upload())

    assert fleet.instances() == {prepared: "InService"}
    assert newest_boots(fleet.platform)[0].is_ready
    cold_s, warm_s = fleet.launch_s("into warm pool"), fleet.launch_s("from warm pool")
    assert cold_s - warm_s > _COLD_S / 2

    fleet.wait_until(fleet.is_offered, "the idle worker gives its protection up")
    fleet.reconcile_until(lambda: fleet.pool() == {prepared: "Warmed:Stopped"}, "the idle instance is back")
    assert newest_boots(fleet.platform)[0].stage is BootStage.WARMING
    good = fleet.group()["LaunchTemplate"]["Version"]

    fleet.bake_and_lose()
    assert fleet.group()["LaunchTemplate"]["Version"] != good
    fleet.await_verdict(fleet.upload())

    assert [each for each in last_decisions(fleet.platform, limit=20) if each.action == "fall_back"] != []
    assert fleet.group()["LaunchTemplate"]["Version"] == good
    [served] = fleet.instances()
    assert served != prepared
