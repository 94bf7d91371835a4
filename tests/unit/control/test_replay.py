"""Replays: previewed, carried out as previewed, and whole whatever is interrupted."""

from dataclasses import replace
from datetime import timedelta

import pytest

from parjanya_dagster.control.capacity import learn_throughput
from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.control.replay import tariff_of
from parjanya_dagster.core.errors import ConfigError, InvalidRequestError
from parjanya_dagster.core.policy.preview import Tariff
from parjanya_dagster.core.reconcile.replay import (
    EVERYTHING,
    FROM_THE_FILE,
    RULES_ALONE,
    Boundary,
    Refusal,
)
from parjanya_dagster.core.reconcile.replay_plan import Selection
from parjanya_dagster.core.truth.row import Lane, Status, Verdict
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import NAMES, TENANT, a_decision, a_key, a_result, a_row, an_original
from tests.policy_builders import a_policy
from tests.unit.control.replays import SOME, a_world, failed_row, previewed, replayed, scored_row


def test_preview_says_what_it_will_touch_and_what_it_leaves_alone() -> None:
    """Counts by tenant, status and reason, samples, and what the GPU costs; nothing is written."""
    world = a_world(
        scored_row(1), failed_row(2), failed_row(3, "oom: 12 GiB"), a_row(4), a_row(5, tenant_id="zeta")
    )
    world.calls.clear()

    preview = previewed(world)

    assert dict(preview.by_tenant) == {"acme": 3}
    assert dict(preview.by_status) == {"enriched": 1, "vlm_failed": 2}
    assert dict(preview.by_reason) == {"accept": 1, "dead_letter": 1, "oom": 1}
    assert dict(preview.left_out) == {Refusal.BEING_SCORED: 1}
    assert preview.samples == (a_key(3), a_key(2), a_key(1))
    assert preview.price.gpu_rows == 3
    assert preview.price.usd == pytest.approx(3 * 0.5 / 3600 * 3.6)
    assert world.calls.writes == []


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (Selection(statuses=frozenset({Status.VLM_FAILED})), {2}),
        (Selection(keys=(a_key(1), a_key(2))), {1, 2}),
        (Selection(verdict=Verdict.ACCEPT), {1, 3}),
        (Selection(policy_version="v1", tenants=("zeta",)), {3}),
        (Selection(fingerprint="cpu-1:test"), {1, 3}),
        (Selection(fingerprint="gpu-1"), set()),
    ],
)
def test_preview_selects_by_every_criterion(selection: Selection, numbers: set[int]) -> None:
    """By id, tenant, status, policy version, fingerprint and verdict, over all tenants by default."""
    zeta = a_key(3, tenant_id="zeta")
    other = replace(a_row(3, tenant_id="zeta", status=Status.ENRICHED), original=an_original(zeta))
    world = a_world(scored_row(1), failed_row(2), other)
    keys = {1: a_key(1), 2: a_key(2), 3: zeta}

    preview = previewed(world, selection=selection)

    assert {entry.key for entry in preview.plan.entries} == {keys[number] for number in numbers}


def test_preview_of_a_window_reads_no_older_pages() -> None:
    """Ids are times: what was uploaded before the window is never looked at."""
    world = a_world(*(scored_row(number) for number in range(1, 8)))
    begin = world.clock() - timedelta(hours=1) + timedelta(milliseconds=3)
    world.calls.clear()

    preview = previewed(world, selection=Selection(since=begin, until=begin + timedelta(milliseconds=2)))

    assert [entry.key for entry in preview.plan.entries] == [a_key(3), a_key(4)]
    assert world.calls.count("images.listing") == 1


def test_preview_when_nothing_says_which_images_asks() -> None:
    """All images of all tenants are never meant by saying nothing."""
    with pytest.raises(InvalidRequestError, match="say which"):
        previewed(a_world(), selection=Selection())


