"""Properties of the worker's machine under any order of answers, failures, time and stops."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_worker.effects import (
    DeleteMessages,
    Effect,
    Exit,
    ExtendLeases,
    Fetch,
    Forget,
    ReadRows,
    Receive,
    RecordAttempt,
    ReleaseMessages,
    Score,
    Settle,
)
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
from gpu_worker.limits import Stage, WorkerLimits
from gpu_worker.state import Held, State
from gpu_worker.worker import advance
from parjanya_dagster.core.execution.outcome import Completed, Superseded, TerminalFailure
from parjanya_dagster.core.ports import Received
from parjanya_dagster.core.truth.row import ImageRow, Status
from tests.builders import NOON, a_job, a_result, a_row

LIMITS = WorkerLimits(
    max_held=12,
    micro_batch=3,
    max_fetching=4,
    max_bytes=400,
    image_bytes=100,
    original_bytes=150,
    max_originals=2,
    pixel_budgets=(9, 4, 1),
    linger=timedelta(seconds=1),
    longest_wait=timedelta(seconds=6),
)
DURABLE = (Completed, TerminalFailure, Superseded)
Draw = Callable[[int], int]
"""Draws a number in [0, n)."""


@dataclass
class World:
    """What surrounds the machine: every effect waits here until the test lets it be answered."""

    draw: Draw
    state: State = field(default_factory=lambda: State(limits=LIMITS))
    now: datetime = NOON
    waiting: list[Effect] = field(default_factory=list)
    rows: dict[str, ImageRow] = field(default_factory=dict)
    received: set[str] = field(default_factory=set)
    durable: set[str] = field(default_factory=set)
    ended: dict[str, str] = field(default_factory=dict)
    ready_at: dict[str, datetime] = field(default_factory=dict)
    stopped: bool = False
    has_exited: bool = False

    def feed(self, event: Event) -> None:
        """Advance the machine and check what it asks for, at once."""
        self.state, effects = advance(self.state, event, self.now)
        self.ready_at |= {held.receipt: held.since for held in self._ready()}
        if isinstance(event, Fetched):
            self.ready_at.setdefault(event.receipt, self.now)
        for effect in effects:
            self._check(effect)
        self.waiting += [each for each in effects if isinstance(each, _ANSWERED)]
        assert len(self.state.held) <= LIMITS.max_held, "never more than the limit is held"
        assert self.received == set(self.ended) | set(self.state.held), "no message is lost"
        assert not set(self.ended) & set(self.state.held), "what has ended is not held"
        fetching = [held for held in self.state.held.values() if held.stage is Stage.FETCHING]
        assert len(fetching) <= LIMITS.max_fetching
        originals = [held for held in fetching if held.needs_original]
        assert len(originals) <= LIMITS.max_originals, "no original waits in memory for a decoder"
        sizes = [each.size_bytes for each in self.state.held.values() if each.size_bytes]
        assert sum(sizes) <= LIMITS.max_bytes or len(sizes) == 1, "only one alone is ever more than the limit"
        if not self.stopped:
            assert not self._forgotten_by_an_idle_engine(), "nobody waits longer than that for an idle engine"

    def _check(self, effect: Effect) -> None:
        match effect:
            case Receive():
                assert not self.stopped, "after a stop nothing is received"
                assert len(self.state.held) + effect.limit <= LIMITS.max_held
            case Score():
                self._check_batch(effect)
            case DeleteMessages(receipts=receipts):
                assert set(receipts) <= self.durable, "never deleted before a durable outcome"
                self._end(receipts, "deleted")
            case ReleaseMessages(receipts=receipts):
                self._end(receipts, "released")
            case Forget(receipts=receipts):
                self._end(receipts, "forgotten")
            case Exit():
                assert not self.has_exited, "the process is told once"
                self.has_exited = self.stopped = True
            case _:
                pass

    def _check_batch(self, score: Score) -> None:
        held = [self.state.held[each.receipt] for each in score.batch]
        (bucket,) = {each.bucket for each in held}
        assert 1 <= len(held) <= self.state.micro_batches.get(bucket, LIMITS.micro_batch)
        assert len(held) == 1 or not any(each.is_suspect for each in held), "a suspect is scored alone"
        assert score.pixel_budget is None or len(held) == 1, "fewer pixels come after fewer images"
        ready_before = min(self.ready_at[each.receipt] for each in held)
        for other in self._ready():
            if self.now - other.since >= LIMITS.longest_wait and score.pixel_budget is None:
                assert ready_before <= other.since, "none is overtaken for longer than that"

    def _ready(self) -> list[Held]:
        return [held for held in self.state.held.values() if held.stage is Stage.READY]

    def _forgotten_by_an_idle_engine(self) -> list[Held]:
        if any(held.stage in (Stage.RECORDING, Stage.SCORING) for held in self.state.held.values()):
            return []
        return [held for held in self._ready() if self.now - held.since >= LIMITS.linger]

    def _end(self, receipts: tuple[str, ...], how: str) -> None:
        for receipt in receipts:
            assert receipt not in self.ended, f"{receipt} was {self.ended.get(receipt)}, now {how}"
            self.ended[receipt] = how

    def answer(self, effect: Effect) -> Event:  # noqa: C901, PLR0911, PLR0912 -- one arm per effect
        """Return one of the events that may come of an effect."""
        fails = self.draw(5) == 0
        match effect:
            case Receive(limit=limit):
                return ReceiveFailed() if fails else self._messages(limit)
            case ReadRows(keys=keys):
                if fails:
                    return DependencyFailed(dependency=Dependency.ROWS, receipts=tuple(keys))
                return self._rows(tuple(keys))
            case Fetch():
                return self._fetched(effect, fails=fails)
            case RecordAttempt(receipt=receipt, row=row):
                if fails:
                    self.durable.add(receipt)
                    return AttemptRefused(receipt=receipt, outcome=Superseded(reason="test"))
                return AttemptRecorded(receipt=receipt, row=replace(row, attempts=row.attempts + 1))
            case Score(batch=batch):
                receipts = tuple(each.receipt for each in batch)
                if fails and self.draw(2):
                    return BatchTooLarge(receipts=receipts, error="test")
                if fails:
                    return BatchFailed(receipts=receipts, error="test", engine_is_sound=self.draw(2) == 0)
                return BatchScored(outcomes=dict.fromkeys(receipts, Completed(result=a_result())))
            case Settle(settlements=settlements):
                return self._settled({each.receipt: each.outcome for each in settlements}, fails=fails)
            case ExtendLeases(receipts=receipts):
                if fails:
                    return DependencyFailed(dependency=Dependency.QUEUE, receipts=())
                cut = self.draw(len(receipts) + 1)
                return LeasesExtended(held=receipts[cut:], lost=receipts[:cut])
            case _:
                raise AssertionError(f"nobody answers {effect}")

    def _messages(self, limit: int) -> MessagesReceived:
        messages = []
        for _ in range(self.draw(limit + 1)):
            number = len(self.received) + 1
            receipt = f"r{number}"
            row = a_row(number, attempts=self.draw(4))
            self.rows[receipt] = row
            self.received.add(receipt)
            body = "not a job" if self.draw(8) == 0 else a_job(row).model_dump_json()
            messages.append(Received(body=body, receipt=receipt, receive_count=1 + self.draw(2)))
        return MessagesReceived(messages=tuple(messages))

    def _rows(self, receipts: tuple[str, ...]) -> RowsRead:
        rows: dict[str, ImageRow | None] = {}
        for receipt in receipts:
            kinds = (self.rows[receipt], None, replace(self.rows[receipt], status=Status.ENRICHED))
            rows[receipt] = kinds[min(self.draw(8), 2) if self.draw(4) == 0 else 0]
            if rows[receipt] != self.rows[receipt]:
                self.durable.add(receipt)
        return RowsRead(rows=rows)

    def _fetched(self, fetch: Fetch, *, fails: bool) -> Event:
        receipt = fetch.receipt
        if not fails:
            return Fetched(receipt=receipt, size_bytes=1 + self.draw(100), bucket="abc"[self.draw(3)])
        if not fetch.from_original and self.draw(2):
            return OriginalNeeded(receipt=receipt)
        if self.draw(2):
            return DependencyFailed(dependency=Dependency.OBJECTS, receipts=(receipt,))
        return FetchConcluded(receipt=receipt, outcome=TerminalFailure(code="test", detail="test"))

    def _settled(self, outcomes: dict, *, fails: bool) -> Event:  # type: ignore[type-arg]  # outcomes of any kind
        if fails:
            return DependencyFailed(dependency=Dependency.ROWS, receipts=tuple(outcomes))
        self.durable |= {each for each, outcome in outcomes.items() if isinstance(outcome, DURABLE)}
        return Settled(outcomes=outcomes)


_ANSWERED = (Receive, ReadRows, Fetch, RecordAttempt, Score, Settle, ExtendLeases)


_PAUSES_S = (*[0.2] * 8, 5, 5, 61, 125)


def _run(data: st.DataObject, steps: int) -> World:
    world = World(draw=lambda n: data.draw(st.integers(0, n - 1)))
    world.feed(Tick())
    for _ in range(steps):
        if world.waiting and world.draw(4):
            world.feed(world.answer(world.waiting.pop(world.draw(len(world.waiting)))))
        elif world.draw(60) == 37:
            world.stopped = True
            world.feed(StopRequested(reason="test"))
        elif world.draw(120) == 37:
            world.stopped = True
            world.waiting = [each for each in world.waiting if not isinstance(each, Score)]
            world.feed(Interrupted())
        else:
            world.now += timedelta(seconds=_PAUSES_S[world.draw(len(_PAUSES_S))])
            world.feed(Tick())
    return world


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_message_ends_once_or_is_still_held_and_no_limit_is_passed(data: st.DataObject) -> None:
    """Deleted only after a durable outcome, never lost, within limits, nothing received after a stop."""
    _run(data, steps=80)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_stopped_machine_when_everything_is_answered_holds_nothing(data: st.DataObject) -> None:
    """A stop always ends: once the threads have answered, every message was finished or returned."""
    world = _run(data, steps=40)
    world.stopped = True
    world.feed(StopRequested(reason="test"))
    while world.waiting:
        world.feed(world.answer(world.waiting.pop()))

    assert world.state.is_finished
    assert set(world.ended) == world.received


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_running_machine_when_nothing_fails_deletes_every_message(data: st.DataObject) -> None:
    """Liveness: without faults, what is received is scored and deleted, whatever order answers come in."""
    world = World(draw=lambda n: data.draw(st.integers(0, n - 1)))
    backlog = [a_row(number) for number in range(1, 31)]
    world.feed(Tick())
    for _ in range(600):
        world.now += timedelta(milliseconds=200)
        world.feed(Tick())
        if not world.waiting:
            continue
        effect = world.waiting.pop(data.draw(st.integers(0, len(world.waiting) - 1)))
        world.feed(_faultless(world, effect, backlog))
        if not backlog and not world.state.held:
            break

    assert set(world.ended.values()) == {"deleted"}
    assert len(world.ended) == 30


def _faultless(world: World, effect: Effect, backlog: list[ImageRow]) -> Event:
    if isinstance(effect, Receive):
        taken, backlog[:] = backlog[: effect.limit], backlog[effect.limit :]
        for row in taken:
            world.rows[str(row.key)] = row
            world.received.add(str(row.key))
        return MessagesReceived(
            messages=tuple(
                Received(body=a_job(row).model_dump_json(), receipt=str(row.key), receive_count=1)
                for row in taken
            )
        )
    if isinstance(effect, ReadRows):
        return RowsRead(rows={receipt: world.rows[receipt] for receipt in effect.keys})
    if isinstance(effect, Fetch):
        return Fetched(receipt=effect.receipt, size_bytes=80, bucket="ab"[world.draw(2)])
    world.draw = lambda n: n - 1
    return world.answer(effect)
