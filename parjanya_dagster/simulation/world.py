"""A world: the product on fakes that share a virtual clock, with people who use it and faults that befall it.

Ingestion, reconciliation, capacity and the worker's machine are the product's own code, unchanged. Only what
surrounds them is made up here: services, schedules, clients, operators.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import publish_policy
from parjanya_dagster.control.reconcile import Cycle
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.core.names import image_id_of_key
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow
from parjanya_dagster.simulation.climate import Climate, climate_of
from parjanya_dagster.simulation.coverage import action_name
from parjanya_dagster.simulation.crew import Crew
from parjanya_dagster.simulation.dagster_plane import SENSOR_EVERY_S, DagsterPlane
from parjanya_dagster.simulation.draws import chance
from parjanya_dagster.simulation.fakes.clock import FakeClock
from parjanya_dagster.simulation.fakes.platform import START, a_fake_platform
from parjanya_dagster.simulation.faults import Chaos, Fault, Place
from parjanya_dagster.simulation.functions import SWEEP_EVERY_S, Functions
from parjanya_dagster.simulation.instances import GOOD_TEMPLATE
from parjanya_dagster.simulation.invariants import Violation, Watch
from parjanya_dagster.simulation.kernel import Kernel
from parjanya_dagster.simulation.pictures import MortalReader
from parjanya_dagster.simulation.policies import FIRST_POLICY, PolicyWatch, policy_document
from parjanya_dagster.simulation.port_calls import SimulatedCalls
from parjanya_dagster.simulation.spending import Spending

_SKEW_S: Final = 3
_KILLERS: Final = frozenset({Fault.CRASH_BEFORE.value, Fault.CRASH_AFTER.value, Fault.SLOW.value})
"""What ends a process that reads a file, whatever the file; a slow call does it by a deadline."""


class World:
    """One world from its first to its last moment.

    Args:
        only: the trace to play; None lets the seed decide.
    """

    def __init__(
        self, seed: str, *, only: Iterable[Place] | None = None, climate: Climate | None = None
    ) -> None:
        self.seed = seed
        self.climate = climate or climate_of(seed)
        clock = FakeClock(START)
        self.kernel = Kernel(clock, seed)
        self.chaos = Chaos(seed, only=only)
        self.calls = SimulatedCalls(self.kernel, self.chaos)
        self.reader = MortalReader(self.kernel, self.calls)
        self.fakes = replace(
            a_fake_platform(clock=clock, calls=self.calls, fleets=self.climate.fleets),
            limits=self.climate.limits,
            capacity=self.climate.capacity,
            reader=self.reader,
        )
        self.actions: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.natures: dict[str, Fault] = {}
        self.bad_files: set[str] = set()
        self.to_erase: set[ImageKey] = set()
        self._aliases: dict[str, str] = {}
        self._whole = self.fakes.platform()
        self._roles: dict[str, Platform] = {}
        self.watch = Watch(
            self.fakes.names,
            self.fakes.images.rows,
            self.fakes.images.evidence_of,
            lambda: (self.kernel.steps, self.kernel.now_ms / 1000),
            limits=self.climate.limits,
            may_be_rejected=self._may_be_rejected,
        )
        self.policies = PolicyWatch(lambda: self.kernel.now_ms / 1000, self.watch.report)
        self.functions = Functions(
            self.kernel,
            self.chaos,
            self.as_seen_by("lambda"),
            seed=seed,
            alias=self.alias,
            on_cycle=self.note_cycle,
        )
        self.fleet = self.fakes.fleet
        self.crews = {name: self._crew(name) for name in (None, *self.climate.fleets)}
        self.group = self.crews[None].group
        self.dagster = DagsterPlane(
            self.kernel,
            self.as_seen_by("dagster"),
            tenants=self.climate.tenants,
            on_cycle=self.note_cycle,
            on_action=self._note_action,
        )
        self._connect()

    @property
    def rows(self) -> dict[ImageKey, ImageRow]:
        """The heads as stored."""
        return self.fakes.images.rows

    def as_seen_by(self, role: str) -> Platform:
        """Return the platform of processes of a role; their clock may be wrong by seconds."""
        if role not in self._roles:
            skew = timedelta(0)
            if self.chaos.strikes(Fault.CLOCK_SKEWED, role):
                skew = timedelta(
                    seconds=int((2 * chance(self.seed, "skew", role) - 1) * _SKEW_S * 1000) / 1000
                )
            clock = self.fakes.clock
            self._roles[role] = replace(self._whole, plane=role, clock=lambda: clock.now + skew)
        return self._roles[role]

    def alias(self, image_id: str) -> str:
        """Return the name of an image in this world, e.g. `acme/3`."""
        return self._aliases.get(image_id, image_id)

    def name(self, image_id: str, alias: str) -> None:
        """Give an image its name."""
        self._aliases[image_id] = alias

    def note_cycle(self, cycle: Cycle) -> None:
        """Count what a cycle planned."""
        self.actions.update(map(action_name, cycle.actions))
        # What a refusal leads to is decided while the plan is applied.
        postponed = sum(count for name, count in _counts_of(cycle).items() if name.startswith("postpone"))
        if postponed:
            self.actions["Postpone"] += postponed

    def is_sound(self) -> bool:
        """No promise was broken so far."""
        return not self.watch.violations and not self.kernel.defects

    def violations(self) -> list[Violation]:
        """Return the promises that were broken; an error that is none of ours breaks one."""
        for label, error in self.kernel.defects:
            self.watch.report("nothing raises what it should not", f"{label}: {error!r}")
        self.kernel.defects.clear()
        return self.watch.violations

    def stored(self) -> set[str]:
        """Return image ids of every original that lies in a bucket."""
        buckets = map(self.fakes.names.uploads_bucket, self.climate.tenants)
        ids = {image_id_of_key(info.key) for each in buckets for info in self.fakes.objects.originals(each)}
        return {each for each in ids if each is not None}

    def forget(self, key: ImageKey) -> None:
        """Lose a row with everything beside it, as the local process may when it is killed."""
        self.fakes.images.forget(key)

    def calm_down(self) -> None:
        """End every fault; what it left behind stays."""
        self.chaos.is_on = False
        self.calls.denied.clear()
        self.fleet.template_version = GOOD_TEMPLATE
        self.dagster.down_until_ms = 0

    def found(self) -> None:
        """Let there be tenants, a policy and schedules."""
        for tenant_id in self.climate.tenants:
            add_tenant(self._whole, tenant_id)
        publish_policy(self._whole, policy_document(FIRST_POLICY))
        self.kernel.after(SWEEP_EVERY_S * chance(self.seed, "schedule"), self.functions.sweep_for_ever)
        self.kernel.after(SENSOR_EVERY_S * chance(self.seed, "sensor"), self.dagster.tick_for_ever)

    def nature_of(self, key: ImageKey) -> Fault | None:
        """Return what an image does to the engine."""
        return self.natures.get(self.alias(key.image_id))

    def _connect(self) -> None:
        fakes = self.fakes
        fakes.images.set_index_lag(seconds=self.climate.index_lag_s)
        fakes.images.on_stored = self._stored
        fakes.objects.on_created = self.functions.object_created
        for queue in (fakes.queue, *(each.queue for each in fakes.others.values())):
            queue.on_sent = self.watch.sent
            queue.on_deleted = self.watch.deleted
            queue.retention = self.climate.limits.retention
            queue.receive_limit = self.climate.receive_limit
        self.fleet.warm = self.climate.warm
        fakes.control.on_published = self.policies.published

    def _stored(self, before: ImageRow | None, after: ImageRow) -> None:
        self.watch.stored(before, after)
        if before is not None and self.kernel.current is not None:
            self.policies.stored(before, after, self.kernel.current.process)
        self.functions.row_written(after)

    def _crew(self, name: str | None) -> Crew:
        return Crew(
            self.kernel,
            self.chaos,
            self.calls,
            self.watch,
            seed=self.seed,
            name=name,
            fleet=self.fakes.others[name].fleet if name else self.fakes.fleet,
            spending=Spending(self.climate.capacity, self.watch.report),
            platform=lambda: self.as_seen_by("worker").of_fleet(name),
            nature=self.nature_of,
            on_outcome=self._note_outcome,
        )

    def _may_be_rejected(self, key: ImageKey) -> bool:
        return self.alias(key.image_id) in self.bad_files or not _KILLERS.isdisjoint(self.chaos.counts)

    def _note_action(self, name: str) -> None:
        self.actions[name] += 1

    def _note_outcome(self, name: str) -> None:
        self.outcomes[name] += 1


def _counts_of(cycle: Cycle) -> Counter[str]:
    return cycle.applied.counts if cycle.applied else Counter()