def test_preview_of_an_unknown_tenant_or_image_says_so() -> None:
    """A typing error must not look like a job well done."""
    world = a_world(scored_row(1))

    with pytest.raises(InvalidRequestError, match="acne"):
        previewed(world, selection=Selection(tenants=("acne",)))
    preview = previewed(world, selection=Selection(keys=(a_key(1), a_key(9))))
    assert dict(preview.left_out) == {Refusal.MISSING: 1}


def test_preview_when_limited_takes_the_newest() -> None:
    """A first careful step is possible."""
    world = a_world(*(scored_row(number) for number in range(1, 5)))

    assert [entry.key for entry in previewed(world, limit=2).plan.entries] == [a_key(3), a_key(4)]
    assert previewed(world, limit=4).plan == previewed(world).plan


@pytest.mark.parametrize(("boundary", "questions"), [(EVERYTHING, None), (SOME, ("sharpness",))])
def test_replay_moves_rows_into_the_gap_and_reconciliation_emits_fresh_intent(
    boundary: Boundary, questions: tuple[str, ...] | None
) -> None:
    """The replay only moves the head; intent follows from Truth as it always does."""
    world = a_world(scored_row(1), failed_row(2))

    done = replayed(world, previewed(world, boundary))
    world.clock.advance(minutes=1)
    reconcile_world(world.platform())

    assert (done.moved, done.skipped, done.was_stopped) == (2, {}, False)
    first, second = sorted(world.queue.jobs, key=lambda job: job.key)
    assert (first.generation, first.lane, first.questions) == (2, Lane.REGRADE, questions)
    assert (second.generation, second.questions) == (2, None)
    assert world.images.rows[a_key(1)].decision == a_decision()


def test_replay_from_the_file_has_the_sweep_read_it_again() -> None:
    """A decoder that was mended gets another look at what it rejected, and at nothing else."""
    rejected = scored_row(1, status=Status.REJECTED_TECHNICAL, last_error="undecodable", result_id=None)
    world = a_world(rejected, failed_row(2))

    preview = previewed(world, FROM_THE_FILE)
    done = replayed(world, preview)
    again = replayed(world, preview)
    world.clock.advance(minutes=4)
    reconcile_world(world.platform())

    assert dict(preview.by_reason) == {"undecodable": 1}
    assert dict(preview.left_out) == {Refusal.NOT_REJECTED: 1}
    assert (done.moved, again.moved, again.skipped) == (1, 0, {a_key(1): Refusal.REPLAYED_ALREADY})
    row = world.images.rows[a_key(1)]
    assert (row.status, row.generation, row.last_error) == (Status.PENDING_VLM_ENRICHMENT, 1, None)


def test_price_of_a_replay_follows_from_how_fast_drains_were_lately() -> None:
    """What was learned counts, and the settings before anything was; a person may give another price."""
    platform = a_fake_platform().platform()
    before = tariff_of(platform)
    for _ in range(5):
        learn_throughput(platform, images=1000, seconds=500)

    assert before.seconds_per_image == platform.capacity.seconds_per_image
    assert before.usd_per_hour == platform.capacity.usd_per_instance_hour
    assert tariff_of(platform, usd_per_hour=2.0) == Tariff(seconds_per_image=0.5, usd_per_hour=2.0)


def test_replay_in_lane_fresh_does_not_wait_behind_regrades() -> None:
    """A person may say that it is urgent."""
    world = a_world(failed_row())

    replayed(world, previewed(world, lane=Lane.FRESH))

    assert world.images.rows[a_key()].lane is Lane.FRESH


