"""Times that a machine shared with others can give: CPU time of one thread, least of interleaved rounds."""

import time
from collections.abc import Callable, Mapping


def least_cpu_s(work: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Return the least seconds of this thread's own CPU for each piece of work.

    Rounds are interleaved, so that the machine's mood is the same for all. Each runs once before it is
    timed. Work that other threads do is not seen: let libraries compute in this one.

    Args:
        rounds: how often each is timed, ≥ 1.
    """
    least = dict.fromkeys(work, float("inf"))
    for each in work.values():
        each()
    for _ in range(rounds):
        for name, each in work.items():
            began_s = time.thread_time()
            each()
            least[name] = min(least[name], time.thread_time() - began_s)
    return least
