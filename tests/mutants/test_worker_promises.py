"""Promises of the worker that mutants asked for and no other test held."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from gpu_worker import main
from gpu_worker.effects import Effect, Exit, ExtendLeases, ReleaseMessages, Score, Settle
from gpu_worker.events import (
    BatchFailed,
    Dependency,
    DependencyFailed,
    Event,
    Fetched,
    MessagesReceived,
    RowsRead,
    StopRequested,
    Tick,
)
from gpu_worker.limits import WorkerLimits
from gpu_worker.membership import await_service
from gpu_worker.perform import Performer
from gpu_worker.state import State
from gpu_worker.vitals import Vitals
from gpu_worker.worker import advance
from parjanya_dagster.asg_executor.boot_hook import BootHook
from parjanya_dagster.asg_executor.instance import FleetMember, Identity
from parjanya_dagster.control.capacity import newest_boots
from parjanya_dagster.core.belief.boot import BootStage
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.execution.outcome import Retry
from parjanya_dagster.core.ports import Received
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import NOON, a_job, a_row
from tests.mutants.patches import Constant, mutated

LIMITS = WorkerLimits(max_held=12, micro_batch=4)


class Machine:
    """The worker's machine on a clock of its own."""

    def __init__(self) -> None:
        self.state = State(limits=LIMITS)
        self.now = NOON

    def feed(self, event: Event) -> tuple[Effect, ...]:
        """Advance; return what it asks for."""
        self.state, effects = advance(self.state, event, self.now)
        return effects

    def scoring_one(self) -> None:
        """Receive one message, and come as far as the engine."""
        row = a_row()
        self.feed(Tick())
        body = a_job(row).model_dump_json()
        self.feed(MessagesReceived(messages=(Received(body=body, receipt="r1", receive_count=1),)))
        self.feed(RowsRead(rows={"r1": row}))
        effects = self.feed(Fetched(receipt="r1", size_bytes=100, bucket="any"))
        assert [effect for effect in effects if isinstance(effect, Score)]

    def ticks(self, *, every: timedelta, times: int) -> list[list[Effect]]:
        """Let time pass in ticks; return the effects of each."""
        seen = []
        for _ in range(times):
            self.now += every
            seen.append(list(self.feed(Tick())))
        return seen


def test_lease_is_renewed_every_third_of_the_visibility_timeout() -> None:
    """Celery issue 5935: what takes longer than the timeout is not handed to a second worker."""
    machine = Machine()
    machine.scoring_one()

    effects = machine.ticks(every=LIMITS.visibility / 3, times=1)[0]

    assert ExtendLeases(receipts=("r1",)) in effects


def test_worker_that_hangs_ends_instead_of_renewing() -> None:
    """A lease is renewed only while the image meets its stage's deadline."""
    machine = Machine()
    machine.scoring_one()

    effects = machine.ticks(every=timedelta(seconds=121), times=1)[0]

    assert [type(effect) for effect in effects] == [Exit]


def test_lease_is_renewed_for_one_visibility_timeout_and_no_more() -> None:
    """Ray issue 59522: a dead worker costs at most one lease."""
    world = a_fake_platform()
    platform = world.platform()
    world.queue.send([a_job()])
    [message] = world.queue.receive(limit=1, wait_s=0)
    performer = Performer(
        platform,
        scored_by="headless:i-1",
        bucket_of=lambda _image: "any",
        launch=lambda _effect, perform: perform(),
        feed=lambda _event: None,
        is_held=lambda _receipt: True,
        on_defect=_raised,
    )

    performer.start(ExtendLeases(receipts=(message.receipt,)))

    at = world.queue.next_visible_at
    assert at is not None
    assert at - world.clock() <= platform.limits.visibility


def test_worker_receives_nothing_while_truth_does_not_answer() -> None:
    """An outage of Truth must not turn the queue into dead letters, one delivery at a time."""
    machine = Machine()
    machine.feed(Tick())
    body = a_job().model_dump_json()
    machine.feed(MessagesReceived(messages=(Received(body=body, receipt="r1", receive_count=1),)))
    machine.feed(MessagesReceived(messages=()))
    machine.feed(DependencyFailed(dependency=Dependency.ROWS, receipts=("r1",), detail="503"))

    [effects] = machine.ticks(every=2 * LIMITS.receive_pause, times=1)

    assert LIMITS.first_backoff > 2 * LIMITS.receive_pause
    assert effects == []