def test_rules_alone_decide_again_without_gap_or_gpu() -> None:
    """Enriched stays enriched under the policy in force; both decisions are on record."""
    world = a_world(scored_row(1), failed_row(2))

    preview = previewed(world, RULES_ALONE)
    done = replayed(world, preview)

    row = world.images.rows[a_key(1)]
    assert done.moved == 1
    assert dict(preview.verdicts) == {"accept -> reject": 1}
    assert (preview.price.usd, dict(preview.left_out)) == (0, {Refusal.NO_ANSWERS: 1})
    assert (row.status, row.generation, row.is_gap) == (Status.ENRICHED, 2, False)
    assert row.decision is not None
    assert (row.decision.verdict, row.decision.policy_version) == (Verdict.REJECT, "test-2")
    named = {each.result_id: each for each in world.images.results(a_key(1))}
    assert set(named) == {"1-first", row.result_id}
    assert named[row.result_id or ""].decision == row.decision


def test_rules_alone_leave_answers_to_other_questions_alone() -> None:
    """A policy is not asked about answers that were given to something else, or are gone."""
    world = a_world(scored_row(1), scored_row(2, result_id=None), scored_row(3, result_id="3-other"))
    world.images.put_result(a_key(4), a_result())
    world.images.add(scored_row(4))
    world.images.add(replace(scored_row(3), result_id="gone"))

    preview = previewed(world, RULES_ALONE)

    assert [entry.key for entry in preview.plan.entries] == [a_key(1)]
    assert dict(preview.left_out) == {Refusal.NO_ANSWERS: 2, Refusal.OTHER_QUESTIONS: 1}


def test_rules_alone_when_an_undecided_row_is_decided_say_so() -> None:
    """There was no verdict before."""
    world = a_world(scored_row(1, decision=None))

    preview = previewed(world, RULES_ALONE)

    assert dict(preview.verdicts) == {"none -> reject": 1}
    assert dict(preview.by_reason) == {"undecided": 1}


def test_rules_alone_without_a_policy_are_refused() -> None:
    """Nothing is decided by nothing."""
    world = a_fake_platform()
    world.control.register_tenant(TENANT, now=world.clock())
    world.images.add(scored_row(1))

    with pytest.raises(ConfigError, match="no policy"):
        previewed(world, RULES_ALONE)


def test_replay_skips_and_lists_what_changed_since_the_preview() -> None:
    """A late success, an erasure, another's replay, lost answers: none of it was reviewed."""
    world = a_world(*(failed_row(number) for number in range(1, 5)))
    preview = previewed(world)
    world.images.add(replace(scored_row(1), generation=1))
    world.images.add(replace(failed_row(2), generation=2))
    del world.images.rows[a_key(3)]

    done = replayed(world, preview)

    assert done.moved == 1
    assert done.skipped == {
        a_key(1): Refusal.CHANGED,
        a_key(2): Refusal.REPLAYED_ALREADY,
        a_key(3): Refusal.MISSING,
    }
    assert done.counts() == {
        "replayed": 1,
        "skipped_changed": 1,
        "skipped_replayed_already": 1,
        "skipped_missing": 1,
    }


@pytest.mark.parametrize("boundary", [EVERYTHING, RULES_ALONE])
def test_replay_when_a_row_changes_under_its_hands_skips_it(boundary: Boundary) -> None:
    """The write is conditional on the status and generation that were reviewed."""
    world = a_world(scored_row(1))
    preview = previewed(world, boundary)

    def somebody_else() -> bool:
        world.images.add(replace(scored_row(1), generation=7))
        return True

    assert replayed(world, preview, may_go_on=somebody_else).skipped == {a_key(1): Refusal.CHANGED}


def test_rules_alone_when_the_policy_asks_for_more_since_the_preview_skip_the_row() -> None:
    """The policy in force is the one of the moment of deciding."""
    world = a_world(scored_row(1))
    preview = previewed(world, RULES_ALONE)
    narrow = a_policy(top='fingerprints = ["gpu-1"]').canonical.replace('"test-1"', '"test-3"')
    world.control.publish_policy("test-3", narrow, now=world.clock())

    assert replayed(world, preview).skipped == {a_key(1): Refusal.OTHER_QUESTIONS}


