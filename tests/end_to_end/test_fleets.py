"""Out of memory on the usual fleet, scored on a larger one: real workers on the laptop's AWS."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

import httpx
import pytest
from click.testing import CliRunner

from parjanya_dagster.cli.main import parjanya
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import publish_policy
from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.trail import trail
from parjanya_dagster.control.uploads import UploadRequest, request_upload
from parjanya_dagster.core.belief.signals import Blind, FleetSize
from parjanya_dagster.core.ports import Token
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.local.credentials import Profile, local_environment
from parjanya_dagster.local.deployment import deploy_locally
from parjanya_dagster.local.samples import write_samples
from parjanya_dagster.local.stack import LocalAws
from parjanya_dagster.policies.shipped import shipped_policy
from parjanya_dagster.settings import load_settings
from parjanya_dagster.wiring import platform_from

pytestmark = [pytest.mark.local_aws, pytest.mark.end_to_end]

PREFIX: Final = "parjanya-fleets"
TENANT: Final = "acme"
LARGE: Final = "large"
PATIENCE_S: Final = 90.0
T = TypeVar("T")
_WORKER: Final = (
    *("/usr/bin/env", "PARJANYA_ENGINE=small"),
    *("PARJANYA_WORKER_IDLE_AFTER_S=0.5", "PARJANYA_WORKER_WATCH_EVERY_S=0.2"),
    *(sys.executable, "-m", "tests.end_to_end.small_gpu"),
)


class Laptop:
    """A deployment with two fleets whose workers are real processes."""

    def __init__(self, platform: Platform, directory: Path) -> None:
        self.platform = platform
        self.directory = directory

    def upload(self, photo: Path) -> ImageKey:
        """Upload a photo, as any client does."""
        body = photo.read_bytes()
        request = UploadRequest(
            file_name=photo.name,
            content_type="image/jpeg",
            size_bytes=len(body),
            sha256=sha256(body).hexdigest(),
        )
        token = Token(tenant_id=TENANT, role="photographer", subject="ada")
        ticket = request_upload(self.platform, token, request)
        httpx.put(ticket.put.url, content=body, headers=dict(ticket.put.headers)).raise_for_status()
        return ImageKey(tenant_id=TENANT, image_id=ticket.image_id)

    def settled(self, key: ImageKey, generation: int) -> ImageRow:
        """Return the row once a generation of it has its outcome, while the control plane goes its rounds."""

        def row() -> ImageRow | None:
            found = self.platform.images.get(key)
            is_settled = found is not None and found.status.is_settled and found.generation == generation
            return found if is_settled else None

        return self.reconcile_until(row, f"generation {generation} of {key} has its outcome")

    def sizes(self) -> dict[str | None, FleetSize]:
        """Return what each fleet's group says of itself."""
        fleets = {name: self.platform.of_fleet(name).fleet.size() for name in (None, LARGE)}
        return {name: each.value for name, each in fleets.items() if not isinstance(each, Blind)}

    def reconcile_until(self, found: Callable[[], T | None], what: str) -> T:
        """Return what is found, as soon as it is; the control plane goes its rounds meanwhile."""
        give_up_at = time.monotonic() + PATIENCE_S
        while not (answer := found()):
            reconcile_world(self.platform)
            logs = [path.read_text()[-1500:] for path in sorted(self.directory.glob("*.log"))]
            assert time.monotonic() < give_up_at, "\n".join([f"{what}: not in time", *logs])
            time.sleep(0.2)
        return answer


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Laptop]:
    """Everything deployed under a prefix of its own, and a process that realises both fleets' instances."""
    aws = LocalAws.start(tmp_path / "aws", 0, ends_with_parent=True)
    deploy_locally(aws, prefix=PREFIX, fleets={LARGE: 1.861})
    environment = local_environment(aws, Profile.OPERATOR, prefix=PREFIX) | {
        "PARJANYA_FLEETS": f"{LARGE}:1.861"
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    platform = platform_from(load_settings(), plane="dagster")
    platform = replace(platform, limits=replace(platform.limits, sweep_age=timedelta(0)))
    add_tenant(platform, TENANT)
    publish_policy(platform, shipped_policy().canonical)
    realiser = subprocess.Popen(
        [
            *(sys.executable, "-m", "parjanya_dagster.local.fleet", f"--aws-dir={aws.state_dir}"),
            *(f"--directory={tmp_path}", f"--prefix={PREFIX}", "--interval-s=0.1"),
            *("--extra", LARGE, " ".join(_WORKER), "--", *_WORKER),
        ]
    )
    yield Laptop(platform, tmp_path)
    realiser.terminate()
    realiser.wait(60)
    aws.stop()


def test_image_that_runs_out_of_memory_gets_its_verdict_on_the_fleet_that_a_replay_names(
    laptop: Laptop,
) -> None:
    """From upload to `oom`, by `parjanya replay --fleet large` to a verdict, and both fleets back to zero."""
    [photo] = write_samples(laptop.directory / "photos", count=1)
    key = laptop.upload(photo)

    failed = laptop.settled(key, 1)

    assert failed.status is Status.VLM_FAILED
    assert (failed.last_error or "").startswith("oom:")
    assert laptop.sizes()[LARGE].desired == 0

    said = CliRunner().invoke(
        parjanya, ["replay", "--failed", "oom", "--fleet", LARGE, "--yes"], obj=laptop.platform
    )
    assert "1 replayed" in said.output
    scored = laptop.settled(key, 2)

    assert (scored.status, scored.fleet) == (Status.ENRICHED, LARGE)
    members = {each.instance_id for each in laptop.sizes()[LARGE].instances}
    assert scored.scored_by in {f"headless:{each}" for each in members}
    assert trail(laptop.platform, limit=1)[0].action.endswith(f"--fleet {LARGE}")
    laptop.reconcile_until(
        lambda: not any(size.desired or size.instances for size in laptop.sizes().values()),
        "both fleets are at zero",
    )
