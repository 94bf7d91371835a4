"""The chains of steps that `benchmarks.executor` times: they do nothing, so only the executor takes time.

A module of its own, since run workers and agents import it.
"""

import os

import dagster as dg

from parjanya_dagster.asg_executor.executor import asg_executor

STEPS = int(os.environ.get("BENCHMARK_STEPS", "20"))
ON_FLEET = {"asg_executor/fleet": "gpu"}


def _chain(*, name: str, executor: dg.ExecutorDefinition, tags: dict[str, str]) -> dg.JobDefinition:
    @dg.op(ins={"before": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing), tags=tags)
    def nothing() -> None:
        """Do nothing."""

    # One more step than is timed: the first of a run also pays for imports and connections.
    @dg.op(out=dg.Out(dg.Nothing), tags=ON_FLEET if executor is asg_executor else {})
    def first() -> None:
        """Begin the chain."""

    @dg.job(name=name, executor_def=executor)
    def chain() -> None:
        end = first()
        for number in range(STEPS):
            end = nothing.alias(f"step_{number}")(end)

    return chain


def in_process_chain() -> dg.JobDefinition:
    """Steps in the run worker itself."""
    return _chain(name="in_process", executor=dg.in_process_executor, tags={})


def fleet_chain() -> dg.JobDefinition:
    """Steps on a warm instance."""
    return _chain(name="fleet", executor=asg_executor, tags=ON_FLEET)


def inline_chain() -> dg.JobDefinition:
    """Steps of a fleet run that are executed in the run worker."""
    return _chain(name="inline", executor=asg_executor, tags={"asg_executor/inline": "true"})


def subprocess_chain() -> dg.JobDefinition:
    """Steps of a fleet run that need no instance: each is a process, `dagster api execute_step`."""
    return _chain(name="subprocess", executor=asg_executor, tags={})


def multiprocess_chain() -> dg.JobDefinition:
    """Steps in a new process each, by Dagster's default executor."""
    return _chain(name="multiprocess", executor=dg.multiprocess_executor, tags={})


CHAINS = {
    "in process (built in)": in_process_chain,
    "warm agent": fleet_chain,
    "inline step of a fleet run": inline_chain,
    "subprocess (dagster api execute_step)": subprocess_chain,
    "multiprocess (built in)": multiprocess_chain,
}
