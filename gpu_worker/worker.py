"""The worker as a pure machine: `advance(state, event, now) → (state, effects)`.

It holds no thread, clock or connection, so the simulator, the Dagster step and the headless process run
the very same decisions. Threads feed it (`drain`) and perform what it asks for.

What it promises: a message is deleted only after its outcome is durable; it ends deleted, returned, or
still held; never more is held than the limits say; after a stop nothing is received.
"""

from datetime import datetime
from typing import assert_never

from gpu_worker.effects import Effect
from gpu_worker.events import (
    AttemptRecorded,
    AttemptRefused,
    BatchFailed,
    BatchScored,
    BatchTooLarge,
    Dependency,
    DependencyFailed,
    Event,
    FetchConcluded,
    Fetched,
    Interrupted,
    LeasesExtended,
    MessagesReceived,
    OriginalNeeded,
    ReceiveFailed,
    RowsRead,
    Settled,
    StopRequested,
    Tick,
)
from gpu_worker.limits import Stage
from gpu_worker.schedule import watch_leases, with_next_work
from gpu_worker.state import Held, State
from gpu_worker.turn import Turn
from parjanya_dagster.core.errors import InvalidIntentError
from parjanya_dagster.core.execution.outcome import Outcome, Retry, Superseded, TerminalFailure, standing
from parjanya_dagster.core.intent.job import job_from_json
from parjanya_dagster.core.ports import Received
from parjanya_dagster.core.truth.row import ImageRow

_IN_HAND = frozenset({Stage.RECORDING, Stage.SCORING, Stage.SETTLING})
"""Stages that a stop lets finish; a message in any other is returned."""
_MOVE = "`parjanya replay --failed oom --fleet NAME` sends it to larger machines"


def advance(state: State, event: Event, now: datetime) -> tuple[State, tuple[Effect, ...]]:
    """Return the state after `event`, and what is to be done now, in order."""
    turn = Turn(state, now)
    _take(turn, event)
    if turn.stop_reason is None:
        with_next_work(turn)
    return turn.ended()


def _take(turn: Turn, event: Event) -> None:  # noqa: C901, PLR0912 -- one arm per event
    match event:
        case MessagesReceived():
            _take_messages(turn, event.messages)
        case RowsRead():
            turn.recover(Dependency.ROWS)
            for receipt, row in event.rows.items():
                _take_row(turn, receipt, row)
        case Fetched() | OriginalNeeded() | FetchConcluded():
            _take_fetch(turn, event)
        case AttemptRecorded() | AttemptRefused():
            _take_attempt(turn, event)
        case BatchScored() | BatchFailed():
            _take_batch(turn, event)
        case BatchTooLarge():
            _step_down(turn, event)
        case Settled():
            turn.recover(Dependency.ROWS)
            for receipt, outcome in event.outcomes.items():
                turn.conclude(receipt, outcome)
        case LeasesExtended():
            _take_leases(turn, event)
        case ReceiveFailed():
            turn.is_receiving = False
            turn.fail(Dependency.QUEUE)
        case DependencyFailed():
            _take_failure(turn, event)
        case Tick():
            watch_leases(turn)
        case StopRequested():
            _stop(turn, event.reason)
        case Interrupted():
            _interrupt(turn)
        case _:
            assert_never(event)


def _take_messages(turn: Turn, messages: tuple[Received, ...]) -> None:
    turn.is_receiving = False
    turn.recover(Dependency.QUEUE)
    if not messages:
        turn.receive_after = turn.now + turn.limits.receive_pause
        return
    for message in messages:
        try:
            job = job_from_json(message.body)
        except InvalidIntentError as error:
            turn.keep_unreadable(message, str(error))
            continue
        if turn.stop_reason is not None:
            turn.release(message.receipt, delay_s=0)
            continue
        turn.held[message.receipt] = Held(
            receipt=message.receipt,
            job=job,
            receive_count=message.receive_count,
            stage=Stage.READING,
            since=turn.now,
            leased_at=turn.now,
        )
        turn.rows_to_read[message.receipt] = job.key


def _take_row(turn: Turn, receipt: str, row: ImageRow | None) -> None:
    held = turn.at(receipt, Stage.READING)
    if held is None:
        return
    superseded = standing(row, held.job.generation)
    if superseded is not None or row is None:
        turn.conclude(receipt, superseded or Superseded(reason="row_missing"))
    elif row.attempts >= turn.limits.max_attempts:
        # Attempts are recorded before a suspect is scored alone and end with its outcome: these never did.
        detail = f"{row.attempts} attempts alone ended the process"
        turn.move(receipt, Stage.SETTLING, row=row)
        turn.settle({receipt: TerminalFailure(code="crashed", detail=detail)})
    else:
        is_suspect = held.receive_count >= turn.limits.suspect_from or row.attempts > 0
        turn.move(receipt, Stage.QUEUED, row=row, is_suspect=is_suspect)


