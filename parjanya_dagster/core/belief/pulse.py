"""A pulse: what a worker last said of itself, so that one that hangs or died is told from one that works."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from parjanya_dagster.core.belief.signals import Blind, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """One worker's sign of life.

    Args:
        at: when it was written.
        progress_at: when the worker last settled an image, or held nothing.
        held: messages it holds, ≥ 0.
        settled: images it gave a durable outcome since it started, ≥ 0.
        stage: what it does, for a person, e.g. `draining`, `watching`.
        template_version: version of the launch template, where the worker can know it.
    """

    instance_id: str
    at: datetime
    progress_at: datetime
    held: int
    settled: int
    stage: str
    template_version: str | None = None

    def is_fresh(self, silence: timedelta, *, now: datetime) -> bool:
        """Whether it is younger than `silence`."""
        return now - self.at < silence

    def document(self) -> dict[str, Any]:
        """Return the pulse as a record's document; its id is the instance's."""
        return {
            "at": self.at.isoformat(),
            "progress_at": self.progress_at.isoformat(),
            "held": self.held,
            "settled": self.settled,
            "stage": self.stage,
            "template_version": self.template_version,
        }

    @classmethod
    def of(cls, instance_id: str, document: Mapping[str, Any]) -> Self:
        """Return the pulse of a record."""
        return cls(
            instance_id=instance_id,
            at=datetime.fromisoformat(document["at"]),
            progress_at=datetime.fromisoformat(document["progress_at"]),
            held=int(document["held"]),
            settled=int(document["settled"]),
            stage=document["stage"],
            template_version=document["template_version"],
        )


PulsesSignal = Reading[Mapping[str, Pulse]] | Blind
"""The last pulse of each instance of the group that has one, by instance id."""
