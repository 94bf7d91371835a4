"""Out of memory: fewer images at once, then fewer pixels, then a failure that says where to go."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from gpu_worker.drain import DrainReport, drain
from gpu_worker.effects import Effect, Score, Settle
from gpu_worker.engines.engine import EngineOutOfMemoryError, ScorableImage
from gpu_worker.events import (
    AttemptRecorded,
    BatchTooLarge,
    Event,
    Fetched,
    MessagesReceived,
    RowsRead,
    StopRequested,
    Tick,
)
from gpu_worker.limits import Stage, WorkerLimits
from gpu_worker.prompts.pack import PromptPack
from gpu_worker.score import Scorer
from gpu_worker.state import State
from gpu_worker.worker import advance
from parjanya_dagster.core.execution.outcome import Retry, TerminalFailure
from parjanya_dagster.core.ports import Received
from parjanya_dagster.core.truth.answers import Answers
from parjanya_dagster.core.truth.row import Status
from tests.builders import NOON, a_job, a_row
from tests.unit.gpu_worker.line import QUICK, Line
from tests.unit.gpu_worker.scripted_engine import ScriptedEngine, a_scorer

LARGE = 77
"""Pixels of this value take as much memory as there is."""
BUDGETS = (2048, 512, 128)


class Cramped(ScriptedEngine):
    """Has room for so many images at once, and for a large one only alone and with few pixels."""

    pixel_budgets = BUDGETS

    def __init__(self, *, most: int, large_fits: int = 0) -> None:
        super().__init__()
        self.passes: list[tuple[int, int | None]] = []
        self._most = most
        self._large_fits = large_fits

    def answer(
        self, images: Sequence[ScorableImage], pack: PromptPack, *, pixel_budget: int | None = None
    ) -> list[Answers]:
        """See `Engine`."""
        self.passes.append((len(images), pixel_budget))
        is_large = any(image.pixels.flat[0] == LARGE for image in images)
        if len(images) > self._most or (is_large and (pixel_budget or BUDGETS[0]) > self._large_fits):
            raise EngineOutOfMemoryError("no room")
        return super().answer(images, pack, pixel_budget=pixel_budget)


def drained(line: Line, scorer: Scorer, **limits: object) -> DrainReport:
    """Drain what the queue holds."""
    return drain(
        line.platform,
        scorer,
        scored_by="headless:test",
        until=lambda: not line.queue.jobs,
        deadline_s=20,
        limits=replace(QUICK, **limits),  # type: ignore[arg-type]  # any field
    )


def test_batch_without_room_is_halved_and_nobody_blamed() -> None:
    """Fewer images at once change nothing but time: no attempt, no suspect, the usual fingerprint."""
    line, engine = Line(), Cramped(most=1)
    line.add_many(4)
    scorer = a_scorer(engine)

    report = drained(line, scorer)

    assert report.outcomes == {"completed": 4}
    assert all(row.attempts == 0 for row in line.images.rows.values())
    fingerprints = {line.images.results(key)[0].fingerprint for key in line.images.rows}
    assert fingerprints == {engine.fingerprint(scorer.pack)}
    assert {budget for _, budget in engine.passes} == {None}


def test_bucket_without_room_stays_small_as_long_as_the_engine_lives() -> None:
    """The next drain of the process doesn't pay for the same discovery again."""
    line, engine = Line(), Cramped(most=2)
    line.add_many(4)
    scorer = a_scorer(engine)
    drained(line, scorer, linger=timedelta(seconds=5))
    engine.passes.clear()
    for number in range(5, 9):
        line.add(number)

    report = drained(line, scorer)

    assert report.outcomes == {"completed": 4}
    assert max(images for images, _ in engine.passes) <= 2
    assert scorer.micro_batches == {"32x64": 2}


def test_image_too_large_alone_is_scored_with_fewer_pixels_and_its_result_says_so() -> None:
    """Its answers are not comparable with others', and carry another fingerprint."""
    line, engine = Line(), Cramped(most=4, large_fits=512)
    small, large = line.add(1), line.add(2, level=LARGE)
    scorer = a_scorer(engine)

    report = drained(line, scorer)

    assert report.outcomes == {"completed": 2}
    (usual,), (fewer,) = (line.images.results(row.key) for row in (small, large))
    assert usual.fingerprint == engine.fingerprint(scorer.pack)
    assert fewer.fingerprint == engine.fingerprint(scorer.pack, pixel_budget=512)


def test_image_that_no_budget_fits_fails_and_names_the_way_out() -> None:
    """A person reads where it failed, and the command that moves it to a larger machine."""
    line, engine = Line(), Cramped(most=4)
    line.add(1)
    large = line.add(2, level=LARGE)

    report = drained(line, a_scorer(engine))

    assert report.outcomes == {"completed": 1, "terminal_failure": 1}
    row = line.row(large.key)
    assert row.status is Status.VLM_FAILED
    assert row.last_error is not None
    assert row.last_error.startswith("oom: one image alone is too large for fleet default: ")
    assert "`parjanya replay --failed oom --fleet NAME`" in row.last_error
    assert (1, BUDGETS[1]) in engine.passes
    assert (1, BUDGETS[2]) in engine.passes


