"""Leaving: SIGTERM, a Spot interruption or a scale-in, with images in every stage of the machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import pytest

from gpu_worker.drain import drain
from gpu_worker.effects import (
    DeleteMessages,
    Effect,
    ExtendLeases,
    Fetch,
    ReadRows,
    Receive,
    RecordAttempt,
    ReleaseMessages,
    Score,
    Settle,
)
from gpu_worker.events import (
    AttemptRecorded,
    BatchFailed,
    BatchScored,
    BatchTooLarge,
    Event,
    Fetched,
    LeasesExtended,
    MessagesReceived,
    RowsRead,
    Settled,
    StopRequested,
    Tick,
)
from gpu_worker.headless import run_headless
from gpu_worker.limits import Stage, WorkerLimits
from gpu_worker.membership import Departure
from gpu_worker.settings import WorkerSettings
from gpu_worker.state import State
from gpu_worker.vitals import Vitals
from gpu_worker.worker import advance
from parjanya_dagster.asg_executor.instance import FleetMember, Identity, InstanceMetadata
from parjanya_dagster.core.execution.outcome import Completed, Retry
from parjanya_dagster.core.ports import Received
from parjanya_dagster.core.truth.row import Status
from tests.builders import NOON, a_job, a_result, a_row
from tests.unit.gpu_worker.line import QUICK, Line
from tests.unit.gpu_worker.scripted_engine import ScriptedEngine, a_scorer

ROW: Final = a_row()
SPOT: Final = '{"action": "terminate", "time": "2026-03-01T12:00:00Z"}'


@dataclass
class Machine:
    """The worker's machine with one message, answered as far as a test wants."""

    receive_count: int = 1
    state: State = field(default_factory=lambda: State(limits=WorkerLimits(pixel_budgets=(4, 1))))
    asked: list[Effect] = field(default_factory=list)

    def feed(self, event: Event) -> None:
        """Advance, and note what it asks for."""
        self.state, effects = advance(self.state, event, NOON)
        self.asked += effects

    def until(self, stage: Stage) -> None:
        """Answer until the message stands there."""
        self.feed(Tick())
        body = a_job(ROW).model_dump_json()
        message = Received(body=body, receipt="r", receive_count=self.receive_count)
        answers: dict[Stage, Event] = {
            Stage.READING: RowsRead(rows={"r": ROW}),
            Stage.FETCHING: Fetched(receipt="r", size_bytes=9, bucket="b"),
            Stage.RECORDING: AttemptRecorded(receipt="r", row=replace(ROW, attempts=1)),
            Stage.SCORING: BatchScored(outcomes={"r": Completed(result=a_result())}),
        }
        self.feed(MessagesReceived(messages=(message,)))
        while (now_in := self.state.held["r"].stage) is not stage:
            self.feed(answers[now_in])
        self.asked.clear()

    def the(self, kind: type[Effect]) -> Effect:
        """Return the one effect of a kind that was asked for."""
        [found] = [effect for effect in self.asked if isinstance(effect, kind)]
        return found


RETURNED: Final = ReleaseMessages(receipts=("r",), delay_s=0)


@pytest.mark.parametrize("stage", [Stage.READING, Stage.FETCHING])
def test_message_that_nobody_works_on_yet_is_returned_at_once(stage: Stage) -> None:
    """Another worker has it within a second; the thread that still reads for it is not waited for."""
    machine = Machine()
    machine.until(stage)

    machine.feed(StopRequested(reason="spot"))

    assert machine.the(ReleaseMessages) == RETURNED
    assert machine.state.held == {}


def test_message_that_waits_for_its_micro_batch_is_returned_at_once() -> None:
    """A decoded image is no reason to stay: decoding it again costs a millisecond."""
    machine = Machine()
    machine.until(Stage.SCORING)
    state = machine.state
    waits = replace(state.held["r"], receipt="w", stage=Stage.READY)
    machine.state = replace(state, held={**state.held, "w": waits})

    machine.feed(StopRequested(reason="spot"))

    assert machine.the(ReleaseMessages) == ReleaseMessages(receipts=("w",), delay_s=0)
    assert set(machine.state.held) == {"r"}


def test_suspect_whose_attempt_is_being_recorded_is_returned_without_blame() -> None:
    """The attempt that was just written is taken back: leaving is nobody's fault."""
    machine = Machine(receive_count=2)
    machine.until(Stage.RECORDING)

    machine.feed(StopRequested(reason="spot"))
    assert machine.asked == []
    machine.feed(AttemptRecorded(receipt="r", row=replace(ROW, attempts=1)))

    settle = machine.the(Settle)
    assert isinstance(settle, Settle)
    [settlement] = settle.settlements
    assert settlement.has_recorded_attempt
    assert settlement.outcome == Retry(reason="stopped", delay_s=0)
    machine.feed(Settled(outcomes={"r": settlement.outcome}))
    assert machine.the(ReleaseMessages) == RETURNED
    assert machine.state.held == {}


@pytest.mark.parametrize("stage", [Stage.SCORING, Stage.SETTLING])
def test_message_in_hand_is_finished(stage: Stage) -> None:
    """A pass takes seconds and a notice leaves minutes: what is nearly done is not done twice."""
    machine = Machine()
    machine.until(stage)
    completed = Completed(result=a_result())

    machine.feed(StopRequested(reason="spot"))
    if stage is Stage.SCORING:
        machine.feed(BatchScored(outcomes={"r": completed}))
    machine.feed(Settled(outcomes={"r": completed}))

    assert machine.the(DeleteMessages) == DeleteMessages(receipts=("r",))
    assert machine.state.held == {}


