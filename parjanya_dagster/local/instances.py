"""Which instances of a group run a worker, and which of those that died should be replaced: pure."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

FIRST_REPLACEMENT_S: Final = 1.0
SLOWEST_REPLACEMENT_S: Final = 60.0
STABLE_S: Final = 60.0
"""A worker that lived this long did not fail to boot: the next death is again the first."""

_ON: Final = frozenset({"InService", "Warmed:Running"})
_ON_WHILE: Final = ("Pending:", "Terminating:", "Warmed:Pending:")
"""A hook waits for something that runs on the machine, whether it is on its way in or out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetChanges:
    """What to do so that processes follow the group; ids sorted."""

    start: tuple[str, ...]
    stop: tuple[str, ...]
    replace: tuple[str, ...]


def is_on(lifecycle_state: str) -> bool:
    """Whether the machine of an instance in this lifecycle state has booted and runs."""
    return lifecycle_state in _ON or lifecycle_state.startswith(_ON_WHILE)


def fleet_changes(
    switched_on: AbstractSet[str], *, running: AbstractSet[str], dead: AbstractSet[str]
) -> FleetChanges:
    """Return what makes the running processes match the group.

    Args:
        switched_on: instances whose machine runs, by the group.
        running: instances with a process.
        dead: instances whose process ended by itself; never restarted, as no machine comes back from that.

    Returns:
        `start` and `stop` processes; `replace` instances that the group still believes in.
    """
    return FleetChanges(
        start=tuple(sorted(switched_on - running - dead)),
        stop=tuple(sorted(running - switched_on)),
        replace=tuple(sorted(dead & switched_on)),
    )


def replacement_delay_s(deaths_in_a_row: int) -> float:
    """Return the seconds to wait before a dead instance is replaced: 1, 2, 4, … 60.

    Args:
        deaths_in_a_row: deaths of young workers, this one included, ≥ 1.
    """
    return min(SLOWEST_REPLACEMENT_S, FIRST_REPLACEMENT_S * 2.0 ** min(deaths_in_a_row - 1, 10))
