"""Starts of instances, as a diagnosis reads them: what failed since the last one that came up.

What the planes remember and what is on record now are folded by capacity's own rule, so that both count the
same failures.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from parjanya_dagster.core.reconcile.boot_breaker import Breaker, breaker_of
from parjanya_dagster.core.reconcile.capacity_memory import BootMark, CapacityMemory, with_boots
from parjanya_dagster.core.reconcile.evidence import Evidence, value_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedStarts:
    """Starts that failed in a row until now, newest first.

    Args:
        refused_model: they refused their model files; another start of the same image ends the same.
        others: launches that brought nothing, and instances that died before their worker could serve.
    """

    refused_model: tuple[BootMark, ...]
    others: tuple[BootMark, ...]


def failed_starts(evidence: Evidence) -> FailedStarts:
    """Return what failed since the last start that came up."""
    marks = _memory(evidence).marks
    failed = list(takewhile(lambda mark: mark.error is not None, reversed(marks)))
    refused = {boot.boot_id for boot in value_of(evidence.boots) or () if boot.refused_model}
    return FailedStarts(
        refused_model=tuple(mark for mark in failed if mark.mark in refused),
        others=tuple(mark for mark in failed if mark.mark not in refused),
    )


def breaker(evidence: Evidence) -> Breaker | None:
    """Return the breaker of the template that the group launches from; None where that cannot be read."""
    fleet = value_of(evidence.fleet)
    if fleet is None or fleet.template_version is None:
        return None
    return breaker_of(_memory(evidence), fleet.template_version, evidence.breaker_limits)


def is_held_back(evidence: Evidence, now: datetime) -> bool:
    """Whether so many starts failed in a row that no more are tried for a while."""
    found = breaker(evidence)
    return found is not None and found.is_open(now)


def _memory(evidence: Evidence) -> CapacityMemory:
    fleet = value_of(evidence.fleet)
    return with_boots(
        value_of(evidence.memory) or CapacityMemory(),
        boots=value_of(evidence.boots) or (),
        launches=value_of(evidence.launches) or (),
        instances=fleet.instances if fleet else (),
        version=fleet.template_version if fleet else None,
    )
