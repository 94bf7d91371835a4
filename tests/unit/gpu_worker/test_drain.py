"""The drain with its threads, over fakes: what every message and every row ends as."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from gpu_worker.drain import DrainReport, drain
from gpu_worker.engines.engine import ScorableImage
from gpu_worker.limits import Stage
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.truth.row import Status
from tests.unit.gpu_worker.line import QUICK, Line
from tests.unit.gpu_worker.scripted_engine import POISON, ScriptedEngine, a_scorer

BY = "headless:test"


def _drained(line: Line, engine: ScriptedEngine | None = None) -> DrainReport:
    return drain(
        line.platform,
        a_scorer(engine),
        scored_by=BY,
        until=lambda: not line.queue.jobs,
        deadline_s=20,
        limits=QUICK,
    )


def test_backlog_when_drained_is_decided_and_the_queue_empty() -> None:
    """Every image gets a verdict, one named result each, and every message is deleted."""
    line = Line()
    line.add_many(30)

    report = _drained(line)

    assert line.all_are(Status.ENRICHED)
    assert line.queue.jobs == []
    assert report.outcomes == {"completed": 30}
    assert len(set(report.settled)) == 30
    for key, row in line.images.rows.items():
        (result,) = line.images.results(key)
        assert (row.result_id, row.decision) == (result.result_id, result.decision)
        assert row.scored_by == BY
        assert row.intent_at is None


def test_poisoned_image_when_in_a_batch_fails_alone() -> None:
    """Only faults of the image count: its batch mates are scored, itself is a terminal failure."""
    line = Line()
    line.add_many(6)
    poisoned = line.add(7, level=POISON)

    report = _drained(line)

    row = line.row(poisoned.key)
    assert row.status is Status.VLM_FAILED
    assert row.last_error is not None
    assert row.last_error.startswith("engine_error: RuntimeError('poisoned')")
    assert report.outcomes == {"completed": 6, "terminal_failure": 1}
    assert line.queue.jobs == []


def test_engine_when_it_answers_nothing_at_all_blames_no_image() -> None:
    """A broken engine ends the process after three tries; rows stay pending and messages stay queued."""
    line = Line()
    line.add_many(3)
    ends: list[str] = []

    def broken(_images: Sequence[ScorableImage]) -> None:
        raise RuntimeError("no CUDA device")

    quick = replace(QUICK, first_backoff=timedelta(milliseconds=10))
    drain(
        line.platform,
        a_scorer(ScriptedEngine(broken)),
        scored_by=BY,
        until=lambda: bool(ends),
        deadline_s=20,
        limits=quick,
        exit_process=ends.append,
    )

    assert ends == ["the engine failed 3 times in a row"]
    assert line.all_are(Status.PENDING_VLM_ENRICHMENT)
    assert len(line.queue.jobs) == 3
    assert all(row.attempts == 0 for row in line.images.rows.values())


def test_job_when_its_row_is_decided_costs_one_read() -> None:
    """A duplicate is deleted without fetching anything."""
    line = Line()
    row = line.add(1)
    line.images.add(replace(row, status=Status.ENRICHED, intent_at=None))

    report = _drained(line)

    assert report.outcomes == {"superseded": 1}
    assert line.queue.jobs == []
    assert line.calls.count("objects.get") == 0


def test_message_when_it_is_no_job_is_kept_for_the_dead_letters() -> None:
    """What cannot be read is not deleted: somebody must see it."""
    line = Line()
    line.queue.put_body("{}")

    report = drain(line.platform, a_scorer(), scored_by=BY, idle_after_s=0.2, deadline_s=20, limits=QUICK)

    assert report.outcomes == {"retry": 1}
    depth = line.queue.depth()
    assert depth.value.in_flight == 1  # type: ignore[union-attr]  # the fake is not blind here


def test_suspect_when_it_ended_the_process_twice_is_named() -> None:
    """An image whose attempts alone never concluded is what crashes us: it is not tried a third time."""
    line = Line()
    row = line.add(1, attempts=2)

    _drained(line)

    after = line.row(row.key)
    assert after.status is Status.VLM_FAILED
    assert after.last_error == "crashed: 2 attempts alone ended the process"


@pytest.mark.parametrize(
    "call",
    [
        "queue.receive",
        "queue.delete",
        "images.get_many",
        "images.facts",
        "objects.get",
        "images.put_result",
        "images.write",
        "control.published_policy",
    ],
)
def test_dependency_when_it_fails_for_a_while_costs_nobody_a_verdict(call: str) -> None:
    """A worker whose dependency fails stops receiving, returns what it holds and resumes."""
    line = Line()
    line.add_many(4)
    line.calls.fail(call, UnavailableError("throttled"), times=3)

    report = drain(
        line.platform,
        a_scorer(),
        scored_by=BY,
        until=lambda: line.all_are(Status.ENRICHED),
        deadline_s=20,
        limits=replace(QUICK, first_backoff=timedelta(milliseconds=10)),
    )

    assert line.all_are(Status.ENRICHED)
    assert report.outcomes["completed"] == 4
    assert all(row.attempts == 0 for row in line.images.rows.values())


def test_interrupt_when_it_comes_in_the_engine_returns_what_is_held() -> None:
    """An interrupted Dagster step leaves every message visible at once, and no attempt on any head."""
    line = Line()
    line.add_many(10)

    def interrupted(_images: Sequence[ScorableImage]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _drained(line, ScriptedEngine(interrupted))

    depth = line.queue.depth()
    assert depth.value.visible == 10  # type: ignore[union-attr]  # the fake is not blind here
    assert line.all_are(Status.PENDING_VLM_ENRICHMENT)


def test_stop_when_asked_for_finishes_the_batch_and_returns_the_rest() -> None:
    """After a stop nothing is received; what the engine has is finished, the rest is visible at once."""
    line = Line()
    line.add_many(12)
    asked: list[bool] = []
    engine = ScriptedEngine(lambda _images: asked.append(True))

    report = drain(
        line.platform,
        a_scorer(engine),
        scored_by=BY,
        should_stop=lambda: bool(asked),
        deadline_s=20,
        limits=QUICK,
    )

    assert report.stop_reason == "asked"
    assert 1 <= report.outcomes["completed"] < 12
    depth = line.queue.depth()
    assert depth.value.visible == 12 - report.outcomes["completed"]  # type: ignore[union-attr]  # not blind
    assert depth.value.in_flight == 0  # type: ignore[union-attr]  # not blind


def test_lease_when_the_engine_is_slow_is_renewed() -> None:
    """A batch longer than the visibility timeout is not delivered a second time."""
    line = Line(visibility_s=1)
    line.add(1)
    platform = replace(
        line.platform,
        limits=replace(
            line.platform.limits,
            visibility=timedelta(seconds=1),
            longest_micro_batch=timedelta(milliseconds=400),
        ),
    )
    seen: list[int] = []

    def slow(_images: Sequence[ScorableImage]) -> None:
        while line.calls.count("queue.extend") < 4:
            seen.append(len(line.queue.receive(limit=10, wait_s=0)))
            time.sleep(0.01)

    drain(
        platform,
        a_scorer(ScriptedEngine(slow)),
        scored_by=BY,
        until=lambda: not line.queue.jobs,
        deadline_s=20,
        limits=replace(QUICK, visibility=timedelta(seconds=1)),
    )

    assert set(seen) == {0}
    assert line.all_are(Status.ENRICHED)


def test_stage_when_overdue_ends_the_process_instead_of_renewing_for_ever() -> None:
    """A hanging engine must not hide its images: the lease is not renewed past the stage's deadline."""
    line = Line()
    line.add(1)
    ends: list[str] = []

    def hangs(_images: Sequence[ScorableImage]) -> None:
        while not ends:
            time.sleep(0.01)

    limits = replace(QUICK, stage_deadlines={**QUICK.stage_deadlines, Stage.SCORING: timedelta(seconds=0.3)})
    drain(
        line.platform,
        a_scorer(ScriptedEngine(hangs)),
        scored_by=BY,
        until=lambda: bool(ends),
        deadline_s=20,
        limits=limits,
        exit_process=ends.append,
    )

    assert len(ends) == 1
    assert ends[0].endswith("is overdue in stage 'scoring'")