def _take_fetch(turn: Turn, event: Fetched | OriginalNeeded | FetchConcluded) -> None:
    turn.recover(Dependency.OBJECTS)
    if turn.at(event.receipt, Stage.FETCHING) is None:
        return
    match event:
        case Fetched():
            known = {"size_bytes": event.size_bytes, "bucket": event.bucket, "decode_s": event.decode_s}
            turn.move(event.receipt, Stage.READY, **known)
        case OriginalNeeded():
            turn.move(event.receipt, Stage.QUEUED, size_bytes=0, needs_original=True)
        case FetchConcluded():
            turn.settle({event.receipt: event.outcome})
        case _:
            assert_never(event)


def _take_attempt(turn: Turn, event: AttemptRecorded | AttemptRefused) -> None:
    turn.recover(Dependency.ROWS)
    held = turn.at(event.receipt, Stage.RECORDING)
    if held is None:
        return
    if isinstance(event, AttemptRefused):
        turn.conclude(event.receipt, event.outcome)
        return
    turn.move(event.receipt, Stage.RECORDING, row=event.row, has_recorded_attempt=True)
    if turn.stop_reason is None:
        turn.score((event.receipt,))
    else:
        turn.settle({event.receipt: Retry(reason="stopped", delay_s=0)})


def _take_batch(turn: Turn, event: BatchScored | BatchFailed) -> None:
    if isinstance(event, BatchScored):
        turn.recover(Dependency.ENGINE, Dependency.POLICY)
        turn.settle(
            {each: outcome for each, outcome in event.outcomes.items() if turn.at(each, Stage.SCORING)}
        )
        return
    receipts = [receipt for receipt in event.receipts if turn.at(receipt, Stage.SCORING)]
    if not event.engine_is_sound:
        turn.fail(Dependency.ENGINE)
        turn.settle(dict.fromkeys(receipts, turn.retry_after(Dependency.ENGINE)))
        return
    turn.recover(Dependency.ENGINE)
    for receipt in receipts:
        if turn.held[receipt].has_recorded_attempt:
            turn.settle({receipt: TerminalFailure(code="engine_error", detail=event.error)})
        elif turn.stop_reason is not None:
            turn.conclude(receipt, Retry(reason="stopped", delay_s=0))
        else:
            turn.move(receipt, Stage.READY, is_suspect=True)


def _step_down(turn: Turn, event: BatchTooLarge) -> None:
    """Walk one step down the ladder of memory: fewer images at once, fewer pixels, no more.

    Fewer images change nothing but time, so they are remembered for the bucket as long as the engine lives:
    its memory does not grow, and every attempt to find out would cost a pass. Fewer pixels change answers,
    so every image gets its own attempt at the usual ones. Nobody is blamed on the way: no attempt counts.
    """
    turn.recover(Dependency.ENGINE)
    receipts = [receipt for receipt in event.receipts if turn.at(receipt, Stage.SCORING)]
    for receipt in receipts:
        held = turn.held[receipt]
        fewer = turn.limits.fewer_pixels(held.pixel_budget)
        if len(event.receipts) == 1 and fewer is None:
            detail = f"one image alone is too large for {turn.limits.place}: {event.error}; {_MOVE}"
            turn.settle({receipt: TerminalFailure(code="oom", detail=detail)})
        elif turn.stop_reason is not None:
            _return(turn, held, Retry(reason="stopped", delay_s=0))
        elif len(event.receipts) == 1:
            turn.score((receipt,), pixel_budget=fewer)
        else:
            turn.micro_batches[held.bucket] = len(event.receipts) // 2
            turn.move(receipt, Stage.READY)


def _take_leases(turn: Turn, event: LeasesExtended) -> None:
    turn.recover(Dependency.QUEUE)
    for receipt in event.held:
        turn.renew(receipt)
    for receipt in event.lost:
        held = turn.held.get(receipt)
        if held is not None and held.stage not in _IN_HAND:
            turn.forget(receipt)
        else:
            turn.renew(receipt)  # in hand it is finished all the same: the head decides which writer wins


def _take_failure(turn: Turn, event: DependencyFailed) -> None:
    turn.fail(event.dependency)
    outcome = turn.retry_after(event.dependency)
    for receipt in event.receipts:
        held = turn.held.get(receipt)
        if held is not None:
            _return(turn, held, outcome)


def _stop(turn: Turn, reason: str) -> None:
    turn.stop_reason = turn.stop_reason or reason
    waiting: dict[str, Outcome] = {
        receipt: Retry(reason="stopped", delay_s=0)
        for receipt, held in turn.held.items()
        if held.stage not in _IN_HAND
    }
    for receipt, outcome in waiting.items():
        turn.conclude(receipt, outcome)


def _interrupt(turn: Turn) -> None:
    _stop(turn, "interrupted")
    outcome = Retry(reason="interrupted", delay_s=0)
    for held in [each for each in turn.held.values() if each.stage is Stage.SCORING]:
        _return(turn, held, outcome)


def _return(turn: Turn, held: Held, outcome: Retry) -> None:
    """Return a message; if an attempt was recorded for the scoring it was in, that is taken back first."""
    if held.has_recorded_attempt and held.stage is Stage.SCORING:
        turn.settle({held.receipt: outcome})
    else:
        turn.conclude(held.receipt, outcome)
