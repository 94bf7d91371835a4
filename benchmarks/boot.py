"""What a boot takes, stage by stage, and what the same stages would take for the real model's 17.5 GB.

    python -m benchmarks.boot [--rounds 2]

A checkpoint with random weights (0.7 GB in bfloat16) is written to a temporary folder, made ready by the
product's own commands, and booted in new processes: first as a new machine, which reads every byte, then as
one that has read them before. Its files are in the page cache, so this is what the CPU allows, and not what a
volume does.

For the real model, times are computed, not measured: the slower of a volume and of one core here, for the two
passes over the weights, hashing and loading. A machine with 16 GiB of memory cannot keep 17.5 GB from one
pass to the next, so both read the volume. Loading on a CPU also converts to float32, which a GPU does not
need: what is computed takes the copy alone.
"""

import math
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]  # it publishes no types
import torch
from safetensors import safe_open
from transformers import Qwen3VLConfig

from benchmarks.results import Cell, Plot, Results, open_results, parser
from benchmarks.timing import least_cpu_s
from gpu_worker.boot.baking import bake_golden, bake_manifest
from gpu_worker.boot.pipeline import Trace
from gpu_worker.boot.stamp import Stamp
from gpu_worker.boot.verification import Request, StageName, boot
from gpu_worker.engines.engine import EngineOptions
from gpu_worker.engines.qwen3_vl.weights import new_model, shards_of
from gpu_worker.prompts.pack import shipped_pack
from parjanya_dagster.core.belief.boot import BootStage
from tests.engines.tiny_checkpoint import tiny_checkpoint

FIRST: Final = "a first boot"
AGAIN: Final = "a restart on a machine that has read every byte before"
COPIED: Final = "loading without conversion"
COMPUTED: Final = "17.5 GB, computed"
ENGINE: Final = "qwen3_vl"
PACK: Final = "photo-1"
REAL_BYTES: Final = 17.53e9
MIB: Final = 2**20
VOLUMES: Final = {
    "gp3 at 125 MB/s, new: fetched at 100 MiB/s": (100 * MIB, 125e6),
    "gp3 at 500 MB/s, new: fetched at 100 MiB/s": (100 * MIB, 500e6),
    "gp3 at 500 MB/s, new: fetched at 300 MiB/s": (300 * MIB, 500e6),
    "gp3 at 125 MB/s, every block there": (125e6, 125e6),
    "gp3 at 500 MB/s, every block there": (500e6, 500e6),
    "gp3 at 1000 MB/s, every block there": (1000e6, 1000e6),
    "no volume: one core of this CPU": (math.inf, math.inf),
}
"""Bytes per second of the first and of later passes: a new volume fetches each block from its snapshot when
it is first read. Source: EBS's documentation. What an instance type itself allows may be less."""
_TEXT: Final = {
    "vocab_size": 151_936,
    "hidden_size": 1024,
    "intermediate_size": 1024,
    "num_hidden_layers": 4,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 64,
}
_MROPE: Final = [12, 10, 10]  # half of a head's width
_SHARD: Final = "250MB"


@dataclass(slots=True)
class CpuWitness:
    """Notes the CPU seconds of this process that each stage took, whatever else the machine did."""

    seconds: dict[str, float] = field(default_factory=dict)
    _began_s: float = 0.0

    def reach(self, stage: BootStage, *, trace: Trace) -> None:
        """See `Witness`."""
        del stage, trace
        self._began_s = time.process_time()

    def note(self, trace: Trace) -> None:
        """See `Witness`."""
        self.seconds[trace[-1].name] = time.process_time() - self._began_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One stage of one boot."""

    stage: str
    wall_s: float
    cpu_s: float
    found: str


def main() -> None:
    """Measure both boots, then compute."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=2, help="boots of each kind; the least counts")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    results = open_results(
        "boot",
        plot=Plot(table=COMPUTED, label="weights on", value="first boot s"),
        packages=["torch", "transformers", "safetensors"],
        out=options.out,
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        bake(larger_checkpoint(folder))
        size_bytes = sum(shard.stat().st_size for shard in shards_of(folder))
        results.remark(f"{size_bytes / 1e6:,.0f} MB of weights, bfloat16 on disk and float32 on this CPU.")
        first = measure(results, FIRST, folder, size_bytes, rounds=options.rounds, stamp=None)
        kept = Stamp(state=Path(scratch) / "state", machine="benchmark")
        boot(request_of(folder, stamp=kept))
        measure(results, AGAIN, folder, size_bytes, rounds=options.rounds, stamp=kept)
        copied = copy_bytes_per_s(folder, size_bytes, rounds=options.rounds)
    row: dict[str, Cell] = {"pass": "tensors copied as they are", "MB per CPU s": copied / 1e6}
    results.add(COPIED, row)
    compute(results, first[StageName.HASHES], copied)


