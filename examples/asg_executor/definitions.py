"""A Dagster project that knows nothing of Parjanya: one op makes batches, another scores each on the fleet.

What `load_model` returns stays in the worker's process, so every step but an instance's first finds it warm.
"""

import functools
import os
import time
from collections.abc import Iterator

import dagster as dg
from dagster_aws.s3 import S3PickleIOManager, S3Resource

from parjanya_dagster.asg_executor.executor import asg_executor

BATCHES = 4


class Model:
    """Stands for something that takes seconds to load."""

    def __init__(self) -> None:
        time.sleep(1.0)

    def score(self, number: int) -> int:
        """Return what the model makes of `number`."""
        return number * number


@functools.cache
def load_model() -> Model:
    """Return this process's model, loaded once."""
    return Model()


@dg.op(out=dg.DynamicOut(int), tags={"asg_executor/inline": "true"})
def batches() -> Iterator[dg.DynamicOutput[int]]:
    """Name the batches: over in a moment, so it runs in the run worker itself."""
    for number in range(BATCHES):
        yield dg.DynamicOutput(number, mapping_key=f"batch_{number}")


# Without a retry policy one lost instance would fail the run.
@dg.op(tags={"asg_executor/fleet": "gpu"}, retry_policy=dg.RetryPolicy(max_retries=2))
def score(context: dg.OpExecutionContext, batch: int) -> int:
    """Score one batch on an instance."""
    began = time.monotonic()
    scored = load_model().score(batch)
    context.log.info("scored batch %d in %.2f s: %d", batch, time.monotonic() - began, scored)
    return scored


@dg.job
def scoring() -> None:
    """Score every batch, as many at a time as the fleet has room for."""
    batches().map(score)


defs = dg.Definitions(
    jobs=[scoring],
    # The queue, the table and the group come from ASG_EXECUTOR_* in the environment.
    executor=asg_executor.configured({"wait_seconds": 600}),
    resources={
        # What one step returns the next one reads on another machine.
        "io_manager": S3PickleIOManager(
            s3_resource=S3Resource(), s3_bucket=os.environ["EXAMPLE_BUCKET"], s3_prefix="values"
        ),
    },
)
