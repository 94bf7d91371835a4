"""A language model's habits: found on blank images, and gone once they are taken off."""

import pytest

from gpu_worker.calibration.fit import Identity, fit_calibration
from gpu_worker.engines.engine import ScorableImage
from gpu_worker.engines.qwen3_vl.engine import Qwen3VlEngine
from gpu_worker.engines.qwen3_vl.loading import LoadedModel
from gpu_worker.prompts.pack import shipped_pack
from parjanya_dagster.core.policy.calibrated_facts import calibrated_facts
from parjanya_dagster.core.policy.calibration import load_calibration
from tests.calibration_builders import NOON
from tests.engines.ordinary_api import noise
from tests.unit.gpu_worker.calibration.frames import facts_frame

PACK = shipped_pack("photo-1")


def test_habits_of_a_checkpoint_are_taken_off_its_answers(loaded: LoadedModel) -> None:
    """On the images that they were found on, no label is preferred on average; scores are about a half."""
    engine = Qwen3VlEngine(loaded, micro_batch=2)
    blanks = engine.answer([ScorableImage(pixels=noise(4, 4, seed=seed)) for seed in range(4)], PACK)
    fingerprint = engine.fingerprint(PACK)
    identity = Identity(name="tiny", version=1, created=NOON, engine=engine.name, fingerprint=fingerprint)

    found = fit_calibration(identity, PACK, blanks=blanks, labelled=[])

    assert load_calibration(found.model_dump_json()) == found
    frame = facts_frame(blanks, fingerprint)
    facts = calibrated_facts(found.questions, frame.columns, fingerprint=fingerprint)
    corrected = facts.of(frame.lazy()).collect()
    for question in PACK.questions:
        shares = [corrected[f"p_{question.id}_{label}"].log().mean() for label in question.label_names]
        assert shares == pytest.approx([shares[0]] * len(shares), abs=1e-9)
    before = [abs(score - 0.5) for each in blanks for score in each.scores().values()]
    after = [abs(score - 0.5) for name in blanks[0].scores() for score in corrected[f"score_{name}"]]
    assert sum(after) < sum(before)
