"""A state machine over the same world: Hypothesis chooses what people and fate do next."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from parjanya_dagster.simulation.climate import climate_of
from parjanya_dagster.simulation.episode import come_to_rest
from parjanya_dagster.simulation.faults import Fault
from parjanya_dagster.simulation.kernel import MS_PER_S
from parjanya_dagster.simulation.operators import replay
from parjanya_dagster.simulation.photographers import Photo, upload
from parjanya_dagster.simulation.world import World

CALL_FAULTS = (
    Fault.CRASH_BEFORE,
    Fault.CRASH_AFTER,
    Fault.UNAVAILABLE,
    Fault.ANSWER_LOST,
    Fault.STALE_INDEX,
    Fault.STALE_COUNT,
    Fault.DELIVERED_TWICE,
)
ROLES = ("lambda", "dagster", "worker")
PERMISSIONS = (
    "queue.depth",
    "queue.send",
    "queue.receive",
    "images.write",
    "objects.get",
    "fleet.set_desired",
)
MOST_UPLOADS = 12


class WorldMachine(RuleBasedStateMachine):
    """Anything in any order; in the end faults stop and the world comes to rest."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World("machine", only=(), climate=climate_of("machine"))
        self.world.found()
        self.uploads = 0
        self.replays = 0

    @precondition(lambda self: self.uploads < MOST_UPLOADS)
    @rule(nature=st.sampled_from((None, Fault.ENGINE_RAISED, Fault.ENGINE_KILLED)))
    def send_a_photo(self, nature: Fault | None) -> None:
        """Somebody uploads an image that may be bad for the engine."""
        self.uploads += 1
        photo = Photo(self.world.climate.tenants[0], f"photo/{self.uploads}")
        if nature is not None:
            self.world.natures[photo.alias] = nature
        upload(self.world, photo)

    @rule(seconds=st.integers(1, 300))
    def let_time_pass(self, seconds: int) -> None:
        """Events are delivered, sweeps run, workers work."""
        kernel = self.world.kernel
        kernel.run(until_ms=kernel.now_ms + seconds * MS_PER_S, may_go_on=self.world.is_sound)

    @rule(fault=st.sampled_from(CALL_FAULTS))
    def spoil_the_next_call(self, fault: Fault) -> None:
        """The next call that can fail so does."""
        self.world.chaos.forced.append(fault)

    @rule(role=st.sampled_from(ROLES), name=st.sampled_from(PERMISSIONS))
    def deny(self, role: str, name: str) -> None:
        """A permission goes missing."""
        self.world.calls.denied.add((role, name))

    @rule()
    def allow(self) -> None:
        """Every permission is given back."""
        self.world.calls.denied.clear()

    @rule()
    def purge(self) -> None:
        """The queue loses all its messages."""
        self.world.fakes.queue.purge()

    @precondition(lambda self: bool(self.world.rows))
    @rule(which=st.integers(0, MOST_UPLOADS))
    def forget_a_row(self, which: int) -> None:
        """The local process loses a row."""
        rows = sorted(self.world.rows)
        self.world.forget(rows[which % len(rows)])

    @precondition(lambda self: bool(self.world.rows))
    @rule()
    def replay_everything(self) -> None:
        """An operator replays whatever can be replayed."""
        self.replays += 1
        replay(self.world, f"replay {self.replays}", sorted(self.world.rows))

    @precondition(lambda self: bool(self.world.fleet.members))
    @rule(which=st.integers(0, 3))
    def lose_an_instance(self, which: int) -> None:
        """An instance is gone without a notice."""
        members = self.world.fleet.members
        self.world.group.lose(members[which % len(members)].instance_id)

    @invariant()
    def every_promise_is_kept(self) -> None:
        """After every step, nothing is lost and nothing takes effect twice."""
        assert self.world.violations() == []

    def teardown(self) -> None:
        """Once faults stop, the backlog and the fleet reach zero."""
        come_to_rest(self.world)
        assert self.world.violations() == []


WorldMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,  # a rule may play hours of a world
    suppress_health_check=[HealthCheck.too_slow],
)
TestWorldMachine = WorldMachine.TestCase
"""Whatever is done in whatever order, every promise is kept and the world comes to rest."""
