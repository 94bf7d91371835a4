"""Policies with a calibration: pinned when published, changed by a new version, and judged without a GPU."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from parjanya_dagster.control.policies import PolicyInForce, compiled_policy, publish_policy
from parjanya_dagster.control.preview import preview_tenant
from parjanya_dagster.core.errors import ConfigError, InvalidRequestError
from parjanya_dagster.core.policy.calibration import Calibration
from parjanya_dagster.core.policy.document import InvalidPolicyError, load_policy
from parjanya_dagster.core.reconcile.replay import RULES_ALONE, Refusal
from parjanya_dagster.core.truth.row import Verdict
from parjanya_dagster.policies.calibrations import calibration_in, shipped_calibration
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from tests.builders import FINGERPRINT, TENANT, a_key, a_result
from tests.calibration_builders import a_calibration, ordinal, yes_no
from tests.policy_builders import a_document, a_rule
from tests.unit.control.replays import ANSWERS, TARIFF, a_world, previewed, replayed, scored_row

BLURRED = a_rule("score_sharpness < 0.5", rule_id="blurred")
STRICT = a_calibration(ordinal(knots=[(0.0, 0.0), (1.0, 0.2)]), version=1, fingerprint=FINGERPRINT)
KIND = a_calibration(ordinal(knots=[(0.0, 0.0), (0.1, 0.9), (1.0, 1.0)]), version=2, fingerprint=FINGERPRINT)


def a_calibrated_document(version: str, calibration: str, *rules: str) -> str:
    """Return the document of a version that names a calibration."""
    document = a_document(*(rules or (BLURRED,)), top=f'calibration = "{calibration}"')
    return document.replace('"test-1"\ntitle', f'"{version}"\ntitle')


def among(*calibrations: Calibration) -> Callable[[str], Calibration]:
    """Return what finds calibrations by name."""
    return {each.id: each for each in calibrations}.__getitem__


def a_scored_world() -> FakePlatform:
    """Return a world with a row whose sharpness was judged 0.2."""
    world = a_world(scored_row(1))
    asked = a_result("1-asked", answers=ANSWERS, prompt_pack="test-pack")
    world.images.add(scored_row(1, result_id=asked.result_id))
    world.images.put_result(a_key(1), asked)
    return world


def test_published_policy_carries_the_calibration_that_its_document_names(tmp_path: Path) -> None:
    """A file that is edited or lost later cannot change what was decided."""
    world = a_scored_world()
    file = tmp_path / "test-1.json"
    file.write_text(STRICT.model_dump_json())
    document = a_calibrated_document("c-v1", "test-1")

    publish_policy(world.platform(), document, calibrations=lambda name: calibration_in(tmp_path, name))
    file.unlink()

    policy = compiled_policy(world.platform(), "c-v1").policy
    assert policy.calibration == STRICT
    assert policy.accepted_fingerprints == (FINGERPRINT,)
    assert STRICT.content_hash in policy.canonical


def test_version_under_another_calibration_is_refused() -> None:
    """A calibration that changes makes a new version, like a threshold."""
    platform = a_scored_world().platform()
    document = a_calibrated_document("c-v1", "test-1")
    publish_policy(platform, document, calibrations=among(STRICT))
    refitted = a_calibration(ordinal(knots=[(0.0, 0.0), (1.0, 0.3)]), fingerprint=FINGERPRINT)

    with pytest.raises(InvalidRequestError, match="exists with another document"):
        publish_policy(platform, document, calibrations=among(refitted))


def test_stored_policy_whose_calibration_was_edited_is_noticed() -> None:
    """Whoever changes history by hand is found out when it is read."""
    world = a_scored_world()
    publish_policy(world.platform(), a_calibrated_document("c-v1", "test-1"), calibrations=among(STRICT))
    stored = world.control.policy("c-v1")
    assert stored is not None
    edited = json.loads(stored)
    edited["calibration"]["questions"][0]["knots"][1]["becomes"] = 1.0
    world.control.publish_policy("c-v1-edited", json.dumps(edited), now=world.clock())

    with pytest.raises(InvalidPolicyError, match="not what its content_hash was taken of"):
        compiled_policy(world.platform(), "c-v1-edited")


def test_another_calibration_is_regraded_by_rules_alone() -> None:
    """The answers stay Truth; what they are worth is the policy's to say, and costs no GPU."""
    world = a_scored_world()
    for version, calibration in (("c-v1", "test-1"), ("c-v2", "test-2")):
        document = a_calibrated_document(version, calibration)
        publish_policy(world.platform(), document, calibrations=among(STRICT, KIND))
    preview = preview_tenant(world.platform(), TENANT, compiled_policy(world.platform(), "c-v2"), TARIFF)
    before = preview_tenant(world.platform(), TENANT, compiled_policy(world.platform(), "c-v1"), TARIFF)
    done = replayed(world, previewed(world, RULES_ALONE))

    assert preview.rows.select("change", "verdict").row(0) == ("rules_only", "accept")
    assert before.rows.select("change", "verdict").row(0) == ("rules_only", "reject")
    assert preview.price.gpu_rows == 0
    assert done.moved == 1
    decided = world.images.rows[a_key(1)].decision
    assert decided is not None
    assert (decided.verdict, decided.policy_version) == (Verdict.ACCEPT, "c-v2")
    assert {each.result_id: each.answers for each in world.images.results(a_key(1))} == {
        "1-first": ANSWERS,
        "1-asked": ANSWERS,
        world.images.rows[a_key(1)].result_id: ANSWERS,
    }


