"""The stages of a worker's boot, from a folder that may be anything to an engine that may receive.

Nothing is parsed before it was hashed, nothing is loaded before it was parsed, and nothing that was loaded is
believed before it reproduced the golden answers.
"""

import time
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gpu_worker.boot.compatibility import require_compatible
from gpu_worker.boot.failures import BootFailedError
from gpu_worker.boot.folder import model_type_of, require_data_only, require_listed
from gpu_worker.boot.golden import read_golden, read_images, require_golden, said_by
from gpu_worker.boot.golden_images import golden_images
from gpu_worker.boot.hashing import Tell, hashes_of, silent
from gpu_worker.boot.inspection import (
    FAMILIES,
    Family,
    expected_forms,
    found_label_tokens,
    require_label_tokens,
)
from gpu_worker.boot.manifest import Manifest, read_manifest
from gpu_worker.boot.pipeline import NOBODY, Run, Stage, Witness, run_stages
from gpu_worker.boot.shards import read_tensors, require_expected
from gpu_worker.boot.stamp import Stamp
from gpu_worker.engines.engine import EngineOptions
from gpu_worker.prompts.pack import PromptPack
from gpu_worker.score import Scorer, warm_scorer
from parjanya_dagster.core.belief.boot import BootFailure, BootStage
from parjanya_dagster.core.errors import ConfigError


