"""What the worker does next: leases, fetches, micro-batches and receives, each within its limits.

Nothing else of the machine knows how work is chosen. Images of one bucket, which is one grid, share a
micro-batch: the engine then neither pads nor meets a shape that it has not met before.
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
    """Start fetches while there are threads and bytes for them; originals wait for their decoder here.

    An original's bytes lie in memory until the decoder takes them. So no more are fetched than keep it busy,
    and previews may overtake the rest.
    """
    fetching = _in(turn, Stage.FETCHING)
    threads = turn.limits.max_fetching - len(fetching)
    originals = turn.limits.max_originals - sum(held.needs_original for held in fetching)
    reserved = sum(held.size_bytes for held in turn.held.values())
    for held in _in(turn, Stage.QUEUED):
        expected = _bytes_to_fetch(turn, held)
        if not threads or (reserved and reserved + expected > turn.limits.max_bytes):
            return
        if held.needs_original and not originals:
            continue
        threads -= 1
        originals -= held.needs_original
        reserved += expected
        turn.move(held.receipt, Stage.FETCHING, size_bytes=expected)
        turn.do(
            Fetch(
                receipt=held.receipt,
                job=held.job,
                receive_count=held.receive_count,
                from_original=held.needs_original,
            )
        )


def _bytes_to_fetch(turn: Turn, held: Held) -> int:
    """Return what fetching an image may take of this process' memory; its decoder has limits of its own."""
    if not held.needs_original:
        return turn.limits.image_bytes
    original = held.row.original if held.row else None
    size = original.size_bytes if original else None
    return turn.limits.image_bytes + (turn.limits.original_bytes if size is None else size)


def _start_scoring(turn: Turn) -> None:
    """Hand the engine one micro-batch of one bucket, or one suspect once its attempt stands in the head.

    Full micro-batches go first, the one with the oldest image before others; but no image is overtaken by
    later ones for longer than `longest_wait`, and none waits longer than `linger` for an idle engine.
    """
    ready = sorted(_in(turn, Stage.READY), key=lambda held: held.since)
    if not ready or any(held.stage in _WITH_THE_ENGINE for held in turn.held.values()):
        return
    batches = _micro_batches(turn, ready)
    oldest, waited = ready[0], turn.now - ready[0].since
    full = next((b for b in batches.values() if len(b) == turn.micro_batch_of(b[0].bucket)), None)
    if full is not None and waited < turn.limits.longest_wait:
        turn.score(tuple(held.receipt for held in full))
    elif oldest.is_suspect and oldest.row is not None:
        turn.move(oldest.receipt, Stage.RECORDING)
        turn.do(RecordAttempt(receipt=oldest.receipt, job=oldest.job, row=oldest.row))
    elif waited >= turn.limits.linger or not any(h.stage in _ON_THE_WAY for h in turn.held.values()):
        turn.score(tuple(held.receipt for held in batches[oldest.bucket]))


def _micro_batches(turn: Turn, ready: list[Held]) -> dict[str, list[Held]]:
    """Return the next micro-batch of each bucket, oldest images first; suspects are in none."""
    batches: dict[str, list[Held]] = {}
    for held in ready:
        if not held.is_suspect:
            batch = batches.setdefault(held.bucket, [])
            if len(batch) < turn.micro_batch_of(held.bucket):
                batch.append(held)
    return batches


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