def test_answers_of_another_engine_are_asked_again_under_a_calibration() -> None:
    """It says nothing about them: not by rules alone, and not in a preview."""
    world = a_scored_world()
    other = a_calibration(ordinal(), fingerprint="another engine's")
    publish_policy(world.platform(), a_calibrated_document("c-v1", "test-1"), calibrations=among(other))

    preview = preview_tenant(world.platform(), TENANT, PolicyInForce(world.platform()).current(), TARIFF)
    replay = previewed(world, RULES_ALONE)

    assert preview.rows.select("change", "reason").row(0) == ("gpu", "other_fingerprint")
    assert dict(replay.left_out) == {Refusal.OTHER_QUESTIONS: 1}


@pytest.mark.parametrize(
    ("calibration", "top", "complaint"),
    [
        (a_calibration(prompt_pack="other-1"), "", "made for the pack 'other-1', not 'test-pack'"),
        (a_calibration(), 'fingerprints = ["x"]', "holds for answers of fingerprint-1 alone"),
        (
            a_calibration(ordinal(labels=("poor", "good"))),
            "",
            "knows 'sharpness' with the labels poor, good",
        ),
        (a_calibration(yes_no("sharpness")), "", "knows 'sharpness' with the labels yes, no"),
    ],
)
def test_calibration_that_does_not_fit_its_policy_is_a_fault_of_the_document(
    calibration: Calibration, top: str, complaint: str
) -> None:
    """Found when the policy is loaded, not in its verdicts."""
    document = a_document(BLURRED, top=f'calibration = "test-1"\n{top}')

    with pytest.raises(InvalidPolicyError, match=complaint):
        load_policy(document, calibrations=lambda _: calibration)


def test_calibration_for_more_than_the_policy_asks_is_fine() -> None:
    """One calibration of a pack serves every policy of it."""
    whole = a_calibration(ordinal(), yes_no("nsfw"))

    assert (
        load_policy(a_calibrated_document("c-v1", "test-1"), calibrations=lambda _: whole).calibration
        == whole
    )


def test_fingerprint_of_the_calibration_itself_may_be_stated() -> None:
    """To say it twice is no fault."""
    document = a_document(BLURRED, top='calibration = "test-1"\nfingerprints = ["fingerprint-1"]')

    assert load_policy(document, calibrations=lambda _: a_calibration()).accepted_fingerprints == (
        "fingerprint-1",
    )


def test_calibration_by_name_needs_somewhere_to_look_it_up(tmp_path: Path) -> None:
    """A name that nobody can resolve is a fault; so are a missing file and one under another's name."""
    document = a_calibrated_document("c-v1", "test-1")
    with pytest.raises(InvalidPolicyError, match="'test-1' is a name, and there is nothing here"):
        load_policy(document)
    with pytest.raises(InvalidPolicyError, match="there is no calibration 'test-1'; there is none"):
        load_policy(document, calibrations=shipped_calibration)
    (tmp_path / "test-1.json").write_text(KIND.model_dump_json())
    with pytest.raises(ConfigError, match="'test-1' calls itself 'test-2'"):
        calibration_in(tmp_path, "test-1")


def test_policy_for_questions_that_the_fleet_is_not_asked_is_refused() -> None:
    """Under it every worker would stop receiving: said where it is published, not found in a backlog."""
    world = a_scored_world()
    document = a_document(BLURRED)

    with pytest.raises(InvalidRequestError, match=r"'test-pack', but the fleet is asked 'house-1'"):
        publish_policy(world.platform(), document, asked_pack="house-1")
    assert world.control.policy("test-1") is None
    assert publish_policy(world.platform(), document, asked_pack="test-pack") == "test-1"
