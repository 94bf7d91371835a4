"""Where the laptop's processes keep their state, and the ports they listen on."""

from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

import parjanya_dagster
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.names import fleets_in

_CHECKOUT: Final = Path(parjanya_dagster.__file__).parents[1]


def _default_home() -> Path:
    """Return `.parjanya` of the checkout this code runs from, or of the working directory."""
    return (_CHECKOUT if (_CHECKOUT / "pyproject.toml").is_file() else Path.cwd()) / ".parjanya"


class Home(BaseSettings):
    """One set of local processes and their state.

    Environment: each field as PARJANYA_<NAME>. A port of 0 takes a free one; two homes never meet.
    """

    model_config = SettingsConfigDict(env_prefix="PARJANYA_", frozen=True, extra="ignore")

    home: Path = Field(default_factory=_default_home)
    prefix: str = Field(default="parjanya-local", pattern=r"^[a-z][a-z0-9-]{1,20}$")
    aws_port: int = Field(default=4566, ge=0, le=65_535)
    web_port: int = Field(default=8080, ge=0, le=65_535)
    dagster_port: int = Field(default=3000, ge=0, le=65_535)
    max_instances: int = Field(default=2, ge=1, le=100)
    fleets: str = ""

    @property
    def extra_fleets(self) -> dict[str, float | None]:
        """Fleets beside the usual one, each with the price of its instance if it has one of its own."""
        return fleets_in(self.fleets)

    @field_validator("fleets")
    @classmethod
    def _are_fleets(cls, text: str) -> str:
        fleets_in(text)
        return text

    @property
    def path(self) -> Path:
        """The directory, absolute."""
        return self.home.absolute()

    @property
    def aws(self) -> Path:
        """State of the local AWS process."""
        return self.path / "aws"

    @property
    def dagster(self) -> Path:
        """DAGSTER_HOME."""
        return self.path / "dagster"

    @property
    def checkout(self) -> Path:
        """Where `dagster.yaml` lies."""
        return _CHECKOUT


def load_home() -> Home:
    """Return the home in the environment.

    Raises:
        ConfigError: a setting is invalid; the message lists every one.
    """
    try:
        return Home()
    except ValidationError as error:
        faults = "; ".join(
            f"PARJANYA_{str(fault['loc'][0]).upper()}={fault['input']!r}: {fault['msg']}"
            for fault in error.errors()
        )
        raise ConfigError(f"settings are invalid: {faults}") from error
