"""A worker's boot: what it is to score with is verified, loaded and proven before it may receive anything."""

import logging

from gpu_worker.boot.pipeline import Witness
from gpu_worker.boot.stamp import Stamp
from gpu_worker.boot.verification import Request, boot
from gpu_worker.prompts.pack import shipped_pack
from gpu_worker.score import Scorer
from gpu_worker.settings import WorkerSettings

log = logging.getLogger("gpu_worker")


def booted_scorer(engine: str, own: WorkerSettings, *, machine: str, witness: Witness) -> Scorer:
    """Return engine and prompt pack once they are fit to score.

    Args:
        engine: name of the engine.
        machine: id of the instance: another one reads every byte of the model folder itself.
        witness: told of every stage, before there is any log that somebody could read.

    Raises:
        BootFailedError: a stage failed; starting again would end the same.
        ConfigError: there is no such prompt pack.
    """
    request = Request(
        engine=engine,
        options=own.engine_options,
        pack=shipped_pack(own.pack),
        stamp=Stamp(state=own.state, machine=machine) if own.state else None,
    )
    booted = boot(request, witness=witness)
    stages = {each.name: each.seconds for each in booted.run.trace}
    if booted.run.failed:
        log.critical("boot_failed", extra={"failure": booted.run.failed.failure, "stages": stages})
        raise booted.run.failed
    if booted.scorer is None:
        raise RuntimeError("a boot that did not fail loaded nothing")
    log.info("boot_verified", extra={"stages": stages})
    return booted.scorer
