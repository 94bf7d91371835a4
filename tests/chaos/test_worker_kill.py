"""Workers that are killed in the middle: real processes, the real local AWS, `kill -9`.

Every image reaches a verdict all the same, and none twice in effect.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from PIL import Image

from parjanya_dagster.aws.clients import AwsClients
from parjanya_dagster.aws.control_dynamodb import DynamoControlStore
from parjanya_dagster.aws.intent_sqs import SqsIntentQueue
from parjanya_dagster.aws.tenant_buckets import S3TenantBuckets
from parjanya_dagster.aws.truth_dynamodb import DynamoImageStore
from parjanya_dagster.aws.truth_s3 import S3ObjectStore
from parjanya_dagster.control.policies import publish_policy
from parjanya_dagster.core.belief.signals import Reading
from parjanya_dagster.core.intent.job import job_for
from parjanya_dagster.core.names import Names
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.local.credentials import Profile, local_environment, root_session
from parjanya_dagster.local.deployment import deploy_locally
from parjanya_dagster.local.stack import LocalAws
from parjanya_dagster.policies.shipped import shipped_policy
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import a_row, an_original, previews_of, some_facts

pytestmark = [pytest.mark.local_aws, pytest.mark.end_to_end]

PREFIX: Final = "parjanya-chaos"
TENANT: Final = "chaos"
IMAGES: Final = 200
VISIBILITY_S: Final = 4
PATIENCE_S: Final = 120.0


@dataclass
class Town:
    """A deployment whose queue returns messages quickly, and the worker processes on it."""

    aws: LocalAws
    names: Names
    images: DynamoImageStore
    queue: SqsIntentQueue
    objects: S3ObjectStore
    logs: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start `python -m gpu_worker headless` with the rights of a worker."""
        environment = local_environment(self.aws, Profile.WORKER, prefix=PREFIX) | {
            "INSTANCE_ID": f"i-chaos{len(self.workers)}",
            "PARJANYA_VISIBILITY_S": str(VISIBILITY_S),
            "PARJANYA_LONGEST_MICRO_BATCH_S": "1",
            "PARJANYA_WORKER_MICRO_BATCH": "2",
        }
        with (self.logs / f"worker-{len(self.workers)}.log").open("wb") as log:
            command = [sys.executable, "-m", "gpu_worker", "headless"]
            worker = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.workers.append(worker)
        return worker

    def rows(self, keys: list[ImageKey]) -> list[ImageRow]:
        """Return the heads as they are now."""
        return self.images.get_many(keys)

    def settled(self, keys: list[ImageKey]) -> int:
        """Return how many images have a durable outcome."""
        return sum(row.status.is_settled for row in self.rows(keys))

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """Return once `holds`.

        Raises:
            AssertionError: it did not in time; the workers' logs are quoted.
        """
        give_up_at = time.monotonic() + PATIENCE_S
        while not holds():
            tails = [path.read_text()[-1500:] for path in sorted(self.logs.iterdir())]
            assert time.monotonic() < give_up_at, f"{what}: " + "\n".join(tails)
            time.sleep(0.05)


@pytest.fixture
def town(local_aws: LocalAws, tmp_path: Path) -> Iterator[Town]:
    """Everything deployed under a prefix of its own; every worker is ended afterwards."""
    names = deploy_locally(local_aws, prefix=PREFIX)
    clients = AwsClients(
        region=local_aws.region, endpoint_url=local_aws.endpoint, session=root_session(local_aws)
    )
    url = clients.sqs.get_queue_url(QueueName=names.intents_queue)["QueueUrl"]
    clients.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(VISIBILITY_S)})
    S3TenantBuckets(clients.s3, names=names, origins=["http://127.0.0.1"]).ensure(TENANT)
    control = DynamoControlStore(clients.dynamodb, table=names.control_table)
    publish_policy(replace(a_fake_platform().platform(), control=control), shipped_policy().canonical)
    found = Town(
        aws=local_aws,
        names=names,
        images=DynamoImageStore(clients.dynamodb, table=names.images_table),
        queue=SqsIntentQueue(
            clients.sqs, queue=names.intents_queue, dead_letter_queue=names.dead_letter_queue
        ),
        objects=S3ObjectStore(clients.s3),
        logs=tmp_path,
    )
    yield found
    for worker in found.workers:
        worker.kill()
        worker.wait()


def _put_images(town: Town) -> list[ImageKey]:
    """Put images as ingestion leaves them, then send and stamp their jobs."""
    bucket = town.names.uploads_bucket(TENANT)

    def put(number: int) -> ImageRow:
        row = a_row(number, tenant_id=TENANT)
        key = row.key
        pinned = an_original(key, bucket=bucket, version_id=None)
        # not due yet: this test sends the jobs itself, and the functions would send them too
        row = replace(row, original=pinned, due_at=datetime.now(tz=UTC) + timedelta(hours=1))
        town.objects.put(bucket, previews_of(key).model_key, _tiny_photo(number), content_type="image/png")
        town.images.put_facts(key, some_facts())
        town.images.create(row)
        return row

    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(put, range(1, IMAGES + 1)))
    now = datetime.now(tz=UTC)
    jobs = [job_for(row, names=town.names, intent_id=f"intent-{row.key.image_id}", now=now) for row in rows]
    assert len(town.queue.send(jobs)) == IMAGES
    for row, job in zip(rows, jobs, strict=True):
        town.images.write(row, replace(row, intent_at=now, intent_id=job.intent_id, emissions=1))
    return [row.key for row in rows]


def _tiny_photo(number: int) -> bytes:
    noise = np.random.default_rng(number).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(noise).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def _kill(worker: subprocess.Popen[bytes]) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()


def test_images_when_workers_are_killed_in_the_middle_all_get_one_verdict(town: Town) -> None:
    """Kill -9 among 200 images: nothing is lost, nothing is decided twice, and no image is blamed."""
    keys = _put_images(town)

    first, second = town.start_worker(), town.start_worker()
    town.wait_until(lambda: town.settled(keys) >= IMAGES // 8, "the workers did not begin")
    _kill(first)
    third = town.start_worker()
    town.wait_until(lambda: town.settled(keys) >= IMAGES // 2, "the others did not go on")
    settled_at_kill = town.settled(keys)
    _kill(third)
    _kill(second)
    last = town.start_worker()
    town.wait_until(lambda: town.settled(keys) == IMAGES, "not every image was settled")
    town.wait_until(lambda: _is_empty(town), "messages were left in the queue")

    assert settled_at_kill < IMAGES, "the kill came too late to mean anything"
    rows = town.rows(keys)
    assert {row.status for row in rows} == {Status.ENRICHED}
    assert {row.generation for row in rows} == {1}
    assert not any(row.intent_at for row in rows), "a settled row keeps no stamp"
    for row in rows:
        named = [each for each in town.images.results(row.key) if each.result_id == row.result_id]
        assert [each.decision for each in named] == [row.decision], "the head names one result, once"
    assert town.images.outstanding(sent_before=datetime.max.replace(tzinfo=UTC), limit=10) == []

    last.send_signal(signal.SIGTERM)
    assert last.wait(timeout=30) == 0, "asked to leave, a worker leaves in order"


def _is_empty(town: Town) -> bool:
    depth, dead = town.queue.depth(), town.queue.dead_letter_depth()
    assert isinstance(depth, Reading)
    assert isinstance(dead, Reading)
    assert dead.value.total == 0, "nothing was blamed for the kills"
    return depth.value.total == 0
