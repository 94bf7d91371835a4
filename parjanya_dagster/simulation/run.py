"""Runs: many worlds in a row, and what came of them together."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from parjanya_dagster.simulation.coverage import every_action, every_transition
from parjanya_dagster.simulation.episode import Episode, play
from parjanya_dagster.simulation.faults import Fault
from parjanya_dagster.simulation.trace import Trace, shrunk


@dataclass(slots=True)
class Report:
    """What came of some worlds.

    Args:
        failed: the first world that broke a promise; the run ends there.
        trace: what it takes to play that again.
        longest_calm_s: the longest a world took to come to rest, virtual seconds.
    """

    worlds: int = 0
    steps: int = 0
    virtual_s: float = 0.0
    longest_calm_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    transitions: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    failed: Episode | None = None
    trace: Trace | None = None

    @property
    def is_ok(self) -> bool:
        """Every promise was kept."""
        return self.failed is None

    @property
    def missing_faults(self) -> list[str]:
        """Faults that never happened."""
        return sorted({fault.value for fault in Fault} - set(self.faults))

    @property
    def missing_transitions(self) -> list[str]:
        """Transitions that were never reached."""
        return sorted(every_transition() - set(self.transitions))

    @property
    def missing_actions(self) -> list[str]:
        """Actions that were never planned."""
        return sorted(every_action() - set(self.actions))

    def add(self, episode: Episode) -> None:
        """Count one more world."""
        self.worlds += 1
        self.steps += episode.steps
        self.virtual_s += episode.virtual_s
        self.longest_calm_s = max(self.longest_calm_s, episode.calm_s)
        self.faults += episode.faults
        self.transitions += episode.transitions
        self.actions += episode.actions
        self.outcomes += episode.outcomes
        if episode.violations:
            self.failed = episode

    def document(self) -> dict[str, Any]:
        """Return the report as `--json` prints it."""
        violations = self.failed.violations if self.failed else ()
        return {
            "ok": self.is_ok,
            "violations": [
                {
                    "invariant": each.invariant,
                    "detail": each.detail,
                    "step": each.step,
                    "at_s": each.at_s,
                }
                for each in violations
            ],
            "trace": self.trace.document() if self.trace else None,
            "steps": self.steps,
            "worlds": self.worlds,
            "virtual_s": round(self.virtual_s),
            "faults": {fault.value: self.faults[fault.value] for fault in Fault},
            "covered": {
                "transitions": dict(sorted(self.transitions.items())),
                "actions": dict(sorted(self.actions.items())),
                "outcomes": dict(sorted(self.outcomes.items())),
                "never": {"transitions": self.missing_transitions, "actions": self.missing_actions},
            },
        }


def worlds_of(seed: int, *, steps: int) -> Iterator[Episode]:
    """Play worlds of a seed until they have taken so many steps together; the first is always played."""
    taken = 0
    for number in count():
        episode = play(f"{seed}.{number}")
        yield episode
        taken += episode.steps
        if taken >= steps:
            return


def run(
    first_seed: int,
    *,
    steps: int,
    seeds: int = 1,
    progress: Callable[[Report], None] = lambda _report: None,
    into: Report | None = None,
) -> Report:
    """Play the worlds of some seeds, at least so many steps of each, until one breaks a promise.

    Args:
        into: a report to add to, so that an interrupted run can still be told.
    """
    report = into or Report()
    for seed in range(first_seed, first_seed + seeds):
        for episode in worlds_of(seed, steps=steps):
            report.add(episode)
            progress(report)
            if report.failed is not None:
                report.trace = shrunk(report.failed)
                return report
    return report
