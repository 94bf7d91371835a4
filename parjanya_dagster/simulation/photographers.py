"""Photographers of a simulated world: they ask for a URL and send a file, now, late or never."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final

from parjanya_dagster.control.uploads import UploadRequest, request_upload
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.ports import Token
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.simulation.draws import between, chance
from parjanya_dagster.simulation.faults import Deed, Fault
from parjanya_dagster.simulation.kernel import Process
from parjanya_dagster.simulation.pictures import UNREADABLE
from parjanya_dagster.simulation.weather import let_it_fall_apart
from parjanya_dagster.simulation.world import World

_NATURES: Final = (
    Fault.ENGINE_RAISED,
    Fault.ENGINE_KILLED,
    Fault.ENGINE_RAISED_IN_COMPANY,
    Fault.ENGINE_OUT_OF_MEMORY,
    Fault.IMAGE_TOO_LARGE,
)
_BURST: Final = 12
_BURST_S: Final = 120.0
_PUT_S: Final = (0.2, 30.0)
_LATE_S: Final = (1200.0, 3000.0)


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo of a tenant, with a name for reports."""

    tenant_id: str
    alias: str


def let_photographers_upload(world: World) -> None:
    """Spread this world's uploads over its time of faults, in bursts."""
    for number in range(1, world.climate.uploads + 1):
        tenants = world.climate.tenants
        tenant_id = tenants[int(len(tenants) * chance(world.seed, "tenant", number))]
        photo = Photo(tenant_id, f"{tenant_id}/{number}")
        burst = between(0, world.climate.chaos_s * 0.8, world.seed, "burst", number // _BURST)
        if world.chaos.is_done(Deed.UPLOAD, photo.alias):
            delay = burst + between(0, _BURST_S, world.seed, "shot", number)
            world.kernel.after(delay, partial(upload, world, photo))


def upload(world: World, photo: Photo) -> None:
    """Let a photographer send a photo, beginning now."""
    process = Process(f"upload {photo.alias}", "web")

    def end(_error: BaseException | None = None) -> None:
        world.kernel.promised -= 1

    world.kernel.promised += 1
    process.on_death = end
    world.kernel.spawn(process, process.label, partial(_upload, world, photo), then=end)


def _upload(world: World, photo: Photo) -> None:
    """Ask for a URL as a client does, and send the file, now or late or never."""
    body = photo.alias.encode()
    request = UploadRequest(
        file_name="photo.jpg",
        content_type="image/jpeg",
        size_bytes=len(body),
        sha256=sha256(body).hexdigest(),
    )
    token = Token(tenant_id=photo.tenant_id, role="photographer", subject="ada")
    ticket = request_upload(world.as_seen_by("web"), token, request)
    world.name(ticket.image_id, photo.alias)
    _give_nature(world, photo, body)
    let_it_fall_apart(world, ImageKey(tenant_id=photo.tenant_id, image_id=ticket.image_id), photo.alias)
    if world.chaos.strikes(Fault.UPLOAD_NEVER_CAME, photo.alias):
        return
    objects = world.fakes.objects
    send: Callable[[], object] = partial(objects.http_put, ticket.put.url, body, ticket.put.headers)
    delay_s = between(*_PUT_S, world.seed, "put", photo.alias)
    if world.chaos.strikes(Fault.UPLOAD_CAME_LATE, photo.alias):
        # The transfer began before the URL expired, and ended long after the row was given up.
        bucket = world.fakes.names.uploads_bucket(photo.tenant_id)
        send = partial(objects.add, bucket, original_key(ticket.image_id, request.file_name), body)
        delay_s = between(*_LATE_S, world.seed, "put late", photo.alias)
    world.kernel.promise(delay_s, send)


def _give_nature(world: World, photo: Photo, body: bytes) -> None:
    if world.chaos.strikes(Fault.UNREADABLE_IMAGE, photo.alias):
        world.bad_files.add(photo.alias)
        world.reader.verdicts[body] = UNREADABLE
    if world.chaos.strikes(Fault.DECODER_KILLED, photo.alias):
        world.bad_files.add(photo.alias)
        world.reader.deadly.add(body)
    for nature in _NATURES:
        if world.chaos.strikes(nature, photo.alias):
            world.natures[photo.alias] = nature