def test_engine_without_room_for_anything_is_broken_and_blames_no_image() -> None:
    """Its probe is a small plain image: what has no room for that has lost its memory to somebody else."""
    line, engine = Line(), Cramped(most=0)
    line.add_many(3)
    ends: list[str] = []

    drain(
        line.platform,
        a_scorer(engine),
        scored_by="headless:test",
        until=lambda: bool(ends),
        deadline_s=20,
        limits=replace(QUICK, first_backoff=timedelta(milliseconds=10)),
        exit_process=ends.append,
    )

    assert ends == ["the engine failed 3 times in a row"]
    assert line.all_are(Status.PENDING_VLM_ENRICHMENT)
    assert all(row.attempts == 0 for row in line.images.rows.values())


class Machine:
    """The worker's machine with one suspect in the engine, its attempt recorded."""

    def __init__(self, budgets: tuple[int, ...]) -> None:
        self.state = State(limits=WorkerLimits(pixel_budgets=budgets))
        row = a_row()
        self.feed(Tick())
        body = a_job(row).model_dump_json()
        self.feed(MessagesReceived(messages=(Received(body=body, receipt="r", receive_count=2),)))
        self.feed(RowsRead(rows={"r": row}))
        self.feed(Fetched(receipt="r", size_bytes=100, bucket="b"))
        effects = self.feed(AttemptRecorded(receipt="r", row=replace(row, attempts=1)))
        assert [each for each in effects if isinstance(each, Score)]

    def feed(self, event: Event) -> tuple[Effect, ...]:
        """Advance; return what it asks for."""
        self.state, effects = advance(self.state, event, NOON)
        return effects

    def outgrow(self) -> list[Score | Settle]:
        """Say that the engine had no room; return what comes of that."""
        effects = self.feed(BatchTooLarge(receipts=("r",), error="no room"))
        return [each for each in effects if isinstance(each, Score | Settle)]


def test_suspect_without_room_walks_the_same_ladder() -> None:
    """Memory says nothing about whether it breaks the engine: its recorded attempt goes on."""
    machine = Machine(BUDGETS)

    first, second = machine.outgrow(), machine.outgrow()

    assert [each.pixel_budget for each in first + second if isinstance(each, Score)] == [512, 128]
    (last,) = machine.outgrow()
    assert isinstance(last, Settle)
    assert isinstance(last.settlements[0].outcome, TerminalFailure)
    assert last.settlements[0].has_recorded_attempt


def test_engine_without_budgets_has_no_second_step() -> None:
    """One that cannot do with fewer pixels is not asked to."""
    (settle,) = Machine(()).outgrow()

    assert isinstance(settle, Settle)
    assert isinstance(settle.settlements[0].outcome, TerminalFailure)


def test_suspect_without_room_after_a_stop_is_returned_and_its_attempt_taken_back() -> None:
    """A stop never becomes poison."""
    machine = Machine(BUDGETS)
    machine.feed(StopRequested(reason="test"))

    (settle,) = machine.outgrow()

    assert isinstance(settle, Settle)
    assert settle.settlements[0].outcome == Retry(reason="stopped", delay_s=0)
    assert settle.settlements[0].has_recorded_attempt


@pytest.mark.parametrize(("images", "left"), [(8, 4), (5, 2), (3, 1), (2, 1)])
def test_micro_batch_without_room_is_remembered_by_bucket(images: int, left: int) -> None:
    """Half of what was too many; another bucket keeps its own size."""
    state = State(limits=WorkerLimits(linger=timedelta(0)))
    rows = {f"r{number}": a_row(number) for number in range(1, images + 1)}
    messages = [
        Received(body=a_job(row).model_dump_json(), receipt=receipt, receive_count=1)
        for receipt, row in rows.items()
    ]
    state, _ = advance(state, Tick(), NOON)
    state, _ = advance(state, MessagesReceived(messages=tuple(messages)), NOON)
    state, _ = advance(state, RowsRead(rows=rows), NOON)
    for receipt in rows:
        state = replace(
            state, held={**state.held, receipt: replace(state.held[receipt], stage=Stage.SCORING, bucket="b")}
        )

    state, effects = advance(state, BatchTooLarge(receipts=tuple(rows), error="no room"), NOON)

    assert state.micro_batches == {"b": left}
    (score,) = [each for each in effects if isinstance(each, Score)]
    assert [each.receipt for each in score.batch] == list(rows)[:left]
    assert not any(held.is_suspect for held in state.held.values())
