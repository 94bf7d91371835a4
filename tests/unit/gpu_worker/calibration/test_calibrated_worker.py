"""A calibrated policy at the worker: raw answers are kept, calibrated ones decide, misfits are explained."""

import pytest

from gpu_worker.effects import Candidate
from gpu_worker.events import BatchScored, Dependency, DependencyFailed
from gpu_worker.fetch import scorable
from gpu_worker.prompts.pack import shipped_pack
from gpu_worker.score import Scorer, score_batch, warm_scorer
from parjanya_dagster.control.policies import PolicyInForce, publish_policy
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.execution.outcome import Completed
from parjanya_dagster.core.policy.calibration import Calibration
from parjanya_dagster.core.truth.row import Verdict
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import a_job, a_row, some_facts
from tests.calibration_builders import a_calibration, yes_no
from tests.policy_builders import a_document, a_rule
from tests.unit.gpu_worker.scripted_engine import ScriptedEngine, a_preview

PACK = shipped_pack()
ENGINE = ScriptedEngine()  # says 0.5 to every yes/no question
RULES = (a_rule("p_photograph_yes < 0.4", rule_id="unlikely"), a_rule("p_photograph_yes >= 0.5", "accept"))


def for_engine(**changes: str) -> Calibration:
    """Return a calibration by which an answer of 0.5 is worth 0.27."""
    mine = {"pack_hash": PACK.content_hash, "fingerprint": ENGINE.fingerprint(PACK)}
    return a_calibration(yes_no(line=(1.0, -1.0)), prompt_pack=PACK.id, **mine | changes)


def scored_under(calibration: Calibration | None) -> BatchScored | DependencyFailed:
    """Return what comes of one image under a policy with this calibration."""
    platform = a_fake_platform().platform()
    named = "" if calibration is None else 'calibration = "test-1"'
    top = f"review_text_heavy_from = 0.8\n{named}"
    document = a_document(*RULES, otherwise="review", top=top).replace("test-pack", PACK.id)
    publish_policy(platform, document, calibrations=lambda _: calibration or a_calibration())
    row = a_row()
    image = scorable(a_preview(), technical=some_facts().technical, exif=None)
    event = score_batch(
        platform,
        Scorer(engine=ENGINE, pack=PACK),
        PolicyInForce(platform),
        [Candidate(receipt="1", job=a_job(row), row=row)],
        [image],
        scored_by="headless:test",
    )
    assert isinstance(event, BatchScored | DependencyFailed)
    return event


@pytest.mark.parametrize(("calibration", "verdict"), [(None, Verdict.ACCEPT), (for_engine(), Verdict.REJECT)])
def test_worker_decides_by_calibrated_answers_and_stores_raw_ones(
    calibration: Calibration | None, verdict: Verdict
) -> None:
    """Answers are Truth: what they are worth may be found out later, and differently."""
    event = scored_under(calibration)

    assert isinstance(event, BatchScored)
    outcome = event.outcomes["1"]
    assert isinstance(outcome, Completed)
    assert outcome.result.answers["photograph"]["probabilities"] == {"yes": 0.5, "no": 0.5}
    assert outcome.result.decision.verdict is verdict


@pytest.mark.parametrize(
    ("changes", "explanation"),
    [
        ({"fingerprint": "another machine's"}, "made for answers of engine cpu with the fingerprint"),
        ({"pack_hash": "cd" * 32}, "fit one for this pack"),
    ],
)
def test_worker_whose_answers_a_calibration_is_not_for_stops_and_says_so(
    changes: dict[str, str], explanation: str
) -> None:
    """It is the policy that does not fit, no fault of any image: the worker receives no more of them."""
    event = scored_under(for_engine(**changes))

    assert isinstance(event, DependencyFailed)
    assert event.dependency is Dependency.POLICY
    assert explanation in event.detail


def test_engine_that_cannot_answer_a_pack_is_refused_when_it_starts() -> None:
    """Not image by image, as if the images were at fault."""
    with pytest.raises(ConfigError, match="engine cpu can't score 'technical_quality'"):
        warm_scorer("cpu", pack_id="photo-1")