def test_defect_when_raised_in_a_thread_ends_the_drain_with_it() -> None:
    """A thread's exception is not swallowed: the step fails by it, and messages are not lost."""
    line = Line()
    line.add_many(2)
    line.calls.fail("images.get_many", ValueError("a defect"))

    with pytest.raises(ValueError, match="a defect"):
        _drained(line)

    assert len(line.queue.jobs) == 2


def test_progress_when_draining_ends_with_the_final_report() -> None:
    """A step can show how far it is, and what it came to."""
    line = Line()
    line.add_many(3)
    told: list[DrainReport] = []

    report = drain(
        line.platform,
        a_scorer(),
        scored_by=BY,
        until=lambda: not line.queue.jobs,
        deadline_s=20,
        progress=told.append,
        limits=QUICK,
    )

    assert told[-1] == report
    assert report.images_per_s > 0


def test_image_that_the_engine_cannot_place_costs_itself() -> None:
    """What the engine says of one image's size must not end the drain of the others."""

    class Choosy(ScriptedEngine):
        def bucket_of(self, image: ScorableImage) -> str:
            if image.pixels.flat[0] == POISON:
                raise ValueError("no such grid")
            return super().bucket_of(image)

    line = Line()
    line.add_many(3)
    line.add(4, level=POISON)

    report = _drained(line, Choosy())

    assert report.outcomes == {"completed": 3, "terminal_failure": 1}
