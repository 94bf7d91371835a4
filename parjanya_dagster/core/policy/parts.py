"""What documents of policy are made of: parts that are strict and frozen, and the names in them."""

from datetime import UTC
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
PackId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,59}$")]
Utc = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC)), Field(strict=False)]
"""An aware time, as text or as TOML has it; UTC from here on."""


class Part(BaseModel):
    """A part of a document: nothing unknown, nothing guessed, nothing changed later."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
