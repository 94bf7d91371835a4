"""Truth changes → a step runs on the fleet: the whole laptop, its sensor, its daemon and a warm agent.

What `benchmarks.executor` measures with `--truth`. An image's row becomes `pending_vlm_enrichment`; the
stream function sends its job; the sensor `backlog` sees that on its next tick, the daemon starts a run, and
the run's `drain_intents` begins on the instance. Each of these moments is in Truth or in Dagster's records.
"""

import os
import random
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import dagster as dg
from PIL import Image

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.home import Home
from parjanya_dagster.cli.laptop import bring_up, take_down
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.uploads import UploadRequest, request_upload
from parjanya_dagster.core.ports import Token
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.lifecycle import Status

TENANT = "bench"
PATIENCE_S = 120.0
# Between a run's end and the next image: past the sensor's minimum interval, at any phase of its ticks, and
# before the idle instance gives its protection up and only watches.
PAUSE_S = (6.0, 11.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One image's way from Truth to a running step, in seconds.

    Args:
        to_run: until the sensor's run was created.
        to_worker: from then until its run worker started.
        to_step: from then until `drain_intents` began on the instance.
    """

    to_run: float
    to_worker: float
    to_step: float

    @property
    def total(self) -> float:
        """From the change of Truth until the step runs."""
        return self.to_run + self.to_worker + self.to_step


def waits(directory: Path, *, count: int) -> Iterator[Wait]:
    """Yield `count` measurements on a laptop of their own, after one image that warms everything up."""
    chance = random.Random(count)  # noqa: S311 -- phases, no secrets
    with _laptop(directory) as (platform, instance):
        for number in range(count + 1):
            measured = _wait_of(platform, instance, _pending_since(platform, number))
            if number:
                yield measured
            time.sleep(chance.uniform(*PAUSE_S))


@contextmanager
def _laptop(directory: Path) -> Iterator[tuple[Platform, dg.DagsterInstance]]:
    before = dict(os.environ)
    home = Home(home=directory, aws_port=0, web_port=0, dagster_port=0)
    try:
        bring_up(home, with_dagster=True)
        platform = connect(home)
        add_tenant(platform, TENANT)
        os.environ["DAGSTER_HOME"] = str(home.dagster)
        os.environ["PARJANYA_ARTIFACTS_BUCKET"] = "unread"
        with dg.DagsterInstance.get() as instance:
            yield platform, instance
    finally:
        take_down(home)
        os.environ.clear()
        os.environ.update(before)


def _pending_since(platform: Platform, number: int) -> float:
    """Upload an image; return when its row began to wait for a score, epoch seconds."""
    picture = BytesIO()
    Image.effect_noise((1200, 800), 40 + number).convert("RGB").save(picture, "JPEG")
    body = picture.getvalue()
    request = UploadRequest(
        file_name=f"{number}.jpg",
        content_type="image/jpeg",
        size_bytes=len(body),
        sha256=sha256(body).hexdigest(),
    )
    ticket = request_upload(platform, Token(tenant_id=TENANT, role="photographer", subject="bench"), request)
    put = urllib.request.Request(ticket.put.url, data=body, method="PUT", headers=dict(ticket.put.headers))  # noqa: S310 -- our own loopback URL
    with urllib.request.urlopen(put) as answer:  # noqa: S310 -- the same
        answer.read()
    key = ImageKey(tenant_id=TENANT, image_id=ticket.image_id)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        row = platform.images.get(key)
        if row is not None and row.status is Status.PENDING_VLM_ENRICHMENT:
            return row.entered_at.timestamp()
        time.sleep(0.02)
    raise TimeoutError(f"image {number} is not waiting for a score: {row}")


def _wait_of(platform: Platform, instance: dg.DagsterInstance, since: float) -> Wait:
    """Wait for the first scoring run after `since` to end well; return its moments."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        record = next(iter(instance.get_run_records(limit=1)), None)
        if record is not None and record.create_timestamp.timestamp() > since:
            run = instance.get_run_by_id(record.dagster_run.run_id)
            if run is not None and run.is_success:
                return _moments(instance, record, since)
        time.sleep(0.2)
    raise TimeoutError(f"no run drained the image; {platform.queue.depth()}")


def _moments(instance: dg.DagsterInstance, record: dg.RunRecord, since: float) -> Wait:
    started: dict[str, float] = {}
    for entry in instance.all_logs(record.dagster_run.run_id):
        if entry.dagster_event is not None:
            event = entry.dagster_event
            step = (event.step_key or "").partition("[")[0].rpartition(".")[2]
            started.setdefault(f"{event.event_type_value} {step}".strip(), entry.timestamp)
    created = record.create_timestamp.timestamp()
    return Wait(
        to_run=created - since,
        to_worker=started["PIPELINE_START"] - created,
        to_step=started["STEP_START drain_intents"] - started["PIPELINE_START"],
    )
