"""What the worker does next: leases, fetches, micro-batches and receives, each within its limits.

Buckets by grid and the decode pool of the GPU pipeline grow here: nothing else of the machine knows how
work is chosen.
"""

from gpu_worker.effects import ExtendLeases, Fetch, Receive, RecordAttempt
from gpu_worker.events import Dependency
from gpu_worker.limits import Stage
from gpu_worker.state import Held
from gpu_worker.turn import Turn

_SQS_MOST = 10
_ON_THE_WAY = frozenset({Stage.READING, Stage.QUEUED, Stage.FETCHING})
_WITH_THE_ENGINE = frozenset({Stage.RECORDING, Stage.SCORING})


def watch_leases(turn: Turn) -> None:
    """Renew leases older than a third of the visibility timeout, if every image meets its stage deadline.

    A stage that is overdue means a thread that hangs: renewing its lease for ever would hide the image
    from everybody else, so the process ends and the message comes back by itself.
    """
    for held in turn.held.values():
        if turn.now - held.since > turn.limits.stage_deadlines[held.stage]:
            turn.exit(f"{held.job.key} is overdue in stage '{held.stage}'")
            return
    due = turn.now - turn.limits.visibility / 3
    receipts = tuple(held.receipt for held in turn.held.values() if held.leased_at <= due)
    if receipts and not _is_left_alone(turn, Dependency.QUEUE):
        turn.do(ExtendLeases(receipts=receipts))


def with_next_work(turn: Turn) -> None:
    """Start everything that may start now."""
    _start_fetches(turn)
    _start_scoring(turn)
    _start_receive(turn)


def _start_fetches(turn: Turn) -> None:
    fetching = _in(turn, Stage.FETCHING)
    expected = turn.limits.image_bytes
    reserved = sum(held.size_bytes for held in turn.held.values()) + expected * len(fetching)
    free = turn.limits.max_fetching - len(fetching)
    for held in _in(turn, Stage.QUEUED)[:free]:
        if reserved and reserved + expected > turn.limits.max_bytes:
            return
        reserved += expected
        turn.move(held.receipt, Stage.FETCHING)
        turn.do(Fetch(receipt=held.receipt, job=held.job, receive_count=held.receive_count))


def _start_scoring(turn: Turn) -> None:
    """Hand the engine one micro-batch; a suspect goes alone, once its attempt stands in the head."""
    ready = _in(turn, Stage.READY)
    if not ready or any(held.stage in _WITH_THE_ENGINE for held in turn.held.values()):
        return
    oldest = ready[0]
    if oldest.is_suspect and oldest.row is not None:
        turn.move(oldest.receipt, Stage.RECORDING)
        turn.do(RecordAttempt(receipt=oldest.receipt, job=oldest.job, row=oldest.row))
        return
    batch = [held for held in ready if not held.is_suspect][: turn.limits.micro_batch]
    is_company_coming = any(held.stage in _ON_THE_WAY for held in turn.held.values())
    has_waited = turn.now - oldest.since >= turn.limits.linger
    if len(batch) == turn.limits.micro_batch or has_waited or not is_company_coming:
        turn.score(tuple(held.receipt for held in batch))


def _start_receive(turn: Turn) -> None:
    if turn.is_receiving or (turn.receive_after is not None and turn.now < turn.receive_after):
        return
    if any(_is_left_alone(turn, dependency) for dependency in turn.backoffs):
        return
    room = turn.limits.max_held - len(turn.held)
    if turn.backoffs:  # something failed and its pause is over: one message finds out whether it works again
        room = 1 if not turn.held else 0
    elif room < turn.limits.receive_from:
        return
    if room > 0:
        turn.is_receiving = True
        turn.do(Receive(limit=min(room, _SQS_MOST), wait_s=turn.limits.receive_wait_s))


def _is_left_alone(turn: Turn, dependency: Dependency) -> bool:
    backoff = turn.backoffs.get(dependency)
    return backoff is not None and turn.now < backoff.until


def _in(turn: Turn, stage: Stage) -> list[Held]:
    return [held for held in turn.held.values() if held.stage is stage]