def test_replay_when_the_object_is_gone_or_foreign_leaves_the_row_with_its_decision() -> None:
    """A job can only be built for an object that is there, in the tenant's own bucket (incident 4)."""
    foreign = an_original(bucket=NAMES.uploads_bucket("zeta"), version_id=None)
    world = a_world(
        replace(scored_row(1), original=foreign), replace(scored_row(2), original=None), scored_row(3)
    )
    world.images.add(replace(scored_row(3), original=an_original(a_key(3), key="originals/x/gone.jpg")))

    done = replayed(world, previewed(world))

    assert done.skipped == {
        a_key(1): Refusal.FOREIGN_BUCKET,
        a_key(2): Refusal.OBJECT_MISSING,
        a_key(3): Refusal.OBJECT_MISSING,
    }
    assert {row.generation for row in world.images.rows.values()} == {1}


def test_replay_when_stopped_leaves_the_rest_untouched_and_goes_on_when_run_again() -> None:
    """The same plan ends in the same state, whoever interrupts it."""
    world = a_world(*(failed_row(number) for number in range(1, 40)))
    preview = previewed(world)
    budget = iter([True] * 30)

    first = replayed(world, preview, may_go_on=lambda: next(budget, False))
    again = replayed(world, preview)

    assert (first.moved, first.was_stopped) == (30, True)
    assert (again.moved, len(again.skipped), again.was_stopped) == (9, 30, False)
    assert {row.generation for row in world.images.rows.values()} == {2}


def test_replay_that_names_a_fleet_sends_the_images_there_and_a_later_one_takes_them_back() -> None:
    """What ran out of memory is asked again where there is more of it, and stays there until told."""
    world = a_world(failed_row(1, "oom: 400 tokens do not fit"), failed_row(2), fleets=("large",))

    done = replayed(world, previewed(world, selection=Selection(failure="oom"), fleet="large"))

    assert done.moved == 1
    large, other = (world.images.rows[a_key(number)] for number in (1, 2))
    assert (large.fleet, large.status) == ("large", Status.PENDING_VLM_ENRICHMENT)
    assert (other.fleet, other.status) == (None, Status.VLM_FAILED)

    for fleet, left_with in ((None, "large"), ("default", None)):
        world.images.rows[a_key(1)] = replace(failed_row(1), generation=large.generation, fleet=large.fleet)
        replayed(world, previewed(world, selection=Selection(keys=(a_key(1),)), fleet=fleet))
        assert world.images.rows[a_key(1)].fleet == left_with


@pytest.mark.parametrize(
    ("fleet", "boundary", "says"),
    [
        ("huge", EVERYTHING, "there is no fleet 'huge': there is default, large"),
        ("large", RULES_ALONE, "asks nothing"),
    ],
)
def test_replay_to_a_fleet_that_cannot_score_them_is_refused(
    fleet: str, boundary: Boundary, says: str
) -> None:
    """A misspelt fleet would leave images waiting for instances that nobody starts."""
    world = a_world(scored_row(), fleets=("large",))

    with pytest.raises(InvalidRequestError, match=says):
        previewed(world, boundary, fleet=fleet)


def test_plan_for_a_fleet_that_was_taken_down_is_refused() -> None:
    """A plan may lie in its file for a while."""
    preview = previewed(a_world(scored_row(), fleets=("large",)), fleet="large")

    with pytest.raises(InvalidRequestError, match="no fleet 'large'"):
        replayed(a_world(scored_row()), preview)


def test_price_of_a_replay_is_that_of_the_fleet_it_names() -> None:
    """Larger instances cost more, and were measured by themselves."""
    world = a_world(fleets=("large",))
    ports = world.platform().others["large"]
    dear = replace(ports, capacity=replace(ports.capacity, usd_per_instance_hour=4.0))
    platform = replace(world.platform(), others={"large": dear})
    learn_throughput(platform.of_fleet("large"), images=100, seconds=50)

    assert tariff_of(platform, fleet="large") == Tariff(seconds_per_image=0.5, usd_per_hour=4.0)
    assert tariff_of(platform) != tariff_of(platform, fleet="large")
