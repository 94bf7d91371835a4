"""A model folder that is as it should be: it boots, stage by stage, and a warm restart reads it only once."""

from pathlib import Path
from threading import Event, Thread

import pytest

from gpu_worker.boot.hashing import Progress
from gpu_worker.boot.inspection import FAMILIES, expected_forms
from gpu_worker.boot.manifest import read_manifest
from gpu_worker.boot.pipeline import Trace
from gpu_worker.boot.shards import read_tensors, require_expected
from gpu_worker.boot.stamp import Stamp
from gpu_worker.boot.verification import StageName, boot
from gpu_worker.boot.worker import booted_scorer
from gpu_worker.engines.engine import EngineOptions
from gpu_worker.prompts.pack import shipped_pack
from gpu_worker.score import warm_scorer
from gpu_worker.settings import WorkerSettings
from gpu_worker.vitals import Vitals
from parjanya_dagster.control.capacity import newest_boots
from parjanya_dagster.core.belief.boot import BootFailure, BootStage
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.boot.folders import ENGINE, SHARD, a_request, flip_a_bit, options_of, rebless, shift_golden
from tests.engines.tiny_checkpoint import tiny_checkpoint


class Noted:
    """A witness that remembers which stage began under which standing, and the last trace."""

    def __init__(self) -> None:
        self.reached: list[tuple[BootStage, str]] = []
        self.trace: Trace = ()

    def reach(self, stage: BootStage, *, trace: Trace) -> None:
        """See `Witness`."""
        self.reached.append((stage, trace[-1].name))

    def note(self, trace: Trace) -> None:
        """See `Witness`."""
        self.trace = trace


def test_good_folder_boots_through_every_stage_and_the_engine_stays(ready: Path) -> None:
    """Files first, then what is in them, then what it answers."""
    noted, progress = Noted(), list[Progress]()

    booted = boot(a_request(ready, tell=progress.append), witness=noted)

    assert booted.run.failed is None
    assert [name for _, name in noted.reached] == list(StageName)
    assert [stage for stage, _ in noted.reached] == [
        *[BootStage.VERIFYING] * 7,
        BootStage.LOADING,
        BootStage.VERIFYING,
    ]
    assert noted.trace == booted.run.trace
    assert all(each.seconds is not None and each.detail for each in booted.run.trace)
    assert booted.run.seconds == pytest.approx(sum(each.seconds or 0 for each in booted.run.trace))
    assert progress[-1].done_bytes == progress[-1].total_bytes == read_manifest(ready).size_bytes
    assert booted.scorer is warm_scorer(ENGINE, options=options_of(ready))


def test_boot_of_a_worker_is_on_record_with_every_stage_and_its_time(ready: Path) -> None:
    """Truth has the table of stages, also of a boot that went well."""
    world = a_fake_platform(plane="worker")
    vitals = Vitals(world.platform(), instance_id="i-1")

    with vitals.booting():
        own = WorkerSettings(model=ready, device="cpu", micro_batch=1)
        booted_scorer(ENGINE, own, machine="i-1", witness=vitals)
    vitals.reach(BootStage.READY)

    [record] = newest_boots(world.platform())
    assert record.is_ready
    assert record.failure is None
    assert [each.name for each in record.trace] == list(StageName)
    assert None not in [each.seconds for each in record.trace]


def test_golden_answer_within_the_tolerance_is_none_that_differs(folder: Path) -> None:
    """Arithmetic may differ in its last digits."""
    shift_golden(folder, 5e-5)

    assert boot(a_request(folder)).run.failed is None


def test_tied_checkpoint_has_no_head_of_its_own_and_lacks_none(tmp_path: Path) -> None:
    """Qwen's small models use the embeddings for it: nothing is missing there."""
    tied = tiny_checkpoint(tmp_path, tied=True)

    require_expected(read_tensors(tied), expected_forms(FAMILIES[ENGINE].inspection(), tied))


def test_machine_that_hashed_a_folder_does_not_read_it_again(folder: Path, tmp_path: Path) -> None:
    """A warm restart compares sizes and times; what fills the volume is needed once."""
    stamp = Stamp(state=tmp_path / "state", machine="i-1")

    assert _hashes(folder, stamp) == "every byte read"
    assert _hashes(folder, stamp) == "not read: this machine hashed them before"


