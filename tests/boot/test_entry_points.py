"""Real workers: one that verified its model scores with it, one that refused it is known by the reason."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final

import boto3
import pytest

from gpu_worker.background import between_steps
from gpu_worker.boot.commands import EXIT_REFUSED
from gpu_worker.boot.failures import BootFailedError
from gpu_worker.boot.golden_images import as_png, golden_images
from gpu_worker.boot.manifest import read_manifest
from gpu_worker.boot.stamp import Stamp
from gpu_worker.boot.verification import StageName
from gpu_worker.prompts.pack import shipped_pack
from parjanya_dagster.control.capacity import newest_boots
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import publish_policy
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.core.belief.boot import BootFailure
from parjanya_dagster.core.belief.signals import Reading
from parjanya_dagster.core.intent.job import job_for
from parjanya_dagster.core.names import Names
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.local.credentials import Profile, local_environment
from parjanya_dagster.local.deployment import deploy_locally
from parjanya_dagster.local.stack import LocalAws
from parjanya_dagster.policies.shipped import shipped_policy
from parjanya_dagster.settings import load_settings
from parjanya_dagster.wiring import platform_from
from tests.boot.folders import ENGINE, SHARD, TENSOR, drop_tensor, flip_a_bit, rebless
from tests.builders import a_row, an_original, previews_of, some_facts

pytestmark = [pytest.mark.local_aws, pytest.mark.end_to_end]

PREFIX: Final = "parjanya-boot"
TENANT: Final = "acme"
PATIENCE_S: Final = 90.0
_NUMBERS: Final = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A deployment with one image that waits to be scored."""

    platform: Platform
    row: ImageRow
    log: Path

    @contextmanager
    def a_worker(self) -> "Iterator[subprocess.Popen[bytes]]":
        """Run a headless worker as the environment says, until the block ends at the latest."""
        command = [sys.executable, "-m", "gpu_worker", "headless"]
        with self.log.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as worker:
            try:
                yield worker
            finally:
                worker.kill()

    def status(self) -> Status:
        """Return where the image stands."""
        row = self.platform.images.get(self.row.key)
        assert row is not None
        return row.status

    def wait_until(self, holds: Callable[[], object]) -> None:
        """Return once something holds.

        Raises:
            AssertionError: it did not in time; the worker's log is quoted.
        """
        give_up_at = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < give_up_at, self.log.read_text()[-3000:]
            time.sleep(0.1)


@pytest.fixture
def site(local_aws: LocalAws, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Everything deployed, one job sent, and an environment in which workers load `folder`."""
    names = deploy_locally(local_aws, prefix=PREFIX)
    own = {
        "INSTANCE_ID": "i-boot",
        "PARJANYA_ENGINE": ENGINE,
        "PARJANYA_WORKER_MODEL": str(folder),
        "PARJANYA_WORKER_DEVICE": "cpu",
        "PARJANYA_WORKER_MICRO_BATCH": "1",
        "PARJANYA_WORKER_STATE": str(tmp_path / "state"),
    }
    for name, value in (local_environment(local_aws, Profile.OPERATOR, prefix=PREFIX) | own).items():
        monkeypatch.setenv(name, value)
    platform = platform_from(load_settings(), plane="cli")
    add_tenant(platform, TENANT)
    publish_policy(platform, shipped_policy().canonical)
    row = _waiting_row(platform, names)
    for name, value in local_environment(local_aws, Profile.WORKER, prefix=PREFIX).items():
        monkeypatch.setenv(name, value)
    return Site(platform=platform, row=row, log=tmp_path / "worker.log")


def _waiting_row(platform: Platform, names: Names) -> ImageRow:
    """Put one more image as ingestion leaves it, then send and stamp its job."""
    bucket, row = names.uploads_bucket(TENANT), a_row(next(_NUMBERS), tenant_id=TENANT)
    pinned = an_original(row.key, bucket=bucket, version_id=None)
    now = datetime.now(UTC)
    # not due yet: the functions would send its job too
    row = replace(row, original=pinned, due_at=now + timedelta(hours=1))
    photo = as_png(golden_images()["checks-384x256.png"])
    platform.objects.put(bucket, previews_of(row.key).model_key, photo, content_type="image/png")
    platform.images.put_facts(row.key, some_facts())
    platform.images.create(row)
    job = job_for(row, names=names, intent_id=f"intent-{row.key.image_id}", now=now)
    platform.queue.send([job])
    stamped = replace(row, intent_at=now, intent_id=job.intent_id, emissions=1)
    platform.images.write(row, stamped)
    return stamped


def test_headless_worker_scores_with_the_model_that_it_verified(site: Site, folder: Path) -> None:
    """From a folder on a disk to a verdict in Truth: every stage on record, then the first receive."""
    with site.a_worker() as worker:
        site.wait_until(lambda: site.status() is Status.ENRICHED)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0

    boot = next(each for each in newest_boots(site.platform) if each.instance_id == "i-boot")
    assert boot.is_ready
    assert [each.name for each in boot.trace] == list(StageName)
    [result] = site.platform.images.results(site.row.key)
    assert result.prompt_pack == "house-1"
    assert result.at > boot.at
    assert result.answers.keys() == {each.id for each in shipped_pack().questions}
    machine = Stamp(state=folder.parent / "state", machine="i-boot")
    manifest = read_manifest(folder)
    assert machine.is_current(folder, manifest=manifest.content_hash, names=manifest.files)


def test_headless_worker_that_refuses_its_model_receives_nothing_and_says_why(
    site: Site, folder: Path
) -> None:
    """Incident 6b: exit status 3, a name in Truth, and the job still waits for a sound worker."""
    flip_a_bit(folder / SHARD)

    with site.a_worker() as worker:
        assert worker.wait(PATIENCE_S) == EXIT_REFUSED

    boot = newest_boots(site.platform)[0]
    assert (boot.instance_id, boot.failure) == ("i-boot", BootFailure.HASH_DIFFERS)
    assert SHARD in str(boot.error)
    assert site.status() is Status.PENDING_VLM_ENRICHMENT
    depth = site.platform.queue.depth()
    assert isinstance(depth, Reading)
    assert (depth.value.visible > 0, depth.value.in_flight) == (True, 0)


def test_work_between_steps_is_not_begun_with_a_model_that_was_refused(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent gives the instance up when this raises, and by then Truth says why."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the environment of whoever called first
    drop_tensor(folder, TENSOR)
    rebless(folder)

    with pytest.raises(BootFailedError, match=f"^load_incomplete: tensors: {TENSOR} missing"):
        between_steps()

    boot = newest_boots(site.platform)[0]
    assert (boot.instance_id, boot.failure) == ("i-boot", BootFailure.LOAD_INCOMPLETE)
