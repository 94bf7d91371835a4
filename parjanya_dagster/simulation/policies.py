"""Policies of a simulated world: versions that follow each other, and who decided under which.

A worker reads again every 30 seconds which version is in force: what it decides may be as old as that, and no
older. A replay by the rules alone decides under the version in force when it began, or a later one.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.kernel import Process

FIRST_POLICY: Final = "v1"
LATER_POLICIES: Final = ("v2", "v3")
ANSWERS: Final[dict[str, Any]] = {
    "text_heavy": {"probabilities": {"yes": 0.1, "no": 0.9}, "score": None, "spread": 0.0, "label_mass": 1.0}
}
"""What the scripted engine answers: all that the policies of a world ask."""
_WORKERS_KNOW_S: Final = 30.0


def policy_document(version: str) -> str:
    """Return a policy that accepts everything."""
    return json.dumps(
        {
            "version": version,
            "title": "of a simulated world",
            "created": "2026-03-01T12:00:00+00:00",
            "prompt_pack": "scripted",
            "questions": [{"name": "text_heavy", "labels": ["yes", "no"]}],
            "otherwise": {"verdict": "accept", "reason_code": "no_rule"},
        }
    )


class PolicyWatch:
    """Looks at the version under which replayed rows are decided.

    Args:
        now_s: returns virtual seconds since the world began.
        report: told of a broken promise, as (invariant, detail).
    """

    def __init__(self, now_s: Callable[[], float], report: Callable[[str, str], None]) -> None:
        self._now_s = now_s
        self._report = report
        self._in_force: list[tuple[float, str]] = []
        self._begun: dict[Process, int] = {}
        self._oldest: dict[ImageKey, tuple[int, int]] = {}

    def published(self, version: str) -> None:
        """Note that a version is in force from now on."""
        self._in_force.append((self._now_s(), version))

    def begins(self, process: Process) -> None:
        """Note that an operator's process begins a replay, and sees what is in force now."""
        self._begun[process] = self._rank_at(self._now_s())

    def stored(self, before: ImageRow, after: ImageRow, process: Process) -> None:
        """Look at a head that was written, by this process."""
        if after.generation > before.generation:
            self._oldest[after.key] = (after.generation, self._rank_seen(after, process))
        generation, oldest = self._oldest.get(after.key, (0, 0))
        decided, decision = after.decided_generation or 0, after.decision
        if decision is None or decided < generation or before.decision == decision:
            return
        rank = [version for _, version in self._in_force].index(decision.policy_version)
        if rank < oldest:
            self._report(
                "a replayed row is decided under what its replay saw, or later",
                f"{after.key} under {decision.policy_version}, after {self._in_force[oldest][1]}",
            )

    def _rank_seen(self, after: ImageRow, process: Process) -> int:
        if after.status is Status.PENDING_VLM_ENRICHMENT:
            return self._rank_at(self._now_s() - _WORKERS_KNOW_S)
        return self._begun.get(process, 0)

    def _rank_at(self, at_s: float) -> int:
        """Return how many versions were replaced by then."""
        return max(sum(since <= at_s for since, _ in self._in_force) - 1, 0)
