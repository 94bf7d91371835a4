"""A world with decided and failed images, and replays of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from parjanya_dagster.control.replay import Done, Preview, always, carry_out, preview_replay
from parjanya_dagster.core.policy.preview import Tariff
from parjanya_dagster.core.reconcile.replay import EVERYTHING, Boundary
from parjanya_dagster.core.reconcile.replay_plan import Selection
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import TENANT, a_key, a_result, a_row, an_original, some_facts
from tests.policy_builders import a_policy, a_rule

TARIFF = Tariff(seconds_per_image=0.5, usd_per_hour=3.6)
OURS = Selection(tenants=(TENANT,))
SOME = Boundary(questions=("sharpness",))
ANSWERS = {
    name: {"probabilities": probabilities, "score": score, "spread": 0.0, "label_mass": 1.0}
    for name, probabilities, score in (
        ("photograph", {"yes": 0.9, "no": 0.1}, None),
        ("text_heavy", {"yes": 0.1, "no": 0.9}, None),
        ("sharpness", {"bad": 0.8, "good": 0.2}, 0.2),
    )
}


def a_world(*rows: ImageRow, policy: str = "test-2", fleets: Sequence[str] = ()) -> FakePlatform:
    """Return a world whose policy rejects what is not sharp, with rows, their objects and their results."""
    world = a_fake_platform(fleets=fleets)
    document = a_policy(a_rule("score_sharpness < 0.5", rule_id="blurred")).canonical
    world.control.publish_policy(policy, document.replace('"test-1"', f'"{policy}"'), now=world.clock())
    for tenant in sorted({row.key.tenant_id for row in rows} | {TENANT}):
        world.control.register_tenant(tenant, now=world.clock())
    world.images.add(*rows)
    for row in rows:
        if row.original:
            world.objects.add(row.original.bucket, row.original.key, b"image")
        world.images.put_facts(row.key, some_facts())
        if row.result_id:
            world.images.put_result(row.key, a_result(row.result_id, answers=ANSWERS))
    return world


def scored_row(number: int = 1, **changes: Any) -> ImageRow:  # noqa: ANN401 - any field
    """Return a decided row whose object the store has without a version."""
    original = an_original(a_key(number), version_id=None)
    return replace(a_row(number, status=Status.ENRICHED), **{"original": original, **changes})


def failed_row(number: int = 1, error: str = "dead_letter: gave up") -> ImageRow:
    """Return a failed row whose object the store has without a version."""
    original = an_original(a_key(number), version_id=None)
    return a_row(number, status=Status.VLM_FAILED, original=original, last_error=error)


def previewed(world: FakePlatform, boundary: Boundary = EVERYTHING, **changes: Any) -> Preview:  # noqa: ANN401 - any argument
    """Return the preview of a replay of the tenant's images."""
    given = {"selection": OURS, "tariff": TARIFF, **changes}
    return preview_replay(world.platform(), boundary=boundary, **given)


def replayed(world: FakePlatform, preview: Preview, may_go_on: Callable[[], bool] = always) -> Done:
    """Carry out what was previewed."""
    done = Done()
    for _ in carry_out(world.platform(), preview.plan, done=done, may_go_on=may_go_on):
        pass
    return done
