"""What a step costs on a warm instance of the fleet, beside the other ways to execute it.

    python -m benchmarks.executor [--only NAME] [--truth N]

Starts a local AWS process, one agent and a Dagster instance in a temporary directory, runs a chain of steps
that do nothing under each executor, and takes medians from the event log. With `--truth N` it also brings up
a whole laptop, and measures N times from a change of Truth to the step that it leads to. Budgets: a step on a
warm agent takes at most 0.2 s more than in process; from Truth to a running step, 5 s in the mean.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final

import boto3
import dagster as dg

from benchmarks.executor_jobs import CHAINS, STEPS
from benchmarks.executor_truth import waits
from benchmarks.results import Cell, Plot, Results, open_results, parser
from parjanya_dagster.local.stack import LocalAws

REPOSITORY: Final = Path(__file__).parents[1]
PATIENCE_S: Final = 60.0
ROUNDS: Final = 3

PER_STEP: Final = "seconds per step"
TRUTH: Final = "seconds from Truth to a running step"


def main() -> None:
    """Measure what was asked for."""
    arguments = parser(__doc__)
    arguments.add_argument("--only", action="append", choices=list(CHAINS), help="time these executors only")
    arguments.add_argument("--truth", type=int, default=0, metavar="N", help="changes of Truth to follow")
    options = arguments.parse_args()
    results = open_results(
        "executor",
        plot=Plot(table=PER_STEP, label="executor", value="s per step", is_log=True),
        packages=["dagster", "boto3", "ministack"],
        out=options.out,
    )
    with tempfile.TemporaryDirectory() as scratch:
        measure_chains(results, Path(scratch), options.only or list(CHAINS))
    if options.truth:
        with tempfile.TemporaryDirectory() as scratch:
            measure_truth(results, Path(scratch), count=options.truth)


def measure_chains(results: Results, directory: Path, names: list[str]) -> None:
    """Add a row per executor; the first one is what the others are compared with."""
    home = directory / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    os.environ["DAGSTER_HOME"] = str(home)
    base: float | None = None
    with serving_fleet(directory), dg.DagsterInstance.get() as instance:
        for name in names:
            row = timed(name, instance)
            took = float(row["s per step"] or 0.0)
            base = took if base is None else base
            results.add(PER_STEP, {**row, f"over {names[0]}": took - base})
    results.remark(
        f"Medians of {ROUNDS} runs of {STEPS} steps that do nothing, after one to warm up; SQLite and the"
        " local AWS process, which looks at a queue every 0.1 s."
    )


def timed(name: str, instance: dg.DagsterInstance) -> dict[str, Cell]:
    """Run one chain some times and time all but the first run: that one warms what can be warm."""
    to_start: list[float] = []
    per_step: list[float] = []
    for number in range(ROUNDS + 1):
        result = dg.execute_job(dg.reconstructable(CHAINS[name]), instance=instance, raise_on_error=True)
        if number == 0:
            continue
        seen: dict[tuple[str, str], float] = {}
        for entry in instance.all_logs(result.run_id):
            if entry.dagster_event is not None and entry.dagster_event.step_key:
                kind = entry.dagster_event.event_type_value
                seen.setdefault((entry.dagster_event.step_key, kind), entry.timestamp)
        keys = [f"step_{step}" for step in range(STEPS)]
        ends = [seen[key, "STEP_SUCCESS"] for key in ("first", *keys)]
        handed_over = [key for key in keys if (key, "STEP_WORKER_STARTING") in seen]
        to_start += [seen[key, "STEP_START"] - seen[key, "STEP_WORKER_STARTING"] for key in handed_over]
        per_step += [later - earlier for earlier, later in pairwise(ends)]
    return {
        "executor": name,
        "s per step": statistics.median(per_step),
        "fastest": min(per_step),
        "p90": statistics.quantiles(per_step, n=10)[-1],
        "queued to start": statistics.median(to_start) if to_start else None,
    }


def measure_truth(results: Results, directory: Path, *, count: int) -> None:
    """Add a row per change of Truth, and one with the means."""
    measured = []
    for number, wait in enumerate(waits(directory, count=count), start=1):
        measured.append(wait)
        results.add(TRUTH, _row_of(str(number), wait.to_run, wait.to_worker, wait.to_step))
    means = [
        statistics.mean(getattr(wait, part) for wait in measured)
        for part in ("to_run", "to_worker", "to_step")
    ]
    results.add(TRUTH, _row_of("mean", *means))


def _row_of(change: str, to_run: float, to_worker: float, to_step: float) -> dict[str, Cell]:
    return {
        "change": change,
        "to the sensor's run": to_run,
        "to its run worker": to_worker,
        "to the step": to_step,
        "total": to_run + to_worker + to_step,
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


if __name__ == "__main__":
    main()
