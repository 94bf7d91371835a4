"""Tags of runs: whose images a run is about, and how urgent it is, however it was started.

Sensors and schedules tag what they request. Nobody tags a run that a person starts in the UI, so the first
step of such a run does.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Protocol

import dagster as dg

TENANT: Final = "tenant"
POLICY_VERSION: Final = "policy_version"
PRIORITY: Final = "priority"
PARTITION: Final = "dagster/partition"


class Priority(StrEnum):
    """How urgent a run is."""

    NORMAL = "normal"
    LOW = "low"


class RunContext(Protocol):
    """What contexts of assets and ops have in common."""

    @property
    def run(self) -> dg.DagsterRun:
        """The run that is being executed."""

    @property
    def instance(self) -> dg.DagsterInstance:
        """The instance it belongs to."""


def run_tags(tenant: str, *, priority: Priority = Priority.NORMAL) -> dict[str, str]:
    """Return the tags of a run about one tenant."""
    return {TENANT: tenant, PRIORITY: priority.value}


def complete_run_tags(context: RunContext, tags: Mapping[str, str]) -> None:
    """Add those of `tags` that the run lacks; those it has are somebody's decision."""
    missing = {name: value for name, value in tags.items() if name not in context.run.tags}
    if missing:
        context.instance.add_run_tags(context.run.run_id, missing)
