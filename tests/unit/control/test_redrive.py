"""Redrives: what infrastructure failed goes back, at a steady pace, and its letters are settled with it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from parjanya_dagster.control.dead_letters import open_dead_letters
from parjanya_dagster.control.redrive import Throttle, preview_redrive, redrive
from parjanya_dagster.control.replay import Done, Preview, always
from parjanya_dagster.control.trail import recorded, trail
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.policy.preview import Tariff
from parjanya_dagster.core.reconcile.actions import Ruling
from parjanya_dagster.core.reconcile.dead_letters import DeadLetterRecord, document_of, record_from
from parjanya_dagster.core.reconcile.replay import Refusal
from parjanya_dagster.core.reconcile.replay_plan import ReplayPlan, Selection
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NOON, TENANT, a_key, a_row, an_original

TARIFF = Tariff(seconds_per_image=0.5, usd_per_hour=3.6)
OURS = Selection(tenants=(TENANT,))
GAVE_UP = "undeliverable: given up 4 times, nothing speaks against the image"


def a_failure(number: int = 1, error: str | None = GAVE_UP, **changes: Any) -> ImageRow:  # noqa: ANN401 - any field
    """Return a failed row whose object the store has without a version."""
    original = an_original(a_key(number), version_id=None)
    failed = a_row(number, status=Status.VLM_FAILED, original=original, last_error=error)
    return replace(failed, **changes)


def a_letter(row: ImageRow | None, number: int = 1, **changes: Any) -> DeadLetterRecord:  # noqa: ANN401 - any field
    """Return the record of a dead letter about a row, or of one that is no job."""
    letter = DeadLetterRecord(
        message_id=f"m-{number}",
        ruling=Ruling.FAILED if row else Ruling.UNREADABLE,
        evidence="given up",
        blames_image=False,
        receive_count=4,
        sent_at=NOON - timedelta(hours=1),
        found_at=NOON,
        image=str(row.key) if row else None,
        generation=row.generation if row else None,
    )
    return replace(letter, **changes)


def a_world(*rows: ImageRow, letters: tuple[DeadLetterRecord, ...] = ()) -> FakePlatform:
    """Return a world with rows, their objects, and dead letters on record."""
    world = a_fake_platform()
    for tenant in (TENANT, "zeta"):
        world.control.register_tenant(tenant, now=NOON)
    world.images.add(*rows)
    for row in rows:
        if row.original:
            world.objects.add(row.original.bucket, row.original.key, b"image")
    for letter in letters:
        world.records.put(RecordKind.DEAD_LETTER, letter.record_id, document_of(letter))
    return world


def previewed(world: FakePlatform, selection: Selection = OURS, **changes: Any) -> Preview:  # noqa: ANN401 - any argument
    """Return the preview of a redrive."""
    return preview_redrive(world.platform(), selection, tariff=TARIFF, **changes)


def redriven(world: FakePlatform, plan: ReplayPlan, may_go_on: Callable[[], bool] = always) -> Done:
    """Carry a redrive out, as the command does: with its progress in the trail."""
    done = Done()
    platform = world.platform()
    with recorded(platform, "ada", "redrive", plan_digest=plan.digest) as recording:
        for _ in redrive(platform, plan, done=done, who="ada", may_go_on=may_go_on):
            recording.after = done.counts()
            recording.save()
    return done


def still_open(world: FakePlatform) -> set[str]:
    """Return the messages of the letters that nobody has seen."""
    return {letter.message_id for letter in open_dead_letters(world.platform())}


def test_preview_takes_what_infrastructure_failed_and_leaves_image_evidence_out() -> None:
    """Only faults of the image count as poison; nothing is written by looking."""
    world = a_world(
        a_failure(1),
        a_failure(2, "crashed: 2 attempts on the image alone never came back"),
        a_failure(3, "object_missing: it was not there 3 times"),
        a_failure(4, None),
        a_row(5),
        a_row(6, status=Status.ENRICHED),
        a_row(7, quarantined=True),
    )
    world.calls.clear()

    preview = previewed(world)

    assert {entry.key for entry in preview.plan.entries} == {a_key(1), a_key(3), a_key(7)}
    assert dict(preview.left_out) == {Refusal.IMAGE_EVIDENCE: 2}
    assert dict(preview.by_reason) == {"undeliverable": 1, "object_missing": 1, "unknown": 1}
    assert world.calls.writes == []
    assert len(previewed(world, include_poison=True).plan.entries) == 5


def test_preview_when_limited_leaves_letters_of_the_others_open() -> None:
    """A first careful step settles no more than it moves."""
    rows = [a_failure(number) for number in (1, 2)]
    world = a_world(*rows, letters=(a_letter(rows[0], 1), a_letter(rows[1], 2)))

    preview = previewed(world, limit=1)

    assert [entry.key for entry in preview.plan.entries] == [a_key(2)]
    assert list(preview.plan.letters.values()) == [a_key(2)]


def test_redrive_moves_rows_into_the_gap_and_acknowledges_their_letters() -> None:
    """Who redrove it stands in the letter; the check has nothing to complain of any more."""
    row = a_failure(1)
    world = a_world(row, letters=(a_letter(row),))

    done = redriven(world, previewed(world).plan)

    moved = world.images.rows[row.key]
    assert (done.moved, moved.is_gap, moved.generation) == (1, True, 2)
    assert still_open(world) == set()
    ((_, document),) = world.records.newest(RecordKind.DEAD_LETTER, limit=9)
    assert record_from(document).acknowledged_by == "ada"


def test_redrive_lets_a_quarantined_row_go_on_in_its_generation() -> None:
    """Five jobs brought no outcome; a person says that the cause is gone."""
    row = a_row(1, quarantined=True, emissions=5, original=an_original(a_key(1), version_id=None))
    world = a_world(row)

    done = redriven(world, previewed(world).plan)

    moved = world.images.rows[row.key]
    assert (done.moved, moved.is_gap, moved.generation, moved.emissions) == (1, True, 1, 0)


@pytest.mark.parametrize(
    ("row", "planned", "is_settled"),
    [
        (a_row(1, status=Status.ENRICHED), 1, True),
        (a_failure(1, "crashed: twice", generation=2), 0, True),
        (a_row(1, generation=2), 1, True),
        (None, 1, True),
        (a_failure(1, "crashed: twice"), 0, False),
        (a_row(1), 0, False),
    ],
)
def test_letters_when_their_image_went_its_own_way_are_settled(
    row: ImageRow | None, planned: int, *, is_settled: bool
) -> None:
    """A crash between row and letter, or a late success, leaves letters that nobody waits for."""
    world = a_world(*([row] if row else []), letters=(a_letter(a_failure(1)),))

    preview = previewed(world)
    done = redriven(world, preview.plan)

    assert (done.moved, len(preview.plan.letters)) == (0, planned)
    assert still_open(world) == (set() if is_settled else {"m-1"})


def test_letters_of_other_tenants_and_of_no_image_stay_open() -> None:
    """A redrive settles what was selected."""
    other = replace(a_failure(2), key=a_key(2, tenant_id="zeta"))
    world = a_world(other, letters=(a_letter(other, 1), a_letter(None, 2)))

    redriven(world, previewed(world).plan)

    assert still_open(world) == {"m-1", "m-2"}


def test_redrive_when_the_object_is_gone_leaves_row_and_letter() -> None:
    """What cannot be scored still waits for somebody."""
    row = a_failure(1)
    world = a_world(row, letters=(a_letter(row),))
    world.images.add(replace(row, original=an_original(key="originals/x/gone.jpg")))

    done = redriven(world, previewed(world).plan)

    assert done.skipped == {row.key: Refusal.OBJECT_MISSING}
    assert still_open(world) == {"m-1"}


@pytest.mark.parametrize("write", ["images.write", "records.replace", "records.put"])
@pytest.mark.parametrize("nth", [0, 1, 2])
@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("keeps_plan", [True, False])
def test_redrive_when_it_crashes_at_any_write_ends_in_the_same_state_when_run_again(
    write: str, nth: int, *, after: bool, keeps_plan: bool
) -> None:
    """With the same plan or with a new one: every row one generation further, every letter acknowledged."""
    rows = [a_failure(number) for number in range(1, 13)]
    letters = tuple(a_letter(row, at) for at, row in enumerate(rows))
    world = a_world(*rows, letters=letters)
    plan = previewed(world).plan
    passed = iter(range(99))

    def crash_at_the_nth() -> bool:
        if next(passed) == nth * 4:
            world.calls.fail(write, UnavailableError("killed"), after=after)
        return True

    with pytest.raises(UnavailableError):
        redriven(world, plan, crash_at_the_nth)
    begun = trail(world.platform(), limit=9)
    redriven(world, plan if keeps_plan else previewed(world).plan)

    assert {row.generation for row in world.images.rows.values()} == {2}
    assert still_open(world) == set()
    assert len(begun) == 1
    assert trail(world.platform(), limit=9)[0].outcome == "done"


def test_throttle_lets_rows_pass_at_the_rate_it_was_given() -> None:
    """Thirty a minute: the eleventh row passes after twenty seconds."""
    world = a_fake_platform()
    pace = Throttle(30, clock=world.clock, sleep=_sleeper(world), may_go_on=always)

    passed = [(pace(), world.clock.now)[1] - NOON for _ in range(11)]

    assert passed[0] == timedelta(0)
    assert passed[10] == timedelta(seconds=20)


def test_throttle_when_asked_to_stop_wakes_from_its_wait() -> None:
    """A rate of one an hour does not hold anybody up for an hour."""
    world = a_fake_platform()
    deadline = NOON + timedelta(seconds=3)
    pace = Throttle(
        1 / 60, clock=world.clock, sleep=_sleeper(world), may_go_on=lambda: world.clock.now < deadline
    )

    assert pace()
    assert not pace()
    assert world.clock.now - deadline < timedelta(seconds=1)


def test_redrive_when_stopped_keeps_what_it_did_and_goes_on_at_once_when_run_again() -> None:
    """What was done costs no tokens a second time."""
    rows = [a_failure(number) for number in range(1, 21)]
    world = a_world(*rows, letters=tuple(a_letter(row, at) for at, row in enumerate(rows)))
    plan = previewed(world).plan
    deadline = NOON + timedelta(seconds=12)

    def at_rate(until: datetime) -> Throttle:
        return Throttle(
            60, clock=world.clock, sleep=_sleeper(world), may_go_on=lambda: world.clock.now < until
        )

    first = redriven(world, plan, at_rate(deadline))
    resumed_at = world.clock.now
    second = redriven(world, plan, at_rate(deadline + timedelta(hours=1)))

    assert (first.moved, first.was_stopped, second.moved) == (12, True, 8)
    assert len(still_open(world)) == 0
    assert world.clock.now - resumed_at == timedelta(seconds=7)
    assert {row.generation for row in world.images.rows.values()} == {2}


def _sleeper(world: FakePlatform) -> Callable[[float], None]:
    """Return a sleep that lets the fake time pass."""

    def sleep(seconds: float) -> None:
        world.clock.advance(seconds=seconds)

    return sleep
