"""The commands about model folders: `verify`, `manifest` and `golden`."""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gpu_worker.boot.baking import bake_golden, bake_manifest, require_absent
from gpu_worker.boot.failures import BootFailedError, failure_of
from gpu_worker.boot.golden import GOLDEN
from gpu_worker.boot.inspection import FAMILIES
from gpu_worker.boot.manifest import MANIFEST
from gpu_worker.boot.reports import Narrator, show
from gpu_worker.boot.verification import Booted, Request, boot
from gpu_worker.engines.engine import EngineOptions
from gpu_worker.prompts.pack import PromptPack, shipped_pack
from gpu_worker.settings import load_worker_settings
from parjanya_dagster.core.belief.boot import BootFailure
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.settings import load_settings

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - it has no public name

EXIT_MISCONFIGURED: Final = 2
EXIT_REFUSED: Final = 3

_USUAL_ENGINE: Final = "qwen3_vl"
"""Of a folder that was named while the settings name an engine without one."""


def add_commands(commands: "Commands") -> None:
    """Add the commands about model folders to a command line; each sets `run`."""
    verify = commands.add_parser("verify", help="boot an engine and leave: every stage, and how long it took")
    _take_engine(verify)
    verify.add_argument("--pack", metavar="ID", help="the prompt pack (PARJANYA_WORKER_PACK)")
    verify.add_argument("--sizes-only", action="store_true", help="believe files of the right size unread")
    verify.add_argument("--json", action="store_true", help="print the stages as JSON")
    verify.set_defaults(run=_spoken(_verify))

    manifest = commands.add_parser("manifest", help=f"write {MANIFEST}: sizes and hashes of a model folder")
    manifest.add_argument("--model", type=Path, required=True, metavar="DIR", help="the model folder")
    manifest.add_argument("--engine", metavar="NAME", help="that will load it")
    _take_packs(manifest)
    manifest.add_argument("--revision", default="", help="of the model where it came from")
    manifest.add_argument("--force", action="store_true", help="write over the one that is there")
    manifest.set_defaults(run=_spoken(_manifest))

    golden = commands.add_parser(
        "golden", help=f"write {GOLDEN}: what the engine answers, to be compared with"
    )
    _take_engine(golden)
    _take_packs(golden)
    golden.add_argument("--force", action="store_true", help="write over the ones that are there")
    golden.set_defaults(run=_spoken(_golden))


def exit_status(failed: BootFailedError) -> int:
    """Return how a process ends whose boot failed."""
    return EXIT_MISCONFIGURED if failed.failure is BootFailure.MISCONFIGURED else EXIT_REFUSED


def _spoken(command: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Return the command with its wrong arguments explained to the person who typed them."""

    def run(arguments: argparse.Namespace) -> int:
        try:
            return command(arguments)
        except ConfigError as error:
            print(error, file=sys.stderr)  # noqa: T201 - a command speaks to a person
            return EXIT_MISCONFIGURED

    return run


def _take_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, metavar="DIR", help="the model folder (PARJANYA_WORKER_MODEL)")
    parser.add_argument("--engine", metavar="NAME", help="(PARJANYA_ENGINE)")
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, cuda:0 ... (PARJANYA_WORKER_DEVICE)")


def _take_packs(parser: argparse.ArgumentParser) -> None:
    what = "a prompt pack that workers will ask (PARJANYA_WORKER_PACK); may be repeated"
    parser.add_argument("--pack", action="append", metavar="ID", help=what)


def _packs_of(arguments: argparse.Namespace) -> list[PromptPack]:
    return [shipped_pack(each) for each in arguments.pack or [load_worker_settings().pack]]


def _verify(arguments: argparse.Namespace) -> int:
    pack = shipped_pack(arguments.pack or load_worker_settings().pack)
    booted = _boot(arguments, pack, sizes_only=arguments.sizes_only)
    show(booted.run, as_json=arguments.json)
    return exit_status(booted.run.failed) if booted.run.failed else 0


def _manifest(arguments: argparse.Namespace) -> int:
    packs = _packs_of(arguments)

    def bake() -> str:
        made = bake_manifest(
            arguments.model,
            engine=_engine_of(arguments),
            packs=packs,
            revision=arguments.revision,
            force=arguments.force,
            now=datetime.now(UTC),
            tell=Narrator().tell,
        )
        return f"{len(made.files)} files, {made.size_bytes:,} bytes, model {made.content_hash[:12]}"

    return _told(arguments.model / MANIFEST, bake)


def _golden(arguments: argparse.Namespace) -> int:
    folder: Path | None = arguments.model or load_worker_settings().model
    if folder is None:
        raise ConfigError("name the model folder by --model or PARJANYA_WORKER_MODEL")
    require_absent(folder / GOLDEN, force=arguments.force)  # asked before minutes of loading
    first, *also = _packs_of(arguments)
    booted = _boot(arguments, first, without_golden=True)
    if booted.run.failed:
        show(booted.run, as_json=False)
        return exit_status(booted.run.failed)

    def bake() -> str:
        made = bake_golden(folder, booted, force=arguments.force, now=datetime.now(UTC), also=also)
        return f"{len(made.images)} images, {made.dtype} on {made.hardware}, {made.tolerance} allowed"

    return _told(folder / GOLDEN, bake)


def _boot(
    arguments: argparse.Namespace,
    pack: PromptPack,
    *,
    sizes_only: bool = False,
    without_golden: bool = False,
) -> Booted:
    own = load_worker_settings()
    narrator = Narrator()
    request = Request(
        engine=_engine_of(arguments),
        options=EngineOptions(
            model=arguments.model or own.model,
            device=arguments.device or own.device,
            micro_batch=own.micro_batch,
        ),
        pack=pack,
        sizes_only=sizes_only,
        without_golden=without_golden,
        tell=narrator.tell,
    )
    return boot(request, witness=narrator)


def _engine_of(arguments: argparse.Namespace) -> str:
    if arguments.engine:
        return str(arguments.engine)
    configured = load_settings().engine
    return configured if arguments.model is None or configured in FAMILIES else _USUAL_ENGINE


def _told(path: Path, bake: Callable[[], str]) -> int:
    """Bake, and tell a person what came of it."""
    try:
        made = bake()
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - a library may raise anything about a damaged folder
        failed = failure_of(error, stage=path.name)
        print(f"not written: {failed}", file=sys.stderr)  # noqa: T201 - a command speaks to a person
        return exit_status(failed)
    print(f"{path}: {made}")  # noqa: T201 - the command's result
    return 0
