"""Jobs that the executor's tests run: code as a user writes it, knowing nothing of Parjanya.

The diary is a directory both sides can see: a step leaves a line in it, so that a test can tell what really
ran, in which process and how often.
"""

import functools
import os
import time
from pathlib import Path

import dagster as dg

from parjanya_dagster.asg_executor.executor import asg_executor

if os.environ.get("ASG_TEST_BREAK_IMPORT"):
    raise ImportError("this worker was given broken code on purpose")

ON_FLEET = {"asg_executor/fleet": "gpu"}
RETRIED_ONCE = dg.RetryPolicy(max_retries=1)

# Times that let a whole failure be watched in seconds; queue and table come from the environment.
QUICK = {
    "wait_seconds": 30,
    "lease_ttl_seconds": 2.0,
    "health_interval_seconds": 1,
    "grace_seconds": 0.5,
    "poll_seconds": 0.1,
}
IMPATIENT = {**QUICK, "wait_seconds": 2}

_steps_in_this_process = 0


class Engine:
    """Something costly, such as a model: its diary tells how often it was loaded."""

    def __init__(self) -> None:
        note("loaded")


@functools.cache
def engine() -> Engine:
    """Return the engine of this process."""
    return Engine()


def diary() -> Path:
    """Return the directory of diary lines."""
    return Path(os.environ["ASG_TEST_DIARY"])


def note(subject: str) -> None:
    """Leave one line: subject, process, instance and device."""
    place = f"{os.environ.get('INSTANCE_ID', '-')} {os.environ.get('CUDA_VISIBLE_DEVICES', '-')}"
    line = f"{subject} {os.getpid()} {place}"
    (diary() / f"{subject}.{time.time_ns()}").write_text(line)


@dg.op
def prepare() -> int:
    """A step of no fleet."""
    note("prepare")
    return 20


@dg.op
def double(number: int) -> int:
    """Another step of no fleet."""
    return 2 * number


@dg.op(tags=ON_FLEET)
def score(number: int) -> int:
    """A fleet step that uses what its process keeps warm."""
    global _steps_in_this_process  # noqa: PLW0603 -- a warm process is what is being tested
    _steps_in_this_process += 1
    note("score")
    print(f"scored {number}")  # noqa: T201 -- this is the compute log that the test reads back
    return _steps_in_this_process


@dg.op(tags=ON_FLEET)
def score_more(number: int) -> int:
    """Another fleet step in the same warm process."""
    global _steps_in_this_process  # noqa: PLW0603 -- see `score`
    _steps_in_this_process += 1
    note("score_more")
    return _steps_in_this_process - number


@dg.op(out=dg.DynamicOut(int), tags={"asg_executor/inline": "true"})
def fan_out() -> object:
    """Six pieces of work."""
    for piece in range(6):
        yield dg.DynamicOutput(piece, mapping_key=f"piece_{piece}")


@dg.op(tags=ON_FLEET)
def drain(piece: int) -> str:
    """One piece, slow enough that two instances share the work."""
    time.sleep(0.3)
    note("drain")
    return f"{piece}:{os.environ.get('INSTANCE_ID', '-')}"


@dg.op(tags=ON_FLEET)
def use_engine(piece: int) -> int:
    """One piece that needs the engine; which object it was is the result."""
    note(f"used-{piece}")
    return id(engine())


@dg.op(tags={"asg_executor/inline": "true"})
def same(engines: list[int]) -> bool:
    """Whether there was only one."""
    return len(set(engines)) == 1


@dg.op(tags=ON_FLEET, pool="asg_test")
def occupy(context: dg.OpExecutionContext, patience_s: float) -> bool:
    """Be at work until somebody else of the pool is, too; return whether that came to pass in time."""
    mark = diary() / f"occupied-{context.run_id}.{time.time_ns()}"
    mark.touch()
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if len(list(diary().glob(f"occupied-{context.run_id}.*"))) > 1:
            return True  # its mark stays, so that the other one sees it
        time.sleep(0.02)
    mark.unlink()
    return False


@dg.op(tags=ON_FLEET)
def meet(context: dg.OpExecutionContext, own: int) -> str:
    """Wait for the other one: alone at a time, neither would ever end well."""
    note(f"met-{own}-{context.run_id}")
    deadline = time.monotonic() + 20
    while not list(diary().glob(f"met-{1 - own}-{context.run_id}.*")):
        if time.monotonic() > deadline:
            raise TimeoutError("nobody else came")
        time.sleep(0.02)
    return os.environ["CUDA_VISIBLE_DEVICES"]


