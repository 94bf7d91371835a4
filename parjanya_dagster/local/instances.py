"""Which instances of a group should run a worker, and which of those that died should be replaced: pure."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

FIRST_REPLACEMENT_S: Final = 1.0
SLOWEST_REPLACEMENT_S: Final = 60.0
STABLE_S: Final = 60.0
"""A worker that lived this long did not fail to boot: the next death is again the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetChanges:
    """What to do so that processes follow the group; ids sorted."""

    start: tuple[str, ...]
    stop: tuple[str, ...]
    replace: tuple[str, ...]


def fleet_changes(
    in_service: AbstractSet[str], *, running: AbstractSet[str], dead: AbstractSet[str]
) -> FleetChanges:
    """Return what makes the running processes match the group.

    Args:
        in_service: instances that the group reports as InService.
        running: instances with a process, or about to have one.
        dead: instances whose process ended by itself; never restarted, as no machine comes back from that.

    Returns:
        `start` and `stop` processes; `replace` instances that the group still believes in.
    """
    return FleetChanges(
        start=tuple(sorted(in_service - running - dead)),
        stop=tuple(sorted(running - in_service)),
        replace=tuple(sorted(dead & in_service)),
    )


def replacement_delay_s(deaths_in_a_row: int) -> float:
    """Return the seconds to wait before a dead instance is replaced: 1, 2, 4, … 60.

    Args:
        deaths_in_a_row: deaths of young workers, this one included, ≥ 1.
    """
    return min(SLOWEST_REPLACEMENT_S, FIRST_REPLACEMENT_S * 2.0 ** min(deaths_in_a_row - 1, 10))
