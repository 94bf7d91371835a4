"""A small deployment whose functions are silent, and real processes that are killed at named calls."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Final

import httpx
import numpy as np
from PIL import Image

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import publish_policy
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.uploads import UploadRequest, request_upload
from parjanya_dagster.core.ports import Token
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.local.credentials import Profile, local_environment, root_session
from parjanya_dagster.local.deployment import deploy_locally
from parjanya_dagster.local.stack import LocalAws
from parjanya_dagster.policies.shipped import shipped_policy
from parjanya_dagster.wiring import platform_from_environment
from tests.chaos.proxy import Answered, Call, Cut, Harm, Proxy, proxied

PREFIX: Final = "parjanya-points"
TENANT: Final = "points"
VISIBILITY_S: Final = 3
_PATIENCE_S: Final = 60.0
_DELAY_S: Final = 0.3
_INGEST: Final = "from parjanya_dagster.lambdas.on_upload import handler; handler({event!r})"
_STREAM: Final = "from parjanya_dagster.lambdas.on_stream import handler; handler({event!r})"


@dataclass
class Ground:
    """Truth and Intent for real, and nobody who acts on them by himself."""

    aws: LocalAws
    platform: Platform
    proxy: Proxy
    directory: Path

    def upload(self, number: int) -> ImageKey:
        """Upload one photo as a client does; no event follows."""
        body = _photo(number)
        token = Token(tenant_id=TENANT, role="photographer", subject="points")
        request = UploadRequest(
            file_name=f"{number}.jpg",
            content_type="image/jpeg",
            size_bytes=len(body),
            sha256=sha256(body).hexdigest(),
        )
        ticket = request_upload(self.platform, token, request)
        httpx.put(ticket.put.url, content=body, headers=dict(ticket.put.headers)).raise_for_status()
        return ImageKey(tenant_id=TENANT, image_id=ticket.image_id)

    def empty_fleet(self) -> None:
        """Bring the group to zero, so that the next reconciliation has a fleet to wake."""
        scaling = root_session(self.aws).client("autoscaling", endpoint_url=self.aws.endpoint)
        scaling.set_desired_capacity(
            AutoScalingGroupName=self.platform.names.gpu_group, DesiredCapacity=0, HonorCooldown=False
        )

    def row(self, key: ImageKey) -> ImageRow:
        """Return a head that must be there."""
        row = self.platform.images.get(key)
        assert row is not None
        return row

    def ingest(self, key: ImageKey) -> list[str]:
        """Return the command that handles the event of an image's upload."""
        original = self.row(key).original
        assert original is not None
        event = {"detail": {"bucket": {"name": original.bucket}, "object": {"key": original.key}}}
        return [sys.executable, "-c", _INGEST.format(event=event)]

    def reconcile(self, *keys: ImageKey) -> list[str]:
        """Return the command that handles a stream's records about images."""
        records = [
            {"dynamodb": {"Keys": {"pk": {"S": str(key)}, "sk": {"S": "head"}}}, "eventName": "MODIFY"}
            for key in keys
        ]
        return [sys.executable, "-c", _STREAM.format(event={"Records": records})]

    def worker(self) -> list[str]:
        """Return the command of a headless worker."""
        return [sys.executable, "-m", "gpu_worker", "headless"]

    def run(
        self, command: Sequence[str], profile: Profile, *, until: Callable[[], bool] | None = None
    ) -> int:
        """Run a process through the proxy to its end, or until a condition holds; return its exit status."""
        process = self._start(command, profile)
        give_up_at = time.monotonic() + _PATIENCE_S
        while process.poll() is None:
            if until is not None and until():
                process.send_signal(signal.SIGTERM)
                until = None
            if time.monotonic() > give_up_at:
                process.kill()
            time.sleep(0.02)
        return process.returncode

    def run_killed(
        self,
        command: Sequence[str],
        profile: Profile,
        at: Call,
        *,
        after: bool,
        until: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Run a process and `kill -9` it at a call, or when there is nothing left for it to do.

        Returns:
            Whether it came to that call.
        """
        struck = False
        pid = 0

        def strike(call: Call) -> Harm:
            nonlocal struck
            if call == at and not struck:
                struck = True
                os.kill(pid, signal.SIGKILL)
            return None

        self.proxy.calls.clear()
        if after:
            self.proxy.after = strike
        else:
            self.proxy.before = strike
        process = self._start(command, profile)
        pid = process.pid
        give_up_at = time.monotonic() + _PATIENCE_S
        while process.poll() is None and not until() and time.monotonic() < give_up_at:
            time.sleep(0.02)
        process.kill()
        process.wait()
        self.proxy.before = self.proxy.after = lambda _call: None
        return struck

    @contextmanager
    def bad_network(self, *, seed: int) -> Iterator[Counter[str]]:
        """Harm about a tenth of all calls; yields how often each harm was done."""
        random = Random(seed)  # noqa: S311 - harm need not be secret
        harmed: Counter[str] = Counter()

        def before(_call: Call) -> Harm:
            match _drawn(random):
                case "cut before" as harm:
                    harmed[harm] += 1
                    return Cut()
                case "503" as harm:
                    harmed[harm] += 1
                    return Answered(status=503)
                case "delay" as harm:
                    harmed[harm] += 1
                    time.sleep(_DELAY_S)
            return None

        def after(_call: Call) -> Harm:
            if _drawn(random) != "cut after":
                return None
            harmed["cut after"] += 1
            return Cut()

        self.proxy.before, self.proxy.after = before, after
        yield harmed
        self.proxy.before = self.proxy.after = lambda _call: None

    def _start(self, command: Sequence[str], profile: Profile) -> "subprocess.Popen[bytes]":
        environment = local_environment(self.aws, profile, prefix=PREFIX) | {
            "AWS_ENDPOINT_URL": self.proxy.url,
            "INSTANCE_ID": "i-points",
            "PARJANYA_VISIBILITY_S": str(VISIBILITY_S),
            "PARJANYA_LONGEST_MICRO_BATCH_S": "1",
        }
        with (self.directory / "process.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """Return once `holds`.

        Raises:
            AssertionError: it did not in time.
        """
        give_up_at = time.monotonic() + _PATIENCE_S
        while not holds():
            assert time.monotonic() < give_up_at, what
            time.sleep(0.05)

    def faults(self, keys: Sequence[ImageKey]) -> list[str]:
        """Return what is not as it must be once every image has its verdict."""
        faults: list[str] = []
        for row in self.platform.images.get_many(keys):
            results = self.platform.images.results(row.key)
            named = [each for each in results if each.result_id == row.result_id]
            if row.status is not Status.ENRICHED or [each.decision for each in named] != [row.decision]:
                faults.append(f"{row.key}: {row.status}, {row.last_error}, {len(named)} results named")
            if row.generation != 1 or row.intent_at is not None or row.quarantined:
                faults.append(f"{row.key}: generation {row.generation}, intent {row.intent_at}")
        return faults


@contextmanager
def standing_ground(aws: LocalAws, directory: Path) -> Iterator[Ground]:
    """Deploy, silence the functions, and put the environment back at the end."""
    names = deploy_locally(aws, prefix=PREFIX)
    root = root_session(aws)
    events = root.client("events", endpoint_url=aws.endpoint)
    for rule in events.list_rules(NamePrefix=PREFIX)["Rules"]:
        events.disable_rule(Name=rule["Name"])
    functions = root.client("lambda", endpoint_url=aws.endpoint)
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        if f"{PREFIX}-" in mapping["FunctionArn"]:
            functions.delete_event_source_mapping(UUID=mapping["UUID"])
    sqs = root.client("sqs", endpoint_url=aws.endpoint)
    url = sqs.get_queue_url(QueueName=names.intents_queue)["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(VISIBILITY_S)})
    before = dict(os.environ)
    os.environ.update(local_environment(aws, Profile.OPERATOR, prefix=PREFIX))
    try:
        platform = platform_from_environment("cli")
        publish_policy(platform, shipped_policy().canonical)
        add_tenant(platform, TENANT)
        with proxied(aws.port) as proxy:
            yield Ground(aws=aws, platform=platform, proxy=proxy, directory=directory)
    finally:
        os.environ.clear()
        os.environ.update(before)


def _drawn(random: Random) -> str:
    return random.choices(("none", "cut before", "cut after", "503", "delay"), (36, 1, 1, 1, 1))[0]


def _photo(number: int) -> bytes:
    noise = np.random.default_rng(number).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(noise).resize((640, 480)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
