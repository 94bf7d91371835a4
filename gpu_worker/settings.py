"""The worker's own settings; what it shares with the platform is in `parjanya_dagster.settings`."""

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from gpu_worker.engines.engine import EngineOptions
from gpu_worker.prompts.pack import DEFAULT_PACK
from parjanya_dagster.core.errors import ConfigError


class WorkerSettings(BaseSettings):
    """How one worker behaves.

    Environment: each field as PARJANYA_WORKER_<NAME>.

    Args:
        pack: the prompt pack that is asked.
        model: folder of the engine's checkpoint; unset for an engine that came with the package.
        device: where the engine computes: auto, cpu, cuda:0, ...
        state: folder of the worker's own where it notes that it has hashed its model folder; unset to read
            every byte at each boot.
        micro_batch: images per call of the engine.
        idle_after_s: idle seconds before a headless worker gives up its protection and only watches.
        watch_every_s: seconds between two looks while it watches.
        pause_after_s: idle seconds after which background draining hands the process back.
    """

    model_config = SettingsConfigDict(env_prefix="PARJANYA_WORKER_", frozen=True, extra="ignore")

    pack: str = DEFAULT_PACK
    model: Path | None = None
    state: Path | None = None
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")
    micro_batch: int = Field(default=8, ge=1, le=64)
    idle_after_s: float = Field(default=20.0, gt=0)
    watch_every_s: float = Field(default=2.0, gt=0)
    pause_after_s: float = Field(default=2.0, gt=0)

    @property
    def engine_options(self) -> EngineOptions:
        """What the engine is made from."""
        return EngineOptions(model=self.model, device=self.device, micro_batch=self.micro_batch)


def load_worker_settings() -> WorkerSettings:
    """Return the settings in the environment.

    Raises:
        ConfigError: any of them is invalid; the message lists every one.
    """
    try:
        return WorkerSettings()
    except ValidationError as error:
        faults = "; ".join(
            f"PARJANYA_WORKER_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()
        )
        raise ConfigError(f"settings of the worker are invalid: {faults}") from error
