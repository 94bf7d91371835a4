"""Acts of a scene: what people, functions and time do in a small world of fakes.

All of it goes through the product's own code; only what surrounds that code is made up.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Final

from gpu_worker.effects import Settlement
from gpu_worker.settle import settle
from parjanya_dagster.control.capacity import write_boot
from parjanya_dagster.control.ingest import ingest_object
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.reconcile import reconcile_rows, reconcile_world
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.uploads import UploadRequest, request_upload
from parjanya_dagster.core.belief.boot import Boot, BootFailure, BootStage
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.errors import DeniedError
from parjanya_dagster.core.execution.outcome import Completed, standing
from parjanya_dagster.core.intent.job import Job, job_from_json
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.ports import Token
from parjanya_dagster.core.reconcile.evidence import PLANES, Patience
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.result import Result
from parjanya_dagster.core.truth.row import Decision, ImageRow, Verdict
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform

TENANT: Final = "acme"
_WORKER: Final = "headless:scene"
_FILE: Final = "photo.jpg"
_FOR_EVER: Final = 10**9
_CYCLE_S: Final = 60


def opening() -> FakePlatform:
    """Return a world in which all is well: one tenant, and two planes that look."""
    world = a_fake_platform(plane="lambda")
    add_tenant(world.platform(), TENANT)
    sweep(world)
    return world


def as_plane(world: FakePlatform, plane: str) -> Platform:
    """Return the platform as a plane's processes have it."""
    return replace(world.platform(), plane=plane)


def upload(world: FakePlatform, count: int, *, tenant_id: str = TENANT) -> list[ImageKey]:
    """Let a photographer upload files, and storage's events have them ingested; the stream is silent."""
    platform = as_plane(world, "web")
    token = Token(tenant_id=tenant_id, role="photographer", subject="ada")
    keys = []
    for number in range(count):
        body = f"{tenant_id} {number} {world.clock():%c}".encode()
        request = UploadRequest(
            file_name=_FILE,
            content_type="image/jpeg",
            size_bytes=len(body),
            sha256=sha256(body).hexdigest(),
        )
        ticket = request_upload(platform, token, request)
        world.objects.http_put(ticket.put.url, body, ticket.put.headers)
        bucket = world.names.uploads_bucket(tenant_id)
        ingest_object(platform, bucket, original_key(ticket.image_id, _FILE), None)
        keys.append(ImageKey(tenant_id=tenant_id, image_id=ticket.image_id))
    return keys


def stream(world: FakePlatform, keys: Sequence[ImageKey]) -> None:
    """Let the stream tell reconciliation about rows: jobs are sent, capacity is asked for."""
    reconcile_rows(as_plane(world, "lambda"), keys)


def sweep(world: FakePlatform, *planes: str) -> None:
    """Let these planes, or all, look at the whole world once: each repairs what it finds, then beats."""
    for plane in planes or PLANES:
        reconcile_world(as_plane(world, plane))


def working_minutes(world: FakePlatform, count: int) -> None:
    """Let workers work, and all planes look once a minute."""
    for _ in range(count):
        work(world)
        sweep(world)
        world.clock.advance(seconds=_CYCLE_S)
    sweep(world)


def work(world: FakePlatform) -> None:
    """Let a worker score what can be received, and settle it: Truth, then the message."""
    platform = as_plane(world, "worker")
    while held := platform.queue.receive(limit=10, wait_s=0):
        for each in held:
            job = job_from_json(each.body)
            row = platform.images.get(job.key)
            if row is not None and standing(row, job.generation) is None:
                _score(platform, each.receipt, job, row)
        platform.queue.delete([each.receipt for each in held])


def pass_time(world: FakePlatform, seconds: float, *, silent: Sequence[str] = ()) -> None:
    """Let time pass in which planes that live go on beating, and the fault under way goes on unrepaired.

    A plane that has been silent for too long has stopped; none beats while the queue cannot be read.
    """
    before = world.clock() - Patience().heartbeat
    alive = [plane for plane, at in world.control.heartbeats().items() if at > before]
    world.clock.advance(seconds=seconds)
    if isinstance(world.queue.depth(), Blind):
        return
    for plane in alive:
        if plane not in silent:
            world.control.beat(plane, now=world.clock())


def deny(world: FakePlatform, call: str, permission: str) -> None:
    """Take a permission away from everybody."""
    refusal = DeniedError(f"AccessDenied: not authorized to perform {permission}")
    world.calls.fail(call, refusal, times=_FOR_EVER)


def permit(world: FakePlatform, call: str) -> None:
    """Give a permission back."""
    world.calls.fail(call, DeniedError("given back"), times=0)


def report_boot(
    world: FakePlatform,
    instance_id: str,
    stage: BootStage,
    *,
    template: str,
    failure: BootFailure | None = None,
    detail: str = "",
) -> None:
    """Let a worker report how far its boot has come."""
    now = world.clock()
    boot = Boot(
        instance_id=instance_id,
        started_at=now - timedelta(seconds=30),
        stage=stage,
        at=now,
        error=f"{failure}: {detail}" if failure else None,
        failure=failure,
        template_version=template,
    )
    write_boot(as_plane(world, "worker"), boot)


def start_from(world: FakePlatform, template: str) -> None:
    """Go back to a template that boots: the group launches from it, and its workers come up."""
    world.fleet.use_template(template)
    world.fleet.refusal, world.fleet.boots = None, True
    sweep(world)
    world.fleet.set_desired(max(world.fleet.desired, 1))
    world.clock.advance(seconds=_CYCLE_S)
    for instance in world.fleet.members:
        report_boot(world, instance.instance_id, BootStage.READY, template=template)
    sweep(world)


def _score(platform: Platform, receipt: str, job: Job, row: ImageRow) -> None:
    result = Result(
        result_id=f"{job.generation}-{job.intent_id}",
        generation=job.generation,
        answers={},
        fingerprint="scene",
        decision=Decision(verdict=Verdict.ACCEPT, reason_codes=("good",), policy_version="scene"),
        scored_by=_WORKER,
        at=platform.clock(),
    )
    settlement = Settlement(
        receipt=receipt,
        job=job,
        row=row,
        outcome=Completed(result=result),
        has_recorded_attempt=False,
    )
    settle(platform, settlement, scored_by=_WORKER)
