"""What a step costs on a warm instance of the fleet, beside the other ways to execute it.

    python -m benchmarks.executor [--only NAME]

Starts a local AWS process, one agent and a Dagster instance in a temporary directory, runs a chain of steps
that do nothing under each executor, and prints medians from the event log. Budget (DESIGN §14): a step on a
warm agent takes at most 0.2 s more than the same step in process.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import boto3
import dagster as dg

from parjanya_dagster.asg_executor.executor import asg_executor
from parjanya_dagster.local.stack import LocalAws

REPOSITORY = Path(__file__).parents[1]
STEPS = int(os.environ.get("BENCHMARK_STEPS", "10"))
ON_FLEET = {"asg_executor/fleet": "gpu"}
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Medians of one chain, in seconds. `to_start_s` is None where no hand-over is recorded."""

    name: str
    to_start_s: float | None
    step_s: float
    run_s: float


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


def inline_chain() -> dg.JobDefinition:
    """Steps of a fleet run that are executed in the run worker."""
    return _chain(name="inline", executor=asg_executor, tags={"asg_executor/inline": "true"})


def multiprocess_chain() -> dg.JobDefinition:
    """Steps in a new process each, by Dagster's default executor."""
    return _chain(name="multiprocess", executor=dg.multiprocess_executor, tags={})


def fleet_chain() -> dg.JobDefinition:
    """Steps on a warm instance."""
    return _chain(name="fleet", executor=asg_executor, tags=ON_FLEET)


def untagged_chain() -> dg.JobDefinition:
    """Steps of a fleet run that need no instance."""
    return _chain(name="untagged", executor=asg_executor, tags={})


CHAINS = {
    "in process (run worker)": in_process_chain,
    "warm agent": fleet_chain,
    "untagged step of a fleet run": untagged_chain,
    "inline step of a fleet run": inline_chain,
    "multiprocess (built in)": multiprocess_chain,
}


@contextmanager
def serving_fleet(directory: Path) -> Iterator[None]:
    """Run a local AWS process and one agent, with this process pointed at them."""
    aws = LocalAws.start(directory / "aws", port=0, autosave_s=3600, ends_with_parent=True)
    os.environ.update(
        AWS_ENDPOINT_URL=aws.endpoint,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 -- the local process's root
        AWS_REGION=aws.region,
        AWS_DEFAULT_REGION=aws.region,
        ASG_EXECUTOR_STEP_QUEUE="steps",
        ASG_EXECUTOR_STEPS_TABLE="steps",
        INSTANCE_ID="i-benchmark",
        PYTHONPATH=str(REPOSITORY),
    )
    boto3.client("sqs").create_queue(QueueName="steps")
    boto3.client("dynamodb").create_table(
        TableName="steps",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    log = directory / "agent.log"
    with log.open("wb") as stream:
        agent = subprocess.Popen(
            [sys.executable, "-m", "parjanya_dagster.asg_executor.agent"],
            stdout=stream,
            stderr=stream,
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while "child_ready" not in log.read_text():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the agent did not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        agent.terminate()
        agent.wait(PATIENCE_S)
        aws.stop()


def measure(name: str, instance: dg.DagsterInstance) -> Timing:
    """Run one chain twice and time the second run: the first one warms what can be warm."""
    job = dg.reconstructable(CHAINS[name])
    for _ in range(2):
        began = time.monotonic()
        result = dg.execute_job(job, instance=instance, raise_on_error=True)
        run_s = time.monotonic() - began
    seen: dict[tuple[str, str], float] = {}
    for entry in instance.all_logs(result.run_id):
        if entry.dagster_event is not None and entry.dagster_event.step_key:
            kind = entry.dagster_event.event_type_value
            seen.setdefault((entry.dagster_event.step_key, kind), entry.timestamp)
    keys = [f"step_{number}" for number in range(STEPS)]
    ends = [seen[key, "STEP_SUCCESS"] for key in ("first", *keys)]
    handed_over = [key for key in keys if (key, "STEP_WORKER_STARTING") in seen]
    to_start = [seen[key, "STEP_START"] - seen[key, "STEP_WORKER_STARTING"] for key in handed_over]
    return Timing(
        name=name,
        to_start_s=statistics.median(to_start) if to_start else None,
        step_s=statistics.median(later - earlier for earlier, later in pairwise(ends)),
        run_s=run_s,
    )


def print_table(timings: list[Timing]) -> None:
    """Print one row per executor, with what a step costs over the first row."""
    base = timings[0].step_s
    print(f"{'executor':<30}{'queued→start s':>16}{'s per step':>12}{'over in process':>17}{'run s':>8}")
    for timing in timings:
        to_start = f"{timing.to_start_s:.3f}" if timing.to_start_s is not None else "-"
        row = f"{timing.name:<30}{to_start:>16}{timing.step_s:>12.3f}"
        print(f"{row}{timing.step_s - base:>17.3f}{timing.run_s:>8.1f}")


def main() -> None:
    """Measure every executor and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=list(CHAINS), help="measure these only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        home = directory / "dagster"
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        os.environ["DAGSTER_HOME"] = str(home)
        with serving_fleet(directory), dg.DagsterInstance.get() as instance:
            timings = [measure(name, instance) for name in options.only or CHAINS]
        print_table(timings)


if __name__ == "__main__":
    main()
