"""Failures of a boot: a name from the closed set, where it happened, what was found and what to do.

A boot that ends has no log that anybody reads; what it says here is all that Truth and a person get.
"""

from collections.abc import Mapping
from typing import Final

from gpu_worker.engines.checkpoint import CheckpointError, CheckpointFault
from gpu_worker.engines.engine import EngineOutOfMemoryError
from parjanya_dagster.core.belief.boot import BootFailure
from parjanya_dagster.core.errors import ConfigError, ParjanyaError

_COPY_AGAIN: Final = "copy the file again from where the model came from, or take another image"
_MAKE_AGAIN: Final = "if the folder is as it should be, `gpu_worker manifest --force` says so"

REMEDIES: Final[Mapping[BootFailure, str]] = {
    BootFailure.MANIFEST_MISSING: "make it where the folder is known to be good: `gpu_worker manifest`",
    BootFailure.MANIFEST_INVALID: "make it again: `gpu_worker manifest --force`",
    BootFailure.INCOMPATIBLE: (
        "bake an image whose worker, libraries and prompt pack are those of the manifest, or make manifest "
        "and golden answers again with this worker"
    ),
    BootFailure.FILE_MISSING: _COPY_AGAIN,
    BootFailure.FILE_UNLISTED: f"remove it; {_MAKE_AGAIN}",
    BootFailure.SIZE_DIFFERS: _COPY_AGAIN,
    BootFailure.HASH_DIFFERS: _COPY_AGAIN,
    BootFailure.REMOTE_CODE: "take a packaging of the model without code: this worker executes none",
    BootFailure.CONFIG_INVALID: _COPY_AGAIN,
    BootFailure.INDEX_INCOMPLETE: "take index and shards from the same revision of the model",
    BootFailure.SHARD_TRUNCATED: _COPY_AGAIN,
    BootFailure.DTYPE_OR_SHAPE_DIFFERS: "take configuration and shards from the same revision of the model",
    BootFailure.TOKENIZER_MISSING: _COPY_AGAIN,
    BootFailure.LABEL_TOKENS_DIFFER: f"take tokenizer and weights from the same revision; {_MAKE_AGAIN}",
    BootFailure.LOAD_INCOMPLETE: "take configuration and shards from the same revision of the model",
    BootFailure.GOLDEN_MISSING: "make them with an engine that is known to be good: `gpu_worker golden`",
    BootFailure.GOLDEN_DIFFERS: (
        "do not use this machine with this model; if library, driver or hardware changed on purpose, look at "
        "how far scores moved, then `gpu_worker golden --force`"
    ),
    BootFailure.FILE_UNREADABLE: "look at the volume: the group replaces the instance",
    BootFailure.DEVICE_MISSING: "take a machine with a GPU and its driver, or set PARJANYA_WORKER_DEVICE=cpu",
    BootFailure.OUT_OF_MEMORY: "take a larger instance, or lower PARJANYA_WORKER_MICRO_BATCH",
    BootFailure.MISCONFIGURED: "correct the setting that is named",
    BootFailure.UNEXPECTED: "read the worker's log, and report what it says",
}

_FAULTS: Final[Mapping[CheckpointFault, BootFailure]] = {
    CheckpointFault.MISSING_FILE: BootFailure.FILE_MISSING,
    CheckpointFault.REMOTE_CODE: BootFailure.REMOTE_CODE,
    CheckpointFault.WRONG_MODEL: BootFailure.INCOMPATIBLE,
    CheckpointFault.WRONG_ATTENTION: BootFailure.INCOMPATIBLE,
    CheckpointFault.WRONG_PREPROCESSING: BootFailure.CONFIG_INVALID,
    CheckpointFault.WRONG_TOKENS: BootFailure.LABEL_TOKENS_DIFFER,
}
"""What an engine finds wrong while it loads; anything else: the weights."""


class BootFailedError(ParjanyaError):
    """A boot that ended.

    Args:
        where: file, tensor, setting or stage.
        what: what was found there, and what was expected.
    """

    def __init__(self, failure: BootFailure, where: str, what: str) -> None:
        self.failure = failure
        super().__init__(f"{failure}: {where}: {what}; {REMEDIES[failure]}")


def failure_of(error: Exception, *, stage: str) -> BootFailedError:
    """Return the boot's failure that an error stands for, whoever raised it.

    Args:
        stage: named where the error itself does not say where.
    """
    if isinstance(error, BootFailedError):
        return error
    failure, what = _named(error)
    where = error.filename if isinstance(error, OSError) else None
    return BootFailedError(failure, str(where or stage), what)


def _named(error: Exception) -> tuple[BootFailure, str]:
    match error:
        case EngineOutOfMemoryError() | MemoryError():
            return BootFailure.OUT_OF_MEMORY, str(error) or "no memory is left"
        case RuntimeError() if "out of memory" in str(error):  # a device's, in every library's words
            return BootFailure.OUT_OF_MEMORY, str(error)
        case CheckpointError(fault=fault):
            return _FAULTS.get(fault, BootFailure.LOAD_INCOMPLETE), str(error)
        case ConfigError():
            return BootFailure.MISCONFIGURED, str(error)
        case OSError():
            return BootFailure.FILE_UNREADABLE, error.strerror or repr(error)
        case _:
            return BootFailure.UNEXPECTED, repr(error)