def test_worker_that_must_leave_returns_what_it_holds_at_once() -> None:
    """A notice costs nobody a visibility timeout: what was not begun is visible for others."""
    machine = Machine()
    machine.feed(Tick())
    body = a_job().model_dump_json()
    machine.feed(MessagesReceived(messages=(Received(body=body, receipt="r1", receive_count=1),)))

    effects = machine.feed(StopRequested(reason="spot interruption"))

    assert ReleaseMessages(receipts=("r1",), delay_s=0) in effects


def test_engine_that_answers_nothing_blames_no_image() -> None:
    """A batch that failed with an engine that answers nobody says nothing about its images."""
    machine = Machine()
    machine.scoring_one()

    effects = machine.feed(BatchFailed(receipts=("r1",), error="CUDA error", engine_is_sound=False))

    [settle] = [effect for effect in effects if isinstance(effect, Settle)]
    assert [type(each.outcome) for each in settle.settlements] == [Retry]


class WarmedThenInService(FleetMember):
    """An instance that is warmed at first; notes what the worker had said by then."""

    def __init__(self, said: Callable[[], list[BootStage]]) -> None:
        self.identity = Identity(instance_id="i-1", group="g")
        self._said = said
        self.seen: list[list[BootStage]] = []

    def lifecycle_state(self) -> str:
        """See `FleetMember`."""
        self.seen.append(self._said())
        return "Warmed:Running" if len(self.seen) < 4 else "InService"


def test_worker_waits_while_its_instance_only_fills_the_pool() -> None:
    """Buildkite issue 838: whoever polls while it is being warmed is stopped with work in hand."""
    platform = a_fake_platform().platform()
    vitals = Vitals(platform, instance_id="i-1")
    member = WarmedThenInService(lambda: [boot.stage for boot in newest_boots(platform)])

    await_service(BootHook(member, name="boot"), vitals, should_leave=lambda: False, pause=lambda _s: None)
    vitals.end()

    assert len(member.seen) == 4
    assert [BootStage.READY] not in member.seen
    assert [boot.stage for boot in newest_boots(platform)] == [BootStage.READY]


def test_boot_that_fails_says_in_which_stage_and_why() -> None:
    """Incident 6b: a boot that cannot verify its model is on record before any log exists."""
    platform = a_fake_platform().platform()
    vitals = Vitals(platform, instance_id="i-1")

    def boot_with_a_wrong_file() -> None:
        with vitals.booting():
            vitals.reach(BootStage.VERIFYING)
            raise ConfigError("model-00002.safetensors: sha256 differs from the manifest")

    with pytest.raises(ConfigError):
        boot_with_a_wrong_file()

    [boot] = newest_boots(platform)
    assert (boot.stage, boot.error) == (
        BootStage.VERIFYING,
        "model-00002.safetensors: sha256 differs from the manifest",
    )


def test_worker_without_its_model_is_never_ready_and_receives_nothing() -> None:
    """Incident 6b: what cannot load does not report ready, and takes no work."""
    world = a_fake_platform()
    world.queue.send([a_job()])
    said: list[BootStage] = []

    class Member(FleetMember):
        identity = Identity(instance_id="i-1", group=None)

        def __init__(self) -> None:
            """It belongs to no group, so that nobody waits for its boot."""

        def template_version(self) -> None:
            """See `FleetMember`."""

    class Own:
        pack = "house-1"

    class NotedVitals(Vitals):
        def reach(self, stage: BootStage) -> None:
            said.append(stage)
            super().reach(stage)

        def start(self) -> None:
            """It is not to live on when the test has ended."""

    def no_model(*_arguments: object, **_options: object) -> None:
        raise ConfigError("the model's files are missing")

    with (
        _signals_kept(),
        mutated(
            Constant(where="gpu_worker.main:configure_logging", value=lambda **_context: None),
            Constant(where="gpu_worker.main:load_worker_settings", value=Own),
            Constant(where="gpu_worker.main:member_from_environment", value=lambda _region: Member()),
            Constant(where="gpu_worker.main:platform_from", value=lambda *_a, **_o: world.platform()),
            Constant(where="gpu_worker.main:Vitals", value=NotedVitals),
            Constant(where="gpu_worker.main:booted_scorer", value=no_model),
        ),
        pytest.raises(ConfigError, match="missing"),
    ):
        main._headless()

    assert BootStage.READY not in said
    assert [boot.error for boot in newest_boots(world.platform())] == ["the model's files are missing"]
    assert world.calls.count("queue.receive") == 0


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Put back what handled the signals before the block."""
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)


def _raised(error: BaseException) -> None:
    raise error
