"""Replays that are killed at any write, and in any order with scores: nothing is lost, nothing done twice."""

from contextlib import suppress
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_worker.effects import Settlement
from gpu_worker.settle import settle
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.execution.outcome import Completed
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.reconcile.replay import EVERYTHING, RULES_ALONE, Boundary
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from tests.builders import a_key, a_result
from tests.unit.control.replays import ANSWERS, SOME, a_world, previewed, replayed, scored_row


@pytest.mark.parametrize(
    ("boundary", "write"),
    [
        (EVERYTHING, "images.write"),
        (SOME, "images.write"),
        (RULES_ALONE, "images.write"),
        (RULES_ALONE, "images.put_result"),
    ],
)
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("after", [True, False])
def test_replay_when_it_crashes_at_any_write_ends_in_the_same_state_when_run_again(
    boundary: Boundary, write: str, nth: int, *, after: bool
) -> None:
    """Nothing is lost and nothing is done twice: each row is one generation further, with one decision."""
    rows = [scored_row(number) for number in range(1, 4)]
    smooth, crashed = a_world(*rows), a_world(*rows)
    replayed(smooth, previewed(smooth, boundary))
    preview = previewed(crashed, boundary)
    passed = count(1)

    def crash_at_the_nth() -> bool:
        if next(passed) == nth:
            crashed.calls.fail(write, UnavailableError("killed"), after=after)
        return True

    with pytest.raises(UnavailableError):
        replayed(crashed, preview, crash_at_the_nth)
    replayed(crashed, preview)

    assert crashed.images.rows == smooth.images.rows
    for row in rows:
        assert crashed.images.results(row.key) == smooth.images.results(row.key)


STEPS = st.lists(st.sampled_from(["all", "some", "none", "score", "crash"]), max_size=12)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_replays_and_scores_in_any_order_name_exactly_one_result_per_generation(steps: list[str]) -> None:
    """A decision in force is of a result that is there; rules alone never enter the gap."""
    world = a_world(scored_row(1))
    named = {1: "1-first"}
    for step in steps:
        row = world.images.rows[a_key(1)]
        if step == "score" and row.status is Status.PENDING_VLM_ENRICHMENT:
            _score(world, row)
        elif step == "crash":
            world.calls.fail("images.write", UnavailableError("killed"), after=len(named) % 2 == 0)
        elif step in ("all", "some", "none"):
            boundary = {"all": EVERYTHING, "some": SOME, "none": RULES_ALONE}[step]
            was_in_gap = row.is_gap
            with suppress(UnavailableError):
                replayed(world, previewed(world, boundary))
            assert step != "none" or world.images.rows[a_key(1)].is_gap == was_in_gap
        now = world.images.rows[a_key(1)]
        assert now.generation - row.generation in (0, 1)
        if now.status is Status.ENRICHED:
            assert now.decided_generation == now.generation
            assert named.setdefault(now.generation, now.result_id or "") == now.result_id
        assert now.result_id in {each.result_id for each in world.images.results(now.key)}
        assert now.decision is not None


def _score(world: FakePlatform, row: ImageRow) -> None:
    """Two workers with the same job score the row; one of them is named."""
    job = Job(
        intent_id="i",
        tenant_id=row.key.tenant_id,
        image_id=row.key.image_id,
        generation=row.generation,
        lane=row.lane,
        priority=row.priority,
        sent_at=world.clock(),
        source_bucket="b",
        source_key="k",
        source_version_id=None,
        preview_key=None,
        model_key=None,
        output_table="t",
    )
    for worker in ("a", "b"):
        result = a_result(f"{row.generation}-{worker}", generation=row.generation, answers=ANSWERS)
        settlement = Settlement(
            receipt=worker, job=job, row=row, outcome=Completed(result=result), has_recorded_attempt=False
        )
        try:
            settle(world.platform(), settlement, scored_by=f"headless:{worker}")
        except UnavailableError:
            continue
