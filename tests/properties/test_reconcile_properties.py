"""Reconciliation over any world: it settles, and then it is silent."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.ports import EmptyReadings
from parjanya_dagster.core.reconcile.actions import EmitIntent, ScaleIn
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.capacity_view import CapacityView
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.reconcile.plan import plan
from parjanya_dagster.core.reconcile.snapshot import Snapshot
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NOON, a_fleet, a_job, a_key, a_queue, a_result, a_row, an_original

AGES = st.sampled_from([timedelta(0), timedelta(seconds=20), timedelta(minutes=5), timedelta(days=8)])
WHEN = st.none() | AGES.map(lambda age: NOON - age)
BLIND = Blind(signal="any", reason="AccessDenied", at=NOON)
QUEUES = st.just(BLIND) | st.integers(0, 3000).map(a_queue)


@st.composite
def rows(draw: st.DrawFn, number: int = 1) -> ImageRow:
    """Any head, those that contradict themselves included."""
    tenant_id = draw(st.sampled_from(["acme", "zeta"]))
    key = a_key(number, tenant_id=tenant_id)
    intent_at = draw(WHEN)
    bucket = draw(st.sampled_from([an_original(key).bucket, "somebody-elses"]))
    return replace(
        a_row(number, tenant_id=tenant_id, status=draw(st.sampled_from(Status))),
        lane=draw(st.sampled_from(Lane)),
        due_at=draw(WHEN),
        intent_at=intent_at,
        intent_id=f"intent-{number}" if intent_at else None,
        emissions=draw(st.integers(0, 6)),
        attempts=draw(st.integers(0, 4)),
        returns=draw(st.integers(0, 4)),
        postponed=draw(st.integers(0, 40)),
        quarantined=draw(st.booleans()),
        original=draw(st.sampled_from([None, an_original(key, bucket=bucket)])),
    )


@st.composite
def worlds(draw: st.DrawFn) -> FakePlatform:
    """Any world at noon: rows, objects that may be missing, jobs that may be dead, results without a name."""
    world = a_fake_platform()
    world.control.register_tenant("acme", now=NOON)
    for number in range(1, draw(st.integers(1, 6))):
        row = draw(rows(number))
        world.images.add(row)
        if row.original and row.original.bucket != "somebody-elses" and draw(st.booleans()):
            world.objects.add(row.original.bucket, row.original.key, b"image")
        if draw(st.booleans()):
            world.images.put_result(
                row.key, a_result(f"{row.generation}-{number}", generation=row.generation)
            )
        if draw(st.booleans()):
            world.queue.bury(a_job(a_row(key=row.key), intent_id=f"intent-{number}").model_dump_json())
    if draw(st.booleans()):
        world.queue.bury("no job")
    return world


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Any snapshot, whoever may have taken it."""
    some = [draw(rows(number)) for number in range(draw(st.integers(0, 8)))]
    run = draw(st.none() | AGES.map(lambda age: EmptyReadings(since=NOON - age, last_read_at=NOON)))
    return Snapshot(
        gaps=tuple(draw(st.permutations(some))),
        outstanding=tuple(draw(st.permutations(some))),
        leftovers=tuple(some),
        results={row.key: a_result(generation=row.generation) for row in some if draw(st.booleans())},
        queue=draw(QUEUES),
        dead_letters=draw(QUEUES),
        fleet=draw(st.just(BLIND) | st.integers(0, 4).map(a_fleet)),
        view=CapacityView(quiet=run),
        empty_queues=run,
        unread=draw(st.sampled_from([(), (BLIND,)])),
        whole=draw(st.booleans()),
    )


@given(worlds())
@settings(deadline=None)
def test_cycles_at_one_moment_come_to_rest_and_are_silent_then(world: FakePlatform) -> None:
    """Idempotent: applied to the world it produced, a plan is empty, and a cycle writes only its heartbeat.

    A second look may show what the first could not know: that a job was lost shows only once no dead letter
    is left, and that no job can be built for a row only when one is built.
    """
    platform = world.platform()
    for _ in range(3):
        reconcile_world(platform)
    world.calls.clear()

    cycle = reconcile_world(platform)

    assert cycle.actions == []
    assert set(world.calls.writes) <= {"control.beat"}


@given(snapshots())
@settings(deadline=None)
def test_emission_applied_leaves_nothing_to_emit(snapshot: Snapshot) -> None:
    """What a plan sends is sent once: stamped rows are no gap in the next plan of the same event."""
    limits, capacity = Limits(), CapacityLimits()
    event = replace(snapshot, whole=False, outstanding=(), leftovers=())
    first = plan(event, limits=limits, capacity=capacity, now=NOON)
    sent = {action.row.key for action in first if isinstance(action, EmitIntent)}
    stamped = tuple(
        replace(row, intent_at=NOON, intent_id="new") if row.key in sent else row for row in event.gaps
    )

    second = plan(replace(event, gaps=stamped), limits=limits, capacity=capacity, now=NOON)

    assert not [action for action in second if isinstance(action, EmitIntent) and action.row.key in sent]


def waits_for_nobody(row: ImageRow) -> bool:
    """A person has the next word, or nobody gave the row a date."""
    return row.quarantined or row.due_at is None


@given(worlds())
@settings(deadline=None)
def test_every_row_settles_or_waits_for_a_person_once_its_jobs_are_done(world: FakePlatform) -> None:
    """Liveness of the rows: with workers that answer, nothing waits for ever and no job is left over."""
    platform = world.platform()
    for _ in range(60):
        reconcile_world(platform)
        for received in world.queue.receive(limit=10, wait_s=0):
            world.queue.delete([received.receipt])
        for row in list(world.images.rows.values()):
            if row.has_outstanding_intent and not row.quarantined:
                world.images.add(a_row(key=row.key, status=Status.ENRICHED, generation=row.generation))
        world.clock.advance(minutes=7)

    assert [
        each for each in world.images.rows.values() if not (each.status.is_settled or waits_for_nobody(each))
    ] == []
    assert world.queue.jobs == []


@given(snapshots(), st.integers(1, 5))
@settings(deadline=None)
def test_plan_is_total_bounded_fair_and_never_lowers_blindly(snapshot: Snapshot, most: int) -> None:
    """For every snapshot there is a plan; what it may not do, it never does."""
    actions = plan(snapshot, limits=Limits(max_actions=most), capacity=CapacityLimits(), now=NOON)

    emissions = [action for action in actions if isinstance(action, EmitIntent)]
    assert sum(hasattr(action, "row") for action in actions) <= most
    lanes = [action.row.lane for action in emissions]
    assert lanes == sorted(lanes, key=lambda lane: lane is not Lane.FRESH)
    if isinstance(snapshot.queue, Blind):
        assert Lane.REGRADE not in lanes
    if snapshot.blinds or isinstance(snapshot.fleet, Blind) or not snapshot.whole:
        assert not [action for action in actions if isinstance(action, ScaleIn)]
    assert plan(snapshot, limits=Limits(max_actions=most), capacity=CapacityLimits(), now=NOON) == actions
