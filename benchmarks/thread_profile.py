"""Whose code the CPU time of a process goes to, over all of its threads.

Python's profiler sees one thread, counts wall clock, and leaves time in `json` or `socket` with them. Here
every new thread gets a profiler that counts its own CPU time, and what the standard library and built-in
functions take is charged to whoever called them.
"""

import cProfile
import pstats
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

Function = tuple[str, int, str]  # file, line, name: as pstats has it
_NOBODY: Final = "the interpreter"


@contextmanager
def profiled_threads() -> Iterator[list[cProfile.Profile]]:
    """Profile this thread and every one that starts meanwhile; read the list when all of them have ended."""
    own = cProfile.Profile(time.thread_time)
    profiles = [own]

    def begin(_frame: FrameType, _event: str, _argument: object) -> None:
        profile = cProfile.Profile(time.thread_time)
        profiles.append(profile)
        profile.enable()  # in place of this function, in this thread

    threading.setprofile(begin)
    own.enable()
    try:
        yield profiles
    finally:
        own.disable()
        threading.setprofile(None)


def seconds_by_owner(
    profiles: list[cProfile.Profile], owner_of: Callable[[str], str | None]
) -> dict[str, float]:
    """Return CPU seconds by owner, most first.

    Args:
        owner_of: whose a source file is; None for code that works for its callers.
    """
    total: Counter[str] = Counter()
    for profile in profiles:
        profile.create_stats()
        calls: Mapping[Function, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # typeshed hides it
        shares: dict[Function, dict[str, float]] = {}
        for function, (_, _, own_s, _, _) in calls.items():
            for owner, share in _owners(function, calls, owner_of, shares).items():
                total[owner] += share * own_s
    return dict(total.most_common())


def _owners(
    function: Function,
    calls: Mapping[Function, Any],
    owner_of: Callable[[str], str | None],
    known: dict[Function, dict[str, float]],
) -> dict[str, float]:
    """Return whom a function works for, as shares that sum to 1."""
    if (owner := owner_of(function[0])) is not None:
        return {owner: 1.0}
    if function in known:
        return known[function]
    known[function] = {_NOBODY: 1.0}  # what calls itself has no other owner than its other callers
    # by caller: calls, calls that were no recursion, own and cumulative seconds
    callers = {
        caller: cumulative_s for caller, (_, _, _, cumulative_s) in calls[function][4].items() if cumulative_s
    }
    shares: Counter[str] = Counter()
    for caller, cumulative_s in callers.items():
        for owner, share in _owners(caller, calls, owner_of, known).items():
            shares[owner] += share * cumulative_s / sum(callers.values())
    if callers:
        known[function] = dict(shares)
    return known[function]
