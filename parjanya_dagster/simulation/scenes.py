"""The nine incidents, staged: each comes about in a world of fakes, is diagnosed, and is repaired.

What causes it is the product's own code wherever that is how it happened, and so is every repair: it does
what the finding's fix says.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from parjanya_dagster.control.dead_letters import acknowledge, open_dead_letters
from parjanya_dagster.control.diagnose import diagnosis_of
from parjanya_dagster.control.replay import Done, carry_out, preview_replay
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.core.belief.boot import BootFailure, BootStage
from parjanya_dagster.core.policy.preview import Tariff
from parjanya_dagster.core.reconcile.findings import Finding, findings_document
from parjanya_dagster.core.reconcile.replay import EVERYTHING, is_held_back
from parjanya_dagster.core.reconcile.replay_plan import Selection
from parjanya_dagster.core.truth.row import ImageRow
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from parjanya_dagster.simulation.scene_acts import (
    as_plane,
    deny,
    opening,
    pass_time,
    permit,
    report_boot,
    start_from,
    stream,
    sweep,
    upload,
    working_minutes,
)

_ARCHIVE: Final = "legacy-archive"
_FORGOTTEN: Final = "brave"
_TARIFF: Final = Tariff(seconds_per_image=0.25, usd_per_hour=1.0)
_DEREGISTERED: Final = "InvalidAMIID.NotFound: the image id '[ami-0a1b]' does not exist"
_SPOILT: Final = "model-00002-of-00004.safetensors: its sha256 is not the manifest's"
_STARTS: Final = 3
_DELIVERIES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One incident.

    Args:
        title: what happened, for a person.
        stage: brings it about.
        repair: does what the fix says.
    """

    title: str
    stage: Callable[[FakePlatform], None]
    repair: Callable[[FakePlatform], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneReport:
    """What a diagnosis said before and after the repair."""

    code: str
    title: str
    before: tuple[Finding, ...]
    after: tuple[Finding, ...]

    def document(self) -> dict[str, Any]:
        """Return the report as `parjanya simulate --stage CODE --json` prints it."""
        return {
            "stage": self.code,
            "title": self.title,
            "before": findings_document(list(self.before)),
            "after": findings_document(list(self.after)),
        }


def run_scene(code: str) -> SceneReport:
    """Stage an incident, repair it, and return both diagnoses.

    Raises:
        KeyError: no incident has this code.
    """
    scene, world = SCENES[code], opening()
    scene.stage(world)
    before = diagnosis_of(as_plane(world, "cli"))
    scene.repair(world)
    after = diagnosis_of(as_plane(world, "cli"))
    return SceneReport(code=code, title=scene.title, before=tuple(before), after=tuple(after))


def _purge_the_queue(world: FakePlatform) -> None:
    stream(world, upload(world, 4))
    world.queue.purge()
    pass_time(world, 130)


def _wait_for_lost_intent(world: FakePlatform) -> None:
    working_minutes(world, 4)


def _miss_rows(world: FakePlatform) -> None:
    upload(world, 3)  # their stream records reach nobody
    pass_time(world, 100)


def _refuse_capacity(world: FakePlatform) -> None:
    world.fleet.set_desired(0)  # the night before was quiet
    deny(world, "fleet.set_desired", "autoscaling:SetDesiredCapacity")
    stream(world, upload(world, 2))
    pass_time(world, 150)


def _allow_capacity(world: FakePlatform) -> None:
    permit(world, "fleet.set_desired")
    sweep(world)


def _write_rows_that_point_elsewhere(world: FakePlatform) -> None:
    """A migration's script wrote heads itself, and took the bucket of another system for the tenant's."""
    for key in upload(world, 2):
        row = world.images.rows[key]
        if row.original is not None:
            there = world.objects.add(_ARCHIVE, row.original.key, b"the same photo")
            original = replace(row.original, bucket=_ARCHIVE, version_id=there.version_id, etag=there.etag)
            world.images.add(replace(row, original=original))
        stream(world, [key])


def _correct_the_rows(world: FakePlatform) -> None:
    """The script is corrected and run again; a replay then lets go on what was set aside."""
    platform = as_plane(world, "cli")
    held_back = [row for row in world.images.rows.values() if is_held_back(row)]
    for row in held_back:
        home = world.names.uploads_bucket(row.key.tenant_id)
        info = row.original and world.objects.head(home, row.original.key)
        if row.original is not None and info is not None:
            original = replace(row.original, bucket=home, version_id=info.version_id, etag=info.etag)
            platform.images.write(row, replace(row, original=original))
    _replay(world, held_back)
    sweep(world)


def _lose_a_marker(world: FakePlatform) -> None:
    """Somebody removed a tenant halfway: its marker went, its bucket and its rows stayed."""
    add_tenant(world.platform(), _FORGOTTEN)
    stream(world, upload(world, 1, tenant_id=_FORGOTTEN))
    world.archive.forget_tenant(_FORGOTTEN)
    pass_time(world, 60)


def _add_the_tenant_again(world: FakePlatform) -> None:
    add_tenant(as_plane(world, "cli"), _FORGOTTEN)
    sweep(world)


def _deregister_the_image(world: FakePlatform) -> None:
    world.fleet.set_desired(0)
    world.fleet.refusal = _DEREGISTERED
    stream(world, upload(world, 1))
    for _ in range(_STARTS):
        pass_time(world, 30)
        world.fleet.set_desired(max(world.fleet.desired, 1))  # the group tries again by itself


def _spoil_the_model(world: FakePlatform) -> None:
    world.fleet.set_desired(0)
    world.fleet.boots = False
    stream(world, upload(world, 1))
    for number in range(_STARTS):
        pass_time(world, 40)
        version = world.fleet.template_version
        report_boot(
            world,
            f"i-{number}",
            BootStage.VERIFYING,
            template=version,
            failure=BootFailure.HASH_DIFFERS,
            detail=_SPOILT,
        )


def _go_back_to_a_good_template(world: FakePlatform) -> None:
    start_from(world, "last-good")


def _blind_the_planes(world: FakePlatform) -> None:
    deny(world, "queue.depth", "sqs:GetQueueAttributes")
    pass_time(world, 30)


def _let_them_see(world: FakePlatform) -> None:
    permit(world, "queue.depth")
    sweep(world)


def _give_jobs_up(world: FakePlatform) -> None:
    """One image kills every worker that scores it alone; another met one that always gave it back."""
    guilty, innocent = upload(world, 2)
    stream(world, [guilty, innocent])
    row = world.images.rows[guilty]
    world.platform().images.write(row, replace(row, attempts=world.limits.poison_attempts))
    for _ in range(_DELIVERIES):
        held = world.queue.receive(limit=10, wait_s=0)
        world.queue.extend([each.receipt for each in held], timeout_s=0)
    sweep(world, "dagster")
    pass_time(world, 60)
    sweep(world, "dagster")


def _acknowledge_dead_letters(world: FakePlatform) -> None:
    platform = as_plane(world, "cli")
    for record in open_dead_letters(platform):
        acknowledge(platform, record.record_id, by="ada")
    sweep(world)


def _stop_the_schedule(world: FakePlatform) -> None:
    pass_time(world, 120, silent=("lambda",))
    pass_time(world, 120, silent=("lambda",))


def _start_the_schedule(world: FakePlatform) -> None:
    sweep(world)


def _replay(world: FakePlatform, rows: list[ImageRow]) -> None:
    platform = as_plane(world, "cli")
    selection = Selection(keys=tuple(row.key for row in rows))
    preview = preview_replay(platform, selection, EVERYTHING, tariff=_TARIFF)
    for _ in carry_out(platform, preview.plan, done=Done()):
        continue


SCENES: Final[Mapping[str, Scene]] = MappingProxyType(
    {
        "1": Scene(
            title="rows were stamped, and their jobs got lost: the queue was purged",
            stage=_purge_the_queue,
            repair=_wait_for_lost_intent,
        ),
        "2": Scene(
            title="an empty queue was taken for no work: rows wait, and no job was ever sent",
            stage=_miss_rows,
            repair=sweep,
        ),
        "3": Scene(
            title="jobs wait on the queue, and the desired capacity stayed 0",
            stage=_refuse_capacity,
            repair=_allow_capacity,
        ),
        "4": Scene(
            title="rows point to another bucket than their tenant's",
            stage=_write_rows_that_point_elsewhere,
            repair=_correct_the_rows,
        ),
        "5": Scene(
            title="a tenant's registry marker is missing",
            stage=_lose_a_marker,
            repair=_add_the_tenant_again,
        ),
        "6a": Scene(
            title="no instance can be launched: the machine image was deregistered",
            stage=_deregister_the_image,
            repair=_go_back_to_a_good_template,
        ),
        "6b": Scene(
            title="instances boot, and their model files do not match the manifest",
            stage=_spoil_the_model,
            repair=_go_back_to_a_good_template,
        ),
        "7": Scene(
            title="the queue may not be read any more",
            stage=_blind_the_planes,
            repair=_let_them_see,
        ),
        "8": Scene(
            title="messages were given up: one image kills its workers, one was always given back",
            stage=_give_jobs_up,
            repair=_acknowledge_dead_letters,
        ),
        "9": Scene(
            title="one control plane stopped: its schedule is disabled",
            stage=_stop_the_schedule,
            repair=_start_the_schedule,
        ),
    }
)
"""Scenes by the incident's code, as `diagnose` names it."""
