"""A boot as a pipeline: stages in their order, each timed and reported when it begins, until one fails."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gpu_worker.boot.failures import BootFailedError, failure_of
from parjanya_dagster.core.belief.boot import BootStage, TracedStage

Trace = tuple[TracedStage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of a boot.

    Args:
        name: in traces and tables.
        standing: where the boot stands meanwhile, as the planes know it.
        run: does it and returns what it found, in a few words; raises to end the boot.
    """

    name: str
    standing: BootStage
    run: Callable[[], str]


class Witness(Protocol):
    """Whoever is told how a boot gets on; see `gpu_worker.vitals.Vitals`."""

    def reach(self, stage: BootStage, *, trace: Trace) -> None:
        """A stage begins: the last of `trace`."""

    def note(self, trace: Trace) -> None:
        """A stage ended, well or not: the last of `trace`, with its time."""


class NoWitness:
    """Nobody looks."""

    def reach(self, stage: BootStage, *, trace: Trace) -> None:
        """See `Witness`."""

    def note(self, trace: Trace) -> None:
        """See `Witness`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of a pipeline.

    Args:
        trace: its stages in their order; the last one is where it ended.
        failed: why it ended there; None if it came through.
    """

    trace: Trace
    failed: BootFailedError | None = None

    @property
    def seconds(self) -> float:
        """Of all stages together."""
        return sum(each.seconds or 0.0 for each in self.trace)


NOBODY: Final = NoWitness()


def run_stages(
    stages: Sequence[Stage], *, witness: Witness = NOBODY, clock: Callable[[], float] = time.perf_counter
) -> Run:
    """Run stages until one fails; whatever it raises, the failure has a name.

    Args:
        clock: seconds that only grow.
    """
    trace: Trace = ()
    for stage in stages:
        witness.reach(stage.standing, trace=(*trace, TracedStage(name=stage.name)))
        begun = clock()
        failed = None
        try:
            detail = stage.run()
        except Exception as error:  # noqa: BLE001 -- libraries raise anything; the boot ends either way
            failed = failure_of(error, stage=stage.name)
            failed.__cause__ = None if failed is error else error
            detail = failed.failure.value
        trace = (*trace, TracedStage(name=stage.name, seconds=round(clock() - begun, 3), detail=detail))
        witness.note(trace)
        if failed is not None:
            return Run(trace=trace, failed=failed)
    return Run(trace=trace)
