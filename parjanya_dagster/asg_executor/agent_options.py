"""The agent's command line: tables of options, so that the page in docs can be held against them."""

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import Final

from parjanya_dagster.asg_executor.devices import AUTO

# Option, variable of its default (shared with the executor), help.
_NAMES: Final = (
    ("queue", "ASG_EXECUTOR_STEP_QUEUE", "step queue: name or URL"),
    ("table", "ASG_EXECUTOR_STEPS_TABLE", "DynamoDB table of leases and pulses (key: pk)"),
    ("code-version", "ASG_EXECUTOR_CODE_VERSION", "refuse steps stamped with another one"),
    (
        "boot-hook",
        "ASG_EXECUTOR_BOOT_HOOK",
        "the group's launch lifecycle hook, answered once every worker process is ready",
    ),
    (
        "log-location",
        "ASG_EXECUTOR_LOG_LOCATION",
        "URL or path of this agent's log, linked from steps; {instance_id} is filled in",
    ),
)

# Option, default in seconds, help.
_TIMES: Final = (
    ("idle-after", 20.0, "idle before protection is given up"),
    ("heartbeat", 2.0, "between two renewals of a lease"),
    ("grace", 20.0, "a step may still run when asked to leave"),
    ("receive-wait", 2, "long poll of the step queue, whole seconds, 0-20"),
    ("watch-every", 2.0, "between two looks while idle"),
    ("notice-every", 5.0, "between two looks for a Spot or scale-in notice"),
)

_EPILOG: Final = """
environment:
  AWS_ENDPOINT_URL, AWS_REGION, ...   as boto3 reads them
  INSTANCE_ID, AUTO_SCALING_GROUP     who this is; without them IMDSv2 is asked, and without that the
                                      agent serves as a machine that no group owns
  AWS_EC2_METADATA_SERVICE_ENDPOINT   where IMDSv2 answers, if not at its usual address
  CUDA_VISIBLE_DEVICES                the GPUs to share out among the worker processes; each sees its own
  ASG_EXECUTOR_*                      defaults of the options, shared with the executor

exit status:
  0  left as asked: SIGTERM, SIGINT, a Spot interruption, a scale-in or (--heed-rebalance) its forecast
  2  wrong options
  3  a step wanted another code version: deploy this instance again
  4  a worker process could not be started three times in a row, or once while the group waited for
     the boot: replace this instance

Under systemd use KillMode=mixed and TimeoutStopSec above --grace. A SIGTERM or SIGINT lets running steps
finish within --grace; after that a step's lease is marked interrupted and the
executor retries it.
"""


def parse_options(
    arguments: Sequence[str] | None, environment: Mapping[str, str] = os.environ
) -> argparse.Namespace:
    """Return the command line's options; prints help or a usage error and exits otherwise."""
    parser = argparse.ArgumentParser(
        prog="python -m parjanya_dagster.asg_executor.agent",
        description="Execute Dagster steps on this instance, each in a warm process with a GPU of its own.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, variable, told in _NAMES:
        parser.add_argument(f"--{name}", default=environment.get(variable, ""), help=f"{told} (${variable})")
    for name, seconds, told in _TIMES:
        told_default = f"seconds: {told} ({seconds:g})"
        parser.add_argument(f"--{name}", type=type(seconds), default=seconds, metavar="S", help=told_default)
    _add_work(parser)
    options = parser.parse_args(arguments)
    for name in ("queue", "table"):
        if not getattr(options, name):
            parser.error(f"--{name} is missing: name the one that the executor is configured with")
    return options


def _add_work(parser: argparse.ArgumentParser) -> None:
    """What the worker processes are and do."""
    parser.add_argument(
        "--children",
        type=_children,
        default=AUTO,
        metavar="N|auto",
        help="worker processes, so steps at a time (auto: one per visible GPU, at least 1)",
    )
    parser.add_argument(
        "--between-steps",
        default="",
        metavar="MODULE:ATTRIBUTE",
        help="factory of the work done while no step waits",
    )
    parser.add_argument(
        "--preload",
        action="append",
        default=[],
        metavar="MODULE",
        help="import at start, so that the first step is warm; may be repeated",
    )
    parser.add_argument(
        "--heed-rebalance",
        action="store_true",
        help="leave, once idle, when EC2 expects a Spot interruption: for groups with Capacity Rebalancing",
    )


def _children(wish: str) -> str:
    if wish == AUTO or (wish.isdecimal() and int(wish) >= 1):
        return wish
    raise argparse.ArgumentTypeError(f"a number of worker processes from 1 on, or auto; not {wish!r}")
