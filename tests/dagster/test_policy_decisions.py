"""Materializing `policy_decisions`: a preview that judges everything, writes Parquet and touches no Truth."""

import io

import dagster as dg
import polars as pl
import pytest

from gpu_worker.drain import drain
from gpu_worker.score import warm_scorer
from parjanya_dagster.control.policies import publish_policy
from parjanya_dagster.core.policy.document import InvalidPolicyError
from parjanya_dagster.core.truth.row import ImageRow, Status, Verdict
from parjanya_dagster.defs.assets_policy import policy_decisions
from parjanya_dagster.defs.partitions import POLICY_VERSIONS
from parjanya_dagster.policies.shipped import shipped_policy
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from tests.builders import TENANT, a_decision, a_result, a_row, some_facts
from tests.dagster.stand_ins import WEB, Bucket, materialized
from tests.policy_builders import a_document, a_rule
from tests.unit.gpu_worker.line import QUICK, Line

PARTITION = f"test-1|{TENANT}"
SOFT_IS_REJECTED = a_document(a_rule("score_sharpness < 0.5", rule_id="soft"))


@pytest.fixture(autouse=True)
def _test_policy(world: FakePlatform, instance: dg.DagsterInstance) -> None:
    """A version that rejects what is soft is in force, and has its partition."""
    publish_policy(world.platform(), SOFT_IS_REJECTED)
    instance.add_dynamic_partitions(str(POLICY_VERSIONS.name), ["test-1"])


def _accepted(world: FakePlatform, number: int, *, sharpness: float) -> ImageRow:
    """Put an image that an earlier version accepted, with the answers this version asks for."""
    row = a_row(number, status=Status.ENRICHED, decision=a_decision(Verdict.ACCEPT, policy="test-0"))
    answers = {
        "photograph": {"probabilities": {"yes": 0.9, "no": 0.1}, "label_mass": 1.0},
        "text_heavy": {"probabilities": {"yes": 0.1, "no": 0.9}, "label_mass": 1.0},
        "sharpness": {
            "probabilities": {"bad": 1 - sharpness, "good": sharpness},
            "score": sharpness,
            "spread": 0.1,
            "label_mass": 1.0,
        },
    }
    world.images.add(row)
    world.images.put_facts(row.key, some_facts())
    world.images.put_result(row.key, a_result(answers=answers, prompt_pack="test-pack"))
    return row


def test_preview_when_a_version_is_stricter_shows_the_flips(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """Verdicts that flip are counted with their reason, and can be looked at."""
    soft = _accepted(world, 1, sharpness=0.2)
    _accepted(world, 2, sharpness=0.9)

    done = materialized(policy_decisions, PARTITION, instance=instance, platform=world.platform())

    assert done.table("flips") == [
        {"current_verdict": "accept", "verdict": "reject", "reason_code": "soft", "rows": 1}
    ]
    assert f"{WEB}/previews/{soft.key.image_id}" in done.metadata["flip_samples"].value
    assert done.metadata["images"].value == 2
    assert done.metadata["gpu_rows"].value == 0
    assert done.run.tags["policy_version"] == "test-1"


def test_preview_when_made_writes_parquet_and_touches_no_truth(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """One Parquet row per image with its generation; not a single write to a port."""
    row = _accepted(world, 1, sharpness=0.2)
    bucket = Bucket()
    world.calls.clear()

    done = materialized(
        policy_decisions, PARTITION, instance=instance, platform=world.platform(), bucket=bucket
    )

    assert world.calls.writes == []
    ((place, body),) = bucket.objects.items()
    assert place == done.metadata["parquet"].value
    assert place.startswith(f"s3://{world.names.artifacts_bucket}/policy_decisions/test-1/{TENANT}/")
    (judged,) = pl.read_parquet(io.BytesIO(body)).rows(named=True)
    assert (judged["image_id"], judged["generation"]) == (row.key.image_id, row.generation)
    assert judged["verdict"] == "reject"


def test_preview_when_repeated_gives_the_same_token_for_the_same_rows(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """The token names rows and generations at a cutoff: another row makes another token."""
    _accepted(world, 1, sharpness=0.2)
    first = materialized(policy_decisions, PARTITION, instance=instance, platform=world.platform())
    again = materialized(policy_decisions, PARTITION, instance=instance, platform=world.platform())
    _accepted(world, 2, sharpness=0.2)
    grown = materialized(policy_decisions, PARTITION, instance=instance, platform=world.platform())

    tokens = [done.metadata["plan_token"].value for done in (first, again, grown)]
    assert tokens[0] == tokens[1] != tokens[2]


def test_preview_when_given_a_draft_judges_by_it_without_publishing(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """A draft is tried on real images before it exists as a version, and is filed as a draft."""
    _accepted(world, 1, sharpness=0.2)
    draft = a_document(a_rule("score_sharpness < 0.1", rule_id="soft")).replace("test-1", "idea-1")

    done = materialized(
        policy_decisions,
        PARTITION,
        instance=instance,
        platform=world.platform(),
        run_config={"ops": {"policy_decisions": {"config": {"draft": draft}}}},
    )

    assert done.metadata["policy_version"].value == "idea-1"
    assert done.metadata["is_draft"].value is True
    assert done.table("flips") == []
    assert "/drafts/idea-1/" in done.metadata["parquet"].value
    assert "idea-1" not in world.control.policy_versions()


def test_preview_when_the_draft_is_faulty_names_its_faults(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """A person reads where the document is wrong instead of a stack of internals."""
    draft = a_document(a_rule("score_sharpnes < 0.1"))

    with pytest.raises(InvalidPolicyError, match="score_sharpness"):
        materialized(
            policy_decisions,
            PARTITION,
            instance=instance,
            platform=world.platform(),
            run_config={"ops": {"policy_decisions": {"config": {"draft": draft}}}},
        )


def test_preview_when_answers_are_missing_names_the_price(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """Rows that only the model can judge are counted and priced at what the run config says."""
    row = a_row(1, status=Status.ENRICHED, decision=a_decision(policy="test-0"))
    world.images.add(row)
    world.images.put_result(row.key, a_result(prompt_pack="other-pack"))
    price = {"usd_per_instance_hour": 3600.0, "seconds_per_image": 2.0}

    done = materialized(
        policy_decisions,
        PARTITION,
        instance=instance,
        platform=world.platform(),
        run_config={"ops": {"policy_decisions": {"config": price}}},
    )

    assert done.metadata["gpu_rows"].value == 1
    assert done.metadata["usd"].value == pytest.approx(2.0)
    assert done.table("verdicts") == [{"verdict": "no verdict", "images": 1}]


def test_preview_when_the_worker_just_scored_under_the_version_changes_nothing(
    instance: dg.DagsterInstance,
) -> None:
    """What the worker writes is what the planner reads: scored under the version in force is a noop."""
    line = Line()
    line.add_many(2)
    drain(
        line.platform,
        warm_scorer(),
        scored_by="headless:test",
        until=lambda: not line.queue.jobs,
        deadline_s=20,
        limits=QUICK,
    )

    done = materialized(
        policy_decisions,
        f"{shipped_policy().version}|{TENANT}",
        instance=instance,
        platform=line.platform,
    )

    assert [(row["change"], row["rows"]) for row in done.table("classes")] == [("noop", 2)]