@dg.op(tags={"asg_executor/inline": "true"})
def account(drained: list[str]) -> int:
    """Count the pieces."""
    return len(drained)


def _linger(context: dg.OpExecutionContext) -> int:
    note(f"started-{context.retry_number}")
    try:
        # Only the first attempt lingers; the test decides what happens to its worker meanwhile.
        deadline = time.monotonic() + (30 if context.retry_number == 0 else 0.5)
        while time.monotonic() < deadline and not (diary() / "hurry").exists():
            time.sleep(0.05)
    finally:
        note(f"cleaned-{context.retry_number}")
    return context.retry_number


@dg.op(tags=ON_FLEET, retry_policy=RETRIED_ONCE)
def linger_with_retry(context: dg.OpExecutionContext) -> int:
    """A long step that may be lost once."""
    return _linger(context)


@dg.op(tags=ON_FLEET)
def linger(context: dg.OpExecutionContext) -> int:
    """A long step that may not be lost."""
    return _linger(context)


@dg.op(tags=ON_FLEET, retry_policy=RETRIED_ONCE)
def fail_once(context: dg.OpExecutionContext) -> int:
    """User code that fails on its first attempt."""
    note(f"tried-{context.retry_number}")
    if context.retry_number == 0:
        raise ValueError("the first attempt fails")
    return context.retry_number


@dg.op(tags={"asg_executor/fleet": "quantum"})
def misdirected() -> None:
    """A step for a fleet that does not exist."""


@dg.job(executor_def=asg_executor.configured(QUICK, name="quick"))
def chain_job() -> None:
    """Local, fleet, fleet."""
    score_more(score(prepare()))


@dg.job(
    executor_def=asg_executor.configured(QUICK, name="quick"),
    config={"ops": {"score": {"inputs": {"number": 7}}}},
)
def score_job() -> None:
    """One fleet step."""
    score()


@dg.job(executor_def=asg_executor.configured(QUICK, name="quick"))
def fan_out_job() -> None:
    """One fleet step per dynamic output."""
    account(fan_out().map(drain).collect())


@dg.job(executor_def=asg_executor.configured(QUICK, name="quick"))
def engine_job() -> None:
    """Six steps that need one engine."""
    same(fan_out().map(use_engine).collect())


@dg.job(executor_def=asg_executor.configured(QUICK, name="quick"))
def pooled_job() -> None:
    """Two steps that share a pool."""
    occupy.alias("occupy_0")()
    occupy.alias("occupy_1")()


@dg.job(
    executor_def=asg_executor.configured(QUICK, name="quick"),
    config={"ops": {f"meet_{own}": {"inputs": {"own": own}} for own in (0, 1)}},
)
def meeting_job() -> None:
    """Two steps that can only end together."""
    meet.alias("meet_0")()
    meet.alias("meet_1")()


@dg.job(executor_def=asg_executor.configured(QUICK, name="quick"))
def neighbours_job() -> None:
    """Two long steps with a retry policy."""
    linger_with_retry.alias("linger_0")()
    linger_with_retry.alias("linger_1")()


@dg.job(executor_def=asg_executor.configured(QUICK, name="quick"))
def retried_job() -> None:
    """A long fleet step with a retry policy."""
    linger_with_retry()


@dg.job(executor_def=asg_executor.configured(QUICK, name="quick"))
def unretried_job() -> None:
    """A long fleet step without one."""
    linger()


@dg.job(executor_def=asg_executor.configured(QUICK, name="quick"))
def failing_job() -> None:
    """User code that fails once."""
    fail_once()


@dg.job(
    executor_def=asg_executor.configured(IMPATIENT, name="impatient"),
    config={"ops": {"score": {"inputs": {"number": 7}}}},
)
def impatient_job() -> None:
    """A fleet step that soon gives up waiting."""
    score()


@dg.job(executor_def=asg_executor)
def local_job() -> None:
    """Nothing for the fleet."""
    double(prepare())


@dg.job(executor_def=asg_executor)
def misdirected_job() -> None:
    """A step for an unknown fleet."""
    misdirected()
