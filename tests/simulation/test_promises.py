"""What the simulator's watchers take for broken promises, and what not."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.climate import climate_of
from parjanya_dagster.simulation.faults import Deed, Fault
from parjanya_dagster.simulation.kernel import Process
from parjanya_dagster.simulation.policies import PolicyWatch
from parjanya_dagster.simulation.spending import Spending
from parjanya_dagster.simulation.sweep import Story, told
from parjanya_dagster.simulation.world import World
from tests.builders import a_decision, a_job, a_row

CAPPED = CapacityLimits(usd_per_instance_hour=1.0, price_cap_usd_per_hour=2.5)
REPLAYER = Process("replay", "operator")
WORKER = Process("worker", "worker")

Look = Callable[[Spending], None]


@pytest.mark.parametrize(
    ("limits", "look", "broken"),
    [
        (CAPPED, lambda spending: spending.ordered(2), 0),
        (CAPPED, lambda spending: spending.ordered(3), 1),
        (CapacityLimits(), lambda spending: spending.ordered(4), 0),
        (CapacityLimits(), lambda spending: spending.ordered(5), 1),
        (CAPPED, lambda spending: spending.paid(2.5 * 60, 60), 0),
        (CAPPED, lambda spending: spending.paid(2.6 * 60, 60), 1),
        (CapacityLimits(), lambda spending: spending.paid(4.1 * 60, 60), 1),
    ],
)
def test_spending_beyond_cap_or_maximum_is_told(limits: CapacityLimits, look: Look, broken: int) -> None:
    """At each moment, and of the whole bill."""
    told_of: list[str] = []

    look(Spending(limits, lambda invariant, _detail: told_of.append(invariant)))

    assert len(told_of) == broken


@pytest.mark.parametrize(
    ("status", "published_s", "version", "broken"),
    [
        (Status.ENRICHED, 90.0, "v1", 1),
        (Status.ENRICHED, 90.0, "v2", 0),
        (Status.ENRICHED, 110.0, "v1", 0),
        (Status.PENDING_VLM_ENRICHMENT, 60.0, "v1", 1),
        (Status.PENDING_VLM_ENRICHMENT, 60.0, "v2", 0),
        (Status.PENDING_VLM_ENRICHMENT, 90.0, "v1", 0),
    ],
)
def test_replayed_row_decided_under_an_older_version_than_its_replay_saw_is_told(
    status: Status, published_s: float, version: str, broken: int
) -> None:
    """Rules decide by what they saw; a worker may not know yet what is younger than its half minute."""
    told_of: list[str] = []
    now_s = 0.0
    watch = PolicyWatch(lambda: now_s, lambda invariant, _detail: told_of.append(invariant))
    events = sorted([(0.0, "v1"), (published_s, "v2"), (100.0, "replay")])
    before = a_row(status=Status.ENRICHED, decision=a_decision(policy="v0"))
    for now_s, event in events:  # noqa: B007 -- the watch reads it
        if event == "replay":
            watch.begins(REPLAYER)
        else:
            watch.published(event)
    now_s = 120.0
    moved = replace(before, generation=2, status=status)
    if status is not Status.ENRICHED:
        now_s = 100.0
        watch.stored(before, moved, REPLAYER)
        before, moved = moved, replace(moved, status=Status.ENRICHED)
    decided = replace(moved, decision=a_decision(policy=version), decided_generation=2)
    watch.stored(before, decided, REPLAYER if status is Status.ENRICHED else WORKER)

    assert len(told_of) == broken


def in_a_world(look: Callable[[World], None]) -> list[str]:
    """Return the promises that a look at a world finds broken."""
    world = World("promises", only=())
    look(world)
    return [violation.invariant for violation in world.watch.violations]


def rejected(world: World) -> None:
    """Write that a file was rejected."""
    row = a_row(status=Status.PENDING_VALIDATION)
    world.watch.stored(row, replace(row, status=Status.REJECTED_TECHNICAL))


def rejected_for_a_reason(world: World) -> None:
    """Write that a bad file was rejected."""
    world.bad_files.add(a_row().key.image_id)
    rejected(world)


def rejected_after_a_crash(world: World) -> None:
    """Write that a file was rejected where processes died."""
    world.chaos.counts[Fault.CRASH_AFTER.value] += 1
    rejected(world)


def sent_twice(world: World) -> None:
    """Send two jobs of one generation in a world without faults."""
    for intent in ("first", "second"):
        world.watch.sent(a_job(intent_id=intent).model_dump_json())
    world.watch.ended_without_faults()


def stamped(emissions: int) -> Callable[[World], None]:
    """Write how many jobs of its generation a row was sent with."""
    row: ImageRow = a_row()
    return lambda world: world.watch.stored(row, replace(row, emissions=emissions))


@pytest.mark.parametrize(
    ("look", "broken"),
    [
        (rejected, ["no sound file is rejected"]),
        (rejected_for_a_reason, []),
        (rejected_after_a_crash, []),
        (sent_twice, ["without faults a generation has one job"]),
        (stamped(5), []),
        (stamped(6), ["jobs of a generation are bounded"]),
    ],
)
def test_write_that_breaks_a_promise_is_told(look: Callable[[World], None], broken: list[str]) -> None:
    """Each watcher finds what it is there for, and nothing else."""
    told_of = [each for each in in_a_world(look) if "bucket" not in each]

    assert told_of == broken


def test_some_worlds_have_a_price_cap_and_all_of_them_pay_for_an_instance() -> None:
    """A cap that pays for nothing is refused by the product before there is any world."""
    limits = [climate_of(str(seed)).capacity for seed in range(200)]

    capped = {each.most for each in limits if each.price_cap_usd_per_hour is not None}
    assert capped == {1, 2, 3, 4}


def test_rejected_file_is_scored_once_its_decoder_was_mended() -> None:
    """Reading a file again leads all the way to its verdict."""
    story = Story(
        name="a mended decoder",
        given=(
            (Fault.UNREADABLE_IMAGE.value, "acme/1"),
            (Deed.REVALIDATE.value, "0"),
            (Deed.MEND_DECODER.value, "0"),
        ),
        chaos_s=600,
    )

    episode = told(story)

    assert episode.violations == ()
    assert episode.transitions["rejected_technical --revalidated--> pending_validation"] == 1
    assert dict(episode.outcomes) == {"completed": 1}