@pytest.mark.parametrize(
    "event",
    [
        BatchFailed(receipts=("r",), error="test", engine_is_sound=True),
        BatchTooLarge(receipts=("r",), error="test"),
    ],
)
def test_pass_that_fails_after_the_notice_is_not_tried_again(event: Event) -> None:
    """There may be no time for a second one; another worker finds out."""
    machine = Machine()
    machine.until(Stage.SCORING)

    machine.feed(StopRequested(reason="spot"))
    machine.feed(event)

    assert machine.the(ReleaseMessages) == RETURNED
    assert machine.state.held == {}


@pytest.mark.parametrize("stage", [Stage.RECORDING, Stage.SCORING, Stage.SETTLING])
def test_lease_in_hand_is_renewed_after_the_notice(stage: Stage) -> None:
    """Nobody else begins what is about to be finished here."""
    machine = Machine(receive_count=2 if stage is Stage.RECORDING else 1)
    machine.until(stage)
    machine.feed(StopRequested(reason="spot"))

    late = NOON + machine.state.limits.visibility / 3
    machine.state, effects = advance(machine.state, Tick(), late)

    assert effects == (ExtendLeases(receipts=("r",)),)


@pytest.mark.parametrize("stage", [Stage.READING, Stage.FETCHING, Stage.SCORING, Stage.SETTLING])
def test_nothing_is_begun_after_the_notice(stage: Stage) -> None:
    """Whatever answers come late, and whatever frees a place."""
    machine = Machine()
    machine.until(stage)
    machine.feed(StopRequested(reason="spot"))
    late: tuple[Event, ...] = (
        RowsRead(rows={"r": ROW}),
        Fetched(receipt="r", size_bytes=9, bucket="b"),
        LeasesExtended(held=("r",), lost=()),
        BatchScored(outcomes={"r": Completed(result=a_result())}),
        Settled(outcomes={"r": Completed(result=a_result())}),
        MessagesReceived(messages=()),
        Tick(),
    )
    for event in late:
        machine.feed(event)

    begun = (Receive, ReadRows, Fetch, RecordAttempt, Score)
    assert not [effect for effect in machine.asked if isinstance(effect, begun)]
    assert machine.state.is_finished


class FakeMetadata(InstanceMetadata):
    """A metadata service that says what a test wants, from its first reading on."""

    def __init__(self, facts: Mapping[str, str]) -> None:
        self.facts = dict(facts)

    def read(self, path: str) -> str | None:
        """See `InstanceMetadata`."""
        return self.facts.get(path)


def _departure(facts: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Departure:
    monkeypatch.setattr("gpu_worker.membership.InstanceMetadata", lambda: FakeMetadata(facts))
    member = FleetMember(None, identity=Identity(instance_id="i-1", group="gpu"))  # type: ignore[arg-type]  # no call is made
    return Departure({}, member)


def _signalled(departure: Departure) -> Departure:
    departure.request("SIGTERM")
    return departure


NOTICES: Final[dict[str, tuple[dict[str, str], Callable[[Departure], Departure], str]]] = {
    "SIGTERM": ({}, _signalled, "SIGTERM"),
    "spot": ({"spot/instance-action": SPOT}, lambda departure: departure, "spot terminate"),
    "scale-in": (
        {"autoscaling/target-lifecycle-state": "Terminated"},
        lambda departure: departure,
        "scale-in",
    ),
}


@pytest.mark.parametrize("notice", sorted(NOTICES))
def test_worker_that_must_leave_before_its_first_receive_receives_nothing(
    notice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target lifecycle state and the notices are looked at before work is taken, not after."""
    facts, told, reason = NOTICES[notice]
    departure = told(_departure(facts, monkeypatch))
    line = Line()
    line.add_many(3)

    drain(
        line.platform,
        a_scorer(),
        scored_by="headless:test",
        should_stop=departure.is_due,
        deadline_s=20,
        limits=QUICK,
    )

    assert line.calls.count("queue.receive") == 0
    assert departure.reason is not None
    assert departure.reason.startswith(reason)


class Protected:
    """An instance that notes how its protection changes."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def protect(self) -> None:
        """See `Member`."""
        self.calls.append("protect")

    def unprotect(self) -> None:
        """See `Member`."""
        self.calls.append("unprotect")


def test_worker_that_is_told_to_leave_keeps_its_protection_to_the_end() -> None:
    """The group must not choose an instance that holds leases; this one ends by itself."""
    line, member, told = Line(), Protected(), list[bool]()
    line.add_many(12)

    run_headless(
        line.platform,
        a_scorer(ScriptedEngine(lambda _images: told.append(True))),
        WorkerSettings(idle_after_s=0.1, watch_every_s=0.01),
        member=member,
        instance_id="i-1",
        vitals=Vitals(line.platform, instance_id="i-1"),
        should_leave=lambda: bool(told),
        pause=lambda _s: None,
    )

    assert member.calls == ["protect"]
    depth = line.queue.depth()
    assert depth.value.in_flight == 0  # type: ignore[union-attr]  # the fake is not blind here
    assert any(row.status is Status.ENRICHED for row in line.images.rows.values())
    assert all(row.attempts == 0 for row in line.images.rows.values())
