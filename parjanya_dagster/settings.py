"""Settings from the environment, read once per entry point; every fault is reported together."""

import os

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.names import fleets_in


class Settings(BaseSettings):
    """What an entry point needs to know; names of AWS resources follow from prefix and account.

    Environment: each field as PARJANYA_<NAME>.

    Args:
        deadline_s: time in which what waits should be done, start-up included.
        price_cap_usd: the most that all instances of one fleet may cost per hour; unset for no cap.
        instance_usd_per_hour: price of one instance; the default: g6.xlarge, on demand, us-east-1, 2026-08.
        cold_start_s: start-up time of a launched instance that is believed until it was measured.
        warm_start_s: the same of an instance out of the warm pool.
        fleets: extra fleets and the prices of their instances, e.g. `large:1.861`; the same in every process.
        fleet: of a worker: the extra fleet whose jobs it takes; empty for the usual one's.
    """

    model_config = SettingsConfigDict(env_prefix="PARJANYA_", frozen=True, extra="ignore")

    prefix: str = Field(default="parjanya-local", pattern=r"^[a-z][a-z0-9-]{1,20}$")
    account: str = Field(default="000000000000", pattern=r"^[0-9]{12}$")
    region: str = "us-east-1"
    engine: str = "cpu"
    max_instances: int = Field(default=4, ge=1, le=100)
    seconds_per_image: float = Field(default=0.25, gt=0)
    deadline_s: int = Field(default=600, ge=1)
    price_cap_usd: float | None = Field(default=None, gt=0)
    instance_usd_per_hour: float = Field(default=0.8048, gt=0)
    cold_start_s: float = Field(default=240.0, gt=0)
    warm_start_s: float = Field(default=36.0, gt=0)
    fleets: str = ""
    fleet: str = Field(default="", pattern=r"^([a-z][a-z0-9-]{0,15})?$")
    queue_quiet_s: int = Field(default=110, ge=1)
    visibility_s: int = Field(default=180, ge=2, le=43_200)
    longest_micro_batch_s: int = Field(default=60, ge=1)
    headless_after_s: int = Field(default=30, ge=0)
    step_wait_s: int = Field(default=900, ge=1)
    aws_endpoint_url: str | None = Field(default=None, validation_alias="AWS_ENDPOINT_URL")
    upload_origins: str = "http://127.0.0.1:*,http://localhost:*"

    @field_validator("fleets", "fleet")
    @classmethod
    def _are_fleets(cls, text: str) -> str:
        fleets_in(text)
        return text

    @property
    def extra_fleets(self) -> dict[str, float]:
        """Fleets beside the usual one by name, with the price of an instance in USD per hour."""
        usual = self.instance_usd_per_hour
        found = {**fleets_in(self.fleet), **fleets_in(self.fleets)}
        return {name: usual if usd is None else usd for name, usd in found.items()}


def load_settings() -> Settings:
    """Return the settings in the environment.

    Raises:
        ConfigError: any of them is invalid; the message lists every one.
    """
    try:
        return Settings()
    except ValidationError as error:
        named = [(f"PARJANYA_{str(fault['loc'][0]).upper()}", fault["msg"]) for fault in error.errors()]
        faults = "; ".join(f"{name}={os.environ.get(name)!r}: {message}" for name, message in named)
        raise ConfigError(f"settings are invalid: {faults}") from error