def larger_checkpoint(folder: Path) -> Path:
    """Write a checkpoint as the tests do, with a language model that is worth timing."""
    tiny_checkpoint(folder)
    document = Qwen3VLConfig.from_pretrained(folder, local_files_only=True).to_dict()
    text = document["text_config"]
    rope = text["rope_parameters"] | {"mrope_section": _MROPE}
    document["text_config"] = text | _TEXT | {"rope_parameters": rope}
    document |= {"dtype": "bfloat16"}
    document["vision_config"]["out_hidden_size"] = _TEXT["hidden_size"]
    for shard in shards_of(folder):
        shard.unlink()
    model = new_model(Qwen3VLConfig.from_dict(document), torch.device("cpu"), torch.bfloat16)
    model.save_pretrained(folder, max_shard_size=_SHARD)
    return folder


def bake(folder: Path) -> None:
    """Make a checkpoint ready for workers, by the product's own means."""
    now = datetime.now(tz=UTC)
    bake_manifest(folder, engine=ENGINE, packs=[shipped_pack(PACK)], revision="random", force=True, now=now)
    bake_golden(folder, boot(request_of(folder, without_golden=True)), force=True, now=now)


def request_of(folder: Path, *, stamp: Stamp | None = None, without_golden: bool = False) -> Request:
    """Return what asks the folder to boot on one thread of the CPU, one image at a time."""
    options = EngineOptions(model=folder, device="cpu", micro_batch=1)
    return Request(
        engine=ENGINE,
        options=options,
        pack=shipped_pack(PACK),
        stamp=stamp,
        without_golden=without_golden,
    )


def measure(
    results: Results, table: str, folder: Path, size_bytes: int, *, rounds: int, stamp: Stamp | None
) -> dict[str, float]:
    """Add a row per stage, the least of some boots; return bytes per CPU second where weights are read."""
    boots = []
    for _ in range(rounds):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            boots.append(process.submit(timed_boot, folder, stamp).result())
    speeds: dict[str, float] = {}
    for same_stage in zip(*boots, strict=True):
        best = min(same_stage, key=lambda each: each.cpu_s)
        row: dict[str, Cell] = {"stage": best.stage, "s": best.wall_s, "CPU s": best.cpu_s}
        if reads_weights(best.stage, stamp):
            speeds[best.stage] = size_bytes / best.cpu_s
        row["MB per CPU s"] = speeds[best.stage] / 1e6 if best.stage in speeds else None
        results.add(table, row | {"found": best.found})
    return speeds


def timed_boot(folder: Path, stamp: Stamp | None) -> list[Timed]:
    """Boot in this process, which was started for nothing else.

    Raises:
        BootFailedError: the folder was refused.
    """
    began = Timed(
        stage="start of Python, imports",
        wall_s=time.time() - psutil.Process().create_time(),
        cpu_s=time.process_time(),
        found="torch, transformers",
    )
    torch.set_num_threads(1)
    witness = CpuWitness()
    run = boot(request_of(folder, stamp=stamp), witness=witness).run
    if run.failed:
        raise run.failed
    return [began] + [
        Timed(
            stage=each.name,
            wall_s=each.seconds or 0.0,
            cpu_s=witness.seconds[each.name],
            found=each.detail,
        )
        for each in run.trace
    ]


def reads_weights(stage: str, stamp: Stamp | None) -> bool:
    """Whether a stage reads every byte of the weights."""
    return stage == StageName.LOAD or (stage == StageName.HASHES and stamp is None)


def copy_bytes_per_s(folder: Path, size_bytes: int, *, rounds: int) -> float:
    """Return how fast one core copies all tensors from their shards, bytes per CPU second."""

    def copy() -> None:
        for shard in shards_of(folder):
            with safe_open(shard, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - the handle is no mapping
                    file.get_tensor(name).clone()

    return size_bytes / least_cpu_s({"copy": copy}, rounds=rounds)["copy"]


def compute(results: Results, hash_bytes_per_s: float, load_bytes_per_s: float) -> None:
    """Add what the two passes over the real model's weights would take."""
    for volume, (first_bytes_per_s, later_bytes_per_s) in VOLUMES.items():
        hash_s = REAL_BYTES / min(first_bytes_per_s, hash_bytes_per_s)
        load_s = REAL_BYTES / min(later_bytes_per_s, load_bytes_per_s)
        row: dict[str, Cell] = {"weights on": volume, "hash s": hash_s, "load s": load_s}
        results.add(COMPUTED, row | {"first boot s": hash_s + load_s, "restart s": load_s})
    results.remark(
        "The last table is arithmetic on one core's speeds in the first and on EBS's documentation: nothing"
        " in it was measured on a volume or on a GPU. A restart on the same machine hashes nothing."
    )


if __name__ == "__main__":
    main()
