"""Phases: where an image's time goes, from the sending of its job to its durable outcome.

The machine's stages say what a message waits for; these say whose time it is, for people and metrics.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

from gpu_worker.limits import Stage
from gpu_worker.state import Held


class Phase(StrEnum):
    """One share of an image's time."""

    QUEUE = "queue"
    """On SQS, since the job was sent; no work of this process."""
    READ = "read"
    """Reading its head."""
    FETCH = "fetch"
    """Waiting for a thread and for bytes, then reading objects."""
    DECODE = "decode"
    WAIT = "wait"
    """Decoded, until its micro-batch began."""
    ENGINE = "engine"
    """The whole pass of its micro-batch, and the policy."""
    SETTLE = "settle"
    """Writing what came of it."""


_PHASES: Final = {
    Stage.READING: Phase.READ,
    Stage.QUEUED: Phase.FETCH,
    Stage.FETCHING: Phase.FETCH,
    Stage.READY: Phase.WAIT,
    Stage.RECORDING: Phase.WAIT,
    Stage.SCORING: Phase.ENGINE,
    Stage.SETTLING: Phase.SETTLE,
}


def seconds_of(held: Held, now: datetime) -> dict[str, float]:
    """Return what a message that ends now spent in each phase that it reached."""
    seconds: dict[str, float] = {}
    for stage, spent in (*held.spent, (held.stage, (now - held.since).total_seconds())):
        phase = _PHASES[stage]
        seconds[phase] = seconds.get(phase, 0.0) + spent
    since_sent = (now - held.job.sent_at).total_seconds()
    on_the_queue = max(0.0, since_sent - sum(seconds.values()))  # the sender's clock is another one
    if held.bucket:
        seconds[Phase.DECODE] = min(held.decode_s, seconds[Phase.FETCH])
        seconds[Phase.FETCH] -= seconds[Phase.DECODE]
    return {Phase.QUEUE: on_the_queue, **seconds}