class StageName(StrEnum):
    """Stages in their order."""

    MANIFEST = "manifest"
    FILES = "files"
    DEVICE = "device"
    HASHES = "hashes"
    CONFIG = "config"
    SHARDS = "shards"
    TOKENS = "tokens"
    LOAD = "load"
    GOLDEN = "golden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to boot.

    Args:
        engine: name of the engine.
        pack: what it will be asked.
        stamp: where this machine notes that it has hashed the folder; None to read every byte each time.
        sizes_only: believe files of the right size without reading them.
        without_golden: believe the engine without golden answers, which are about to be made.
        tell: told how far hashing has come.
    """

    engine: str
    options: EngineOptions
    pack: PromptPack
    stamp: Stamp | None = None
    sizes_only: bool = False
    without_golden: bool = False
    tell: Tell = silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted:
    """What came of a boot.

    Args:
        run: its stages and, if it failed, why.
        manifest: of the model folder; None without one, or before it was read.
        scorer: engine and pack; None if the boot failed.
    """

    run: Run
    manifest: Manifest | None = None
    scorer: Scorer | None = None


def boot(request: Request, *, witness: Witness = NOBODY) -> Booted:
    """Verify, load and prove an engine; never raises for what it finds wrong.

    The engine stays in this process: `warm_scorer` with the same options returns it.
    """
    verification = Verification(request)
    run = run_stages(verification.stages(), witness=witness)
    return Booted(
        run=run,
        manifest=verification.manifest,
        scorer=None if run.failed else verification.scorer,
    )


class Verification:
    """The stages of one boot, and what they hand on to each other: the manifest, then the engine."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.manifest: Manifest | None = None
        self.scorer: Scorer | None = None

    def stages(self) -> tuple[Stage, ...]:
        """Return the stages that apply: an engine that came with the package has no folder to verify."""
        verifying, loading = BootStage.VERIFYING, BootStage.LOADING
        of_folder = (
            Stage(name=StageName.MANIFEST, standing=verifying, run=self._manifest),
            Stage(name=StageName.FILES, standing=verifying, run=self._files),
            Stage(name=StageName.DEVICE, standing=verifying, run=self._device),
            Stage(name=StageName.HASHES, standing=verifying, run=self._hashes),
            Stage(name=StageName.CONFIG, standing=verifying, run=self._config),
            Stage(name=StageName.SHARDS, standing=verifying, run=self._shards),
            Stage(name=StageName.TOKENS, standing=verifying, run=self._tokens),
        )
        return (
            *(of_folder if self._has_folder else ()),
            Stage(name=StageName.LOAD, standing=loading, run=self._load),
            *(
                ()
                if self._request.without_golden
                else (Stage(name=StageName.GOLDEN, standing=verifying, run=self._golden),)
            ),
        )

    @property
    def _has_folder(self) -> bool:
        return self._request.engine in FAMILIES

    @property
    def _family(self) -> Family:
        return FAMILIES[self._request.engine]

    @property
    def _folder(self) -> Path:
        if self._request.options.model is None:
            raise ConfigError(
                f"engine {self._request.engine} needs a model folder: set PARJANYA_WORKER_MODEL or --model"
            )
        return self._request.options.model

    @property
    def _listed(self) -> Manifest:
        if self.manifest is None:
            self.manifest = read_manifest(self._folder)
        return self.manifest

    def _manifest(self) -> str:
        require_compatible(
            self._listed.compatible,
            engine=self._request.engine,
            model_type=self._family.model_type,
            pack=self._request.pack,
        )
        if not self._request.without_golden:  # asked now, not when minutes of reading have passed
            read_golden(self._folder, model=self._listed.content_hash, pack=self._request.pack)
        return f"model {self._listed.content_hash[:12]}, made {self._listed.made_at:%Y-%m-%d}"

    def _files(self) -> str:
        return require_listed(self._folder, self._listed)

    def _device(self) -> str:
        inspection = self._family.inspection()  # imports libraries: seconds, told apart from loading
        try:
            return inspection.require_device(self._request.options.device)
        except ConfigError as error:
            raise BootFailedError(BootFailure.DEVICE_MISSING, StageName.DEVICE, str(error)) from error

    def _hashes(self) -> str:
        request = self._request
        if request.sizes_only:
            return "not read: sizes only, as asked"
        if request.stamp is None:
            return self._read_all()
        with request.stamp.held():
            return self._read_once(request.stamp)

    def _read_once(self, stamp: Stamp) -> str:
        listed = self._listed
        if stamp.is_current(self._folder, manifest=listed.content_hash, names=listed.files):
            return "not read: this machine hashed them before, and none was touched since"
        found = self._read_all()
        try:
            stamp.put(self._folder, manifest=listed.content_hash, names=listed.files)
        except OSError:  # the next boot reads it all again, no more
            return f"{found}; it could not be noted"
        return found

    def _read_all(self) -> str:
        listed = self._listed
        sizes = {name: entry.size_bytes for name, entry in listed.files.items()}
        begun = time.perf_counter()
        with closing(hashes_of(self._folder, sizes, tell=self._request.tell)) as hashes:
            for name, sha256 in hashes:
                if sha256 != listed.files[name].sha256:
                    what = f"sha256 is {sha256[:12]}; the manifest says {listed.files[name].sha256[:12]}"
                    raise BootFailedError(BootFailure.HASH_DIFFERS, name, what)
        speed = listed.size_bytes / 1e6 / (time.perf_counter() - begun)
        return f"every byte read, {speed:,.0f} MB/s"

    def _config(self) -> str:
        return require_configured(self._folder, self._family)

    def _shards(self) -> str:
        found = read_tensors(self._folder)
        require_expected(found, expected_forms(self._family.inspection(), self._folder))
        return f"{len(found)} tensors"

    def _tokens(self) -> str:
        pack = self._request.pack
        found = found_label_tokens(self._family.inspection(), self._folder, pack)
        require_label_tokens(self._listed.compatible.packs[pack.id].label_tokens, found)
        return f"{sum(map(len, found.values()))} labels of {pack.id}"

    def _load(self) -> str:
        request = self._request
        self.scorer = warm_scorer(request.engine, pack_id=request.pack.id, options=request.options)
        parts = self.scorer.engine.fingerprint_parts(self.scorer.pack)
        return f"{parts.engine}, {parts.dtype} on {parts.hardware}, weights {parts.weights[:19]}"

    def _golden(self) -> str:
        if self.scorer is None:
            raise RuntimeError("nothing was loaded")
        engine, pack = self.scorer.engine, self.scorer.pack
        if not self._has_folder:  # its coefficients came with the package, under the package's own tests
            return f"{len(said_by(engine, pack, golden_images()))} images answered"
        golden = read_golden(self._folder, model=self._listed.content_hash, pack=pack)
        said = said_by(engine, pack, read_images(self._folder, golden))
        return require_golden(golden, said, pack, dtype=engine.fingerprint_parts(pack).dtype)


def require_configured(folder: Path, family: Family) -> str:
    """Demand that a folder is nothing but data, and of the family that the engine loads; return the family.

    Raises:
        BootFailedError: `remote_code`, `config_invalid`, `tokenizer_missing` or `incompatible`.
    """
    require_data_only(folder)
    found = model_type_of(folder)
    if found != family.model_type:
        what = f"it is a '{found}'; the engine loads '{family.model_type}'"
        raise BootFailedError(BootFailure.INCOMPATIBLE, "config.json", what)
    return found