def test_workers_of_one_machine_read_a_folder_one_after_the_other(tmp_path: Path) -> None:
    """An instance with several GPUs boots several: the second waits, and finds the stamp."""
    stamp = Stamp(state=tmp_path / "state", machine="i-1")
    order: list[str] = []
    is_waiting = Event()

    def second() -> None:
        is_waiting.set()
        with stamp.held():
            order.append("second")

    with stamp.held():
        other = Thread(target=second)
        other.start()
        is_waiting.wait()
        other.join(0.1)
        order.append("first")
    other.join(10)

    assert order == ["first", "second"]


def test_another_machine_reads_every_byte_though_the_stamp_was_baked(folder: Path, tmp_path: Path) -> None:
    """Its volume is empty until it is read, whatever the image says."""
    state = tmp_path / "state"
    _hashes(folder, Stamp(state=state, machine="i-baker"))

    assert _hashes(folder, Stamp(state=state, machine="i-2")) == "every byte read"


def test_file_that_was_touched_is_read_again(folder: Path, tmp_path: Path) -> None:
    """The stamp is for these very files, not for their names."""
    stamp = Stamp(state=tmp_path / "state", machine="i-1")
    _hashes(folder, stamp)
    flip_a_bit(folder / SHARD)

    failed = boot(a_request(folder, stamp=stamp)).run.failed

    assert failed is not None
    assert failed.failure is BootFailure.HASH_DIFFERS


def test_manifest_that_is_another_one_makes_the_machine_read_again(folder: Path, tmp_path: Path) -> None:
    """What was hashed was compared with the manifest of then."""
    stamp = Stamp(state=tmp_path / "state", machine="i-1")
    _hashes(folder, stamp)
    (folder / "README.md").write_text("new")
    rebless(folder)

    assert _hashes(folder, stamp) == "every byte read"


def test_stamp_that_is_damaged_is_none(folder: Path, tmp_path: Path) -> None:
    """It saves time, and nothing else depends on it."""
    stamp = Stamp(state=tmp_path / "state", machine="i-1")
    _hashes(folder, stamp)
    (tmp_path / "state" / "boot-stamp.json").write_text("{")

    assert _hashes(folder, stamp) == "every byte read"


def test_state_that_cannot_be_written_costs_no_boot(folder: Path, tmp_path: Path) -> None:
    """The next boot reads again; that is all."""
    (tmp_path / "state").write_text("a file where a folder should be")

    booted = boot(a_request(folder, stamp=Stamp(state=tmp_path / "state", machine="i-1")))

    assert booted.run.failed is None
    assert booted.run.trace[3].detail.endswith("it could not be noted")


def test_worker_writes_nothing_into_a_model_folder(folder: Path, tmp_path: Path) -> None:
    """It may lie on a volume that is read only."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    assert _hashes(folder, Stamp(state=tmp_path / "state", machine="i-1")) == "every byte read"

    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_sizes_only_believes_what_it_does_not_read(folder: Path) -> None:
    """For a person in a hurry: a flipped bit passes this stage, and only this one is left out."""
    flip_a_bit(folder / SHARD)

    run = boot(a_request(folder, sizes_only=True)).run

    assert run.trace[3].detail == "not read: sizes only, as asked"
    assert [each.name for each in run.trace] == list(StageName)


def test_engine_without_a_folder_boots_through_the_stages_that_apply() -> None:
    """One pipeline for every engine: the package's own coefficients load and answer."""
    booted = boot(a_request(Path(), engine="cpu", options=EngineOptions()))

    assert booted.run.failed is None
    assert booted.scorer is not None
    assert [each.name for each in booted.run.trace] == [StageName.LOAD, StageName.GOLDEN]
    weights = booted.scorer.engine.fingerprint_parts(booted.scorer.pack).weights
    assert weights[:12] in booted.run.trace[0].detail
    assert booted.run.trace[1].detail == "5 images answered"


def test_pack_that_the_engine_cannot_answer_ends_the_boot_and_not_the_first_batch() -> None:
    """Engine cpu measures; it has no opinion on what only a model can see."""
    request = a_request(Path(), engine="cpu", options=EngineOptions(), pack=shipped_pack("photo-1"))

    failed = boot(request).run.failed

    assert failed is not None
    assert failed.failure is BootFailure.MISCONFIGURED


def _hashes(folder: Path, stamp: Stamp) -> str:
    """Boot, and return what the stage of the hashes did, without its speed."""
    booted = boot(a_request(folder, stamp=stamp))
    assert booted.run.failed is None
    return booted.run.trace[3].detail.partition(",")[0]
