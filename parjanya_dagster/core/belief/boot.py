"""A boot: how far a worker came on its way to the first receive, written before any log exists.

Silence then has a name: the last stage that was reported, and the error that ended it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from parjanya_dagster.core.belief.signals import Blind, Reading


class BootStage(StrEnum):
    """Where a boot stands. Each stage is reported when it begins."""

    STARTED = "started"
    WARMING = "warming"
    """It only fills the warm pool: ready to be stopped, and nothing is received."""
    VERIFYING = "verifying"
    LOADING = "loading"
    READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One start of a worker's process.

    Args:
        started_at: when the process began.
        stage: the last stage reported.
        at: when it was reported.
        error: what ended the boot in that stage; None while none did.
        template_version: version of the launch template, where the worker can know it.
    """

    instance_id: str
    started_at: datetime
    stage: BootStage
    at: datetime
    error: str | None = None
    template_version: str | None = None

    @property
    def boot_id(self) -> str:
        """Id of its record; begins with its time, so that the newest come first."""
        return f"{self.started_at.isoformat(timespec='microseconds')}#{self.instance_id}"

    @property
    def is_ready(self) -> bool:
        """It came up."""
        return self.error is None and self.stage is BootStage.READY

    def document(self) -> dict[str, Any]:
        """Return the boot as a record's document."""
        return {
            "instance_id": self.instance_id,
            "started_at": self.started_at.isoformat(),
            "stage": self.stage.value,
            "at": self.at.isoformat(),
            "error": self.error,
            "template_version": self.template_version,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the boot of a record."""
        return cls(
            instance_id=document["instance_id"],
            started_at=datetime.fromisoformat(document["started_at"]),
            stage=BootStage(document["stage"]),
            at=datetime.fromisoformat(document["at"]),
            error=document["error"],
            template_version=document["template_version"],
        )


BootsSignal = Reading[tuple[Boot, ...]] | Blind
"""The newest boots, newest first."""
