"""The headless worker and the work between steps: when they drain, watch, and offer the instance up."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from gpu_worker.background import BetweenSteps
from gpu_worker.headless import run_headless, work_is_visible
from gpu_worker.settings import WorkerSettings
from gpu_worker.vitals import Vitals
from parjanya_dagster.asg_executor.errors import DeniedError, UnavailableError
from parjanya_dagster.core.errors import UnavailableError as TruthUnavailableError
from parjanya_dagster.core.truth.row import Status
from tests.unit.gpu_worker.line import Line, utc_now
from tests.unit.gpu_worker.scripted_engine import a_scorer

QUICK = WorkerSettings(idle_after_s=0.1, watch_every_s=0.01, pause_after_s=0.1)


@dataclass
class FakeMember:
    """An instance that notes what was asked of its group, and how much was in flight then."""

    line: Line
    error: Exception | None = None
    deaf_for: int = 0
    calls: list[str] = field(default_factory=list)

    def protect(self) -> None:
        """See `Member`."""
        self.calls.append("protect")
        if self.error:
            raise self.error

    def unprotect(self) -> None:
        """See `Member`."""
        depth = self.line.queue.depth()
        self.calls.append(f"unprotect with {depth.value.in_flight} in flight")  # type: ignore[union-attr]  # the fake is not blind
        if self.deaf_for:
            self.deaf_for -= 1
            raise UnavailableError("giving protection up", "the group does not answer")


def _run(line: Line, member: FakeMember, *, more_work: int = 0, pauses: int = 0) -> None:
    """Run until the worker has watched an empty queue, feeding `more_work` images once it watches."""
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) <= more_work:
            line.add(100 + len(looks))

    run_headless(
        line.platform,
        a_scorer(),
        QUICK,
        member=member,
        instance_id="i-1",
        vitals=Vitals(line.platform, instance_id="i-1"),
        should_leave=lambda: len(looks) > max(more_work, pauses) and not line.queue.jobs,
        pause=pause,
    )


def test_headless_worker_when_idle_offers_its_instance_holding_nothing() -> None:
    """Protection is given up only after it stopped receiving and is idle."""
    line = Line()
    line.add_many(3)
    member = FakeMember(line)

    _run(line, member)

    assert member.calls == ["protect", "unprotect with 0 in flight"]
    assert line.all_are(Status.ENRICHED)


def test_headless_worker_when_its_group_does_not_hear_it_offers_its_instance_again() -> None:
    """An offer that was lost is repeated: an idle instance that stays protected is paid for ever."""
    line = Line()
    member = FakeMember(line, deaf_for=2)

    _run(line, member, pauses=3)

    assert member.calls.count("unprotect with 0 in flight") == 3


def test_headless_worker_when_work_comes_protects_itself_before_it_receives() -> None:
    """The group can never choose an instance that holds work."""
    line = Line()
    member = FakeMember(line)

    _run(line, member, more_work=1)

    assert member.calls[:3] == ["protect", "unprotect with 0 in flight", "protect"]
    assert line.all_are(Status.ENRICHED)


def test_headless_worker_when_its_instance_is_terminating_receives_nothing() -> None:
    """A refused protection means that the group has begun to terminate it."""
    line = Line()
    line.add(1)
    member = FakeMember(line, error=DeniedError("autoscaling:SetInstanceProtection", "Terminating:Wait"))

    _run(line, member)

    assert line.calls.count("queue.receive") == 0


def test_headless_worker_when_the_group_is_silent_works_all_the_same() -> None:
    """An unreadable group is no reason to leave images waiting."""
    line = Line()
    line.add(1)
    member = FakeMember(line, error=UnavailableError("autoscaling:SetInstanceProtection", "timeout"))

    _run(line, member)

    assert line.all_are(Status.ENRICHED)


@dataclass
class ScriptedService:
    """A service that is entered as often as a test says, and ends at each second look."""

    entries: int
    looks: int = 0
    calls: list[str] = field(default_factory=list)

    def enter(self) -> bool:
        """See `Service`."""
        self.calls.append("enter")
        return self.calls.count("enter") <= self.entries

    def has_ended(self) -> bool:
        """See `Service`."""
        self.looks += 1
        return self.looks % 2 == 0


def _serve(line: Line, member: FakeMember, service: ScriptedService) -> None:
    run_headless(
        line.platform,
        a_scorer(),
        QUICK,
        member=member,
        instance_id="i-1",
        vitals=Vitals(line.platform, instance_id="i-1"),
        service=service,
        should_leave=lambda: False,
        pause=lambda _s: None,
    )


def test_headless_worker_when_it_never_comes_into_service_receives_nothing() -> None:
    """Buildkite issue 838: an instance that is only warmed neither polls nor asks for protection."""
    line = Line()
    line.add(1)
    member = FakeMember(line)

    _serve(line, member, ScriptedService(entries=0))

    assert line.calls.count("queue.receive") == 0
    assert member.calls == []


def test_headless_worker_when_it_is_taken_out_of_service_waits_to_come_back() -> None:
    """An idle instance that scale-in returns to the pool enters service again before it receives again."""
    line = Line()
    member = FakeMember(line)
    service = ScriptedService(entries=2)

    _serve(line, member, service)

    assert service.calls == ["enter", "enter", "enter"]
    assert member.calls == ["protect", "unprotect with 0 in flight"] * 2


def test_queue_when_unreadable_shows_no_work() -> None:
    """An unreadable queue is no reason to take an instance."""
    line = Line()
    line.add(1)
    assert work_is_visible(line.platform)

    line.calls.fail("queue.depth", TruthUnavailableError("timeout"))

    assert not work_is_visible(line.platform)


def _between_steps(line: Line, *, patience_s: float) -> BetweenSteps:
    return BetweenSteps(
        platform=line.platform,
        scorer=a_scorer(),
        settings=QUICK,
        patience=timedelta(seconds=patience_s),
        instance_id="i-1",
        vitals=Vitals(line.platform, instance_id="i-1"),
    )


def test_background_when_intents_are_young_leaves_them_to_dagster() -> None:
    """A run that is being launched finds its work still there."""
    line = Line()
    line.add(1)
    work = _between_steps(line, patience_s=30)

    assert not work.wanted()
    assert not work.run(lambda: False)
    assert line.calls.count("queue.receive") == 0


def test_background_when_no_step_came_drains_what_waits() -> None:
    """If Dagster is down the queue is drained headless."""
    line = Line()
    row = line.add(1)
    line.images.add(replace(row, intent_at=utc_now() - timedelta(seconds=31)))
    work = _between_steps(line, patience_s=30)

    assert work.wanted()
    assert work.run(lambda: False)
    assert line.row(row.key).scored_by == "headless:i-1"
    assert not work.wanted()


def test_background_when_a_step_comes_hands_the_process_back() -> None:
    """Dagster goes first: what is held is returned, nothing was scored."""
    line = Line()
    row = line.add(1)
    line.images.add(replace(row, intent_at=utc_now() - timedelta(seconds=31)))

    assert not _between_steps(line, patience_s=30).run(lambda: True)
    assert work_is_visible(line.platform)


def test_background_when_truth_is_unreadable_is_not_wanted() -> None:
    """One cheap look that fails is no work."""
    line = Line()
    row = line.add(1)
    line.images.add(replace(row, intent_at=utc_now() - timedelta(seconds=31)))
    line.calls.fail("images.outstanding", TruthUnavailableError("timeout"))

    assert not _between_steps(line, patience_s=0).wanted()
